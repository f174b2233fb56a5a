"""What a start was refused for, carried to the step and the field where it can be put right."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from core.errors import SlipwayError
from deployments.models import Draft

KEPT = "wizard_refusal"
NOTHING_STARTED = "Nothing was started."


@dataclass(frozen=True)
class Refusal:
    """Why nothing was started; ``param`` is the service's name of the field."""

    param: str
    message: str
    code: str


def keep(request: HttpRequest, draft: Draft, error: SlipwayError) -> None:
    """Keep the newest refusal of a draft until its step is shown."""
    said = "" if NOTHING_STARTED in error.message else NOTHING_STARTED
    message = " ".join(filter(None, (error.message, error.remedy, said)))
    request.session[KEPT] = {
        "draft": str(draft.pk),
        "param": error.param or "",
        "message": message,
        "code": error.code,
    }


def take(request: HttpRequest, draft: Draft) -> Refusal | None:
    """Return a draft's refusal, once."""
    found: dict[str, Any] | None = request.session.get(KEPT)
    if not found or found["draft"] != str(draft.pk):
        return None
    del request.session[KEPT]
    return Refusal(found["param"], found["message"], found.get("code", ""))
