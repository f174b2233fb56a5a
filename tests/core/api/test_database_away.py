"""A database that is away is told as such, to programs and to people (F76, F77)."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DatabaseError, OperationalError, connection
from django.test import Client

from core.database import is_away
from tests.builders import make_token, make_user
from tests.core.locks import impatient, locked
from tests.postgresql import running_postgresql

# Asked three times: before the outage, in it, after it. By a token, by a session, by nobody.
ASK = """
import json, os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
import django
django.setup()
from django.core.management import call_command
from django.test import Client
from core.tokens import create_token
from django.db import close_old_connections
from django.contrib.auth.models import User
call_command("migrate", verbosity=0)
user = User.objects.create_user("ada")
_, token = create_token(user, name="test")
program = Client(headers={"Authorization": f"Bearer {token}"})
program.raise_request_exception = False
person = Client(raise_request_exception=False)
person.force_login(user)
nobody = Client(raise_request_exception=False)
CALLS = {
    "api by token": lambda: program.get("/api/datasets"),
    "api by session": lambda: person.get("/api/datasets"),
    "creating": lambda: program.post("/api/tokens", {}, headers={"Idempotency-Key": "one"}),
    "page": lambda: person.get("/vault/"),
    "sign-in": lambda: nobody.post("/login/", {"username": "ada", "password": "wrong"}),
    "healthz": lambda: nobody.get("/healthz"),
    "readyz": lambda: nobody.get("/readyz"),
}
while True:
    # As a server does between requests; the test client leaves it out.
    close_old_connections()
    answers = {name: call() for name, call in CALLS.items()}
    print(json.dumps({
        name: [a.status_code, a.headers.get("Retry-After"), a.headers["Content-Type"],
               a.content.decode()]
        for name, a in answers.items()
    }), flush=True)
    if not sys.stdin.readline():
        break
"""
Answers = dict[str, tuple[int, str | None, str, str]]


def statuses(answers: Answers) -> dict[str, int]:
    return {name: answer[0] for name, answer in answers.items()}


def assert_says_that_the_database_is_away(body: Any) -> None:
    error = json.loads(body)["error"]
    assert (error["code"], error["type"]) == ("E_DATABASE_AWAY", "server_error")
    assert "database" in error["message"]
    assert "look first whether it was made" in error["remedy"]


@pytest.mark.full
def test_F77_with_postgresql_stopped_programs_and_people_are_told_and_later_served_again(
    tmp_path: Path,
) -> None:
    with running_postgresql() as server:
        process = subprocess.Popen(  # noqa: S603  # our own command
            [sys.executable, "-W", "ignore", "-c", ASK],
            cwd=settings.BASE_DIR,
            env={"PATH": "", "DATABASE_URL": server.url(), "SLIPWAY_DATA_DIR": str(tmp_path)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            before: Answers = json.loads(process.stdout.readline())
            server.stop()
            process.stdin.write("go on\n")
            process.stdin.flush()
            away: Answers = json.loads(process.stdout.readline())
            server.start()
            after: Answers = json.loads(process.communicate("go on\n", timeout=90)[0])
        finally:
            process.kill()
            process.wait()

    normal = {"api by token": 200, "api by session": 200, "creating": 403, "page": 200}
    normal |= {"sign-in": 200, "healthz": 200, "readyz": 503}
    assert statuses(before) == statuses(after) == normal
    assert statuses(away) == dict.fromkeys(normal, 503) | {"healthz": 200}
    for name in ("api by token", "api by session", "creating"):
        _, retry_after, kind, body = away[name]
        assert (retry_after, kind) == ("10", "application/json")
        assert_says_that_the_database_is_away(body)
    for name in ("page", "sign-in"):
        _, retry_after, kind, body = away[name]
        assert (retry_after, kind) == ("10", "text/html; charset=utf-8")
        assert "<h1>" in body
        assert "The database is away" in body
        assert str(tmp_path) not in body


@pytest.mark.django_db(transaction=True)
def test_F76_a_lock_that_somebody_else_holds_too_long_is_told_and_over_with_it() -> None:
    user = make_user()
    program = Client(headers={"Authorization": f"Bearer {make_token(user)}"})

    with impatient(), locked("rate_windows"):
        refused = program.get("/api/datasets")

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    assert_says_that_the_database_is_away(refused.content)
    assert program.get("/api/datasets").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_F76_a_page_that_meets_such_a_lock_says_so_too() -> None:
    client = Client(raise_request_exception=False)

    with impatient(), locked("axes_accessattempt"):
        refused = client.post("/login/", {"username": "ada", "password": "wrong"})

    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "10")
    assert b"The database is away" in refused.content


def test_a_table_that_is_missing_is_a_fault_of_ours_and_no_outage(db: None) -> None:
    with pytest.raises(DatabaseError) as raised, connection.cursor() as cursor:
        cursor.execute("SELECT * FROM no_such_table")

    assert not is_away(raised.value)
    assert is_away(OperationalError("database is locked"))
    assert not is_away(None)
