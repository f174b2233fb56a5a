"""The account's audit log: what was changed, when, with which key (by fingerprint).

The shape is that of API 1.10.0. The names of services, resources and actions come from a catalogue
that was not at hand: those here are invented after the examples of the document.
"""

import base64
import secrets
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime

from sandbox.errors import invalid
from sandbox.ledger import iso

PAGE_SIZE = 50
ACCOUNT_LRN = "lrn:cloud:account:sandbox"

Json = dict[str, object]


@dataclass(frozen=True)
class AuditEvent:
    """One change of one resource."""

    resource: str
    action: str
    resource_id: str
    key_fingerprint: str | None
    details: Json
    event_id: str = field(default_factory=lambda: secrets.token_hex(16))
    time: float = field(default_factory=time.time)

    def as_json(self) -> Json:
        key = self.key_fingerprint
        return {
            "service_name": "cloud",
            "resource_name": self.resource,
            "action": self.action,
            "catalog_version": "1",
            "event_id": self.event_id,
            "event_time": iso(self.time),
            "actor_lrn": ACCOUNT_LRN,
            "resource_lrns": [f"lrn:cloud:{self.resource}:{self.resource_id}"],
            "resource_owner_lrn": ACCOUNT_LRN,
            "request_api_key_lrn": None if key is None else f"lrn:cloud:api_key:{key}",
            "additional_details": self.details,
        }


class AuditLog:
    """All events, oldest first."""

    def __init__(self) -> None:
        self._events: list[AuditEvent] = []

    def add(self, event: AuditEvent) -> None:
        self._events.append(event)

    def page(
        self,
        *,
        start: str | None = None,
        end: str | None = None,
        resource: str | None = None,
        page_token: str | None = None,
    ) -> tuple[list[Json], str | None]:
        """Return one page and the token of the next; both times are inclusive."""
        earliest, latest = _time(start, "start"), _time(end, "end")
        fitting = [
            event
            for event in self._events
            if (earliest is None or event.time >= earliest)
            and (latest is None or event.time <= latest)
            and resource in (None, event.resource)
        ]
        first = _read_token(page_token)
        following = first + PAGE_SIZE
        token = _token(following) if following < len(fitting) else None
        return [event.as_json() for event in fitting[first:following]], token


def _time(text: str | None, parameter: str) -> float | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        return moment.timestamp()
    except (ValueError, OverflowError):
        raise invalid(parameter, "Input should be an ISO 8601 timestamp") from None


def _token(position: int) -> str:
    return base64.urlsafe_b64encode(f"from:{position}".encode()).decode()


def _read_token(token: str | None) -> int:
    if token is None:
        return 0
    try:
        text = base64.urlsafe_b64decode(token).decode()
    except ValueError:
        text = ""
    word, _, position = text.partition(":")
    if word != "from" or not position.isdecimal():
        raise invalid("page_token", "Not a token of this listing")
    return int(position)
