"""Calling the REST interface as programs do: a Bearer token and JSON."""

from collections.abc import Sequence
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core import tokens
from tests.builders import make_token

# The clock, the token, the note that it was used, and the count of the minute.
SIGN_IN_QUERIES = 4
# The fields of a deployment, as lists show it and as its own address does (API.md section 2).
SHORT = {
    "deployment_id",
    "job_id",
    "name",
    "platform",
    "status",
    "phase",
    "instance_id",
    "instance_type",
    "region",
    "url",
    "cost",
    "kept_until",
    "resume_from",
    "created_at",
}
FULL = SHORT | {
    "machines",
    "progress",
    "metrics",
    "attention",
    "error",
    "events",
    "artifacts",
    "completed_at",
}


class Caller:
    """One user's program."""

    def __init__(self, user: User, *, scopes: Sequence[str] = tokens.DEFAULT_SCOPES) -> None:
        token = make_token(user, scopes=scopes)
        self._client = Client(headers={"Authorization": f"Bearer {token}"})

    def call(self, method: str, path: str, body: object = None, **headers: str) -> Any:
        """Send one request below ``/api/``; return the response."""
        send = getattr(self._client, method.lower())
        if method in ("GET", "HEAD"):
            return send(f"/api/{path}", headers=headers)
        return send(f"/api/{path}", body, content_type="application/json", headers=headers)

    def get(self, path: str, **headers: str) -> Any:
        """Return the response to GET."""
        return self.call("GET", path, **headers)

    def read(self, path: str) -> Any:
        """Return the JSON that GET answers with 200."""
        response = self.get(path)
        assert response.status_code == 200, response.content
        return response.json()

    def queries_of(self, path: str) -> int:
        """Count the queries of one GET, sign-in included."""
        with CaptureQueriesContext(connection) as captured:
            self.read(path)
        return len(captured)

    def post(self, path: str, body: object = None) -> Any:
        """Return the response to POST."""
        return self.call("POST", path, {} if body is None else body)

    def delete(self, path: str) -> Any:
        """Return the response to DELETE."""
        return self.call("DELETE", path)


def error_of(response: Any, *, status: int) -> dict[str, Any]:
    """Return the one error body, checked for its status and its shape (API.md section 1)."""
    assert response.status_code == status, response.content
    (error,) = response.json().values()
    assert set(error) >= {"code", "type", "message", "param", "remedy"}
    found: dict[str, Any] = error
    return found
