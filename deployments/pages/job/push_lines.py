"""How far each push to the Hub is, in words."""

from collections.abc import Iterable
from dataclasses import dataclass

from deployments.models import HubPush

State = HubPush.State
WORDS = {"adapter": "The adapter", "merged": "The merged model"}


@dataclass(frozen=True)
class PushLine:
    """One push in words; ``mark`` is how its state looks: ok, bad, or "" while it goes on."""

    push: HubPush
    what: str
    state: str
    mark: str


def push_lines(found: Iterable[HubPush]) -> tuple[PushLine, ...]:
    """Return the pushes as they are told."""
    return tuple(_line(push) for push in found)


def _line(push: HubPush) -> PushLine:
    state, mark = {
        State.QUEUED: ("waiting", ""),
        State.UPLOADING: (f"sending, {push.files_done} of {push.files_total} files are there", ""),
        State.PUSHED: ("pushed", "ok"),
        State.FAILED: ("failed", "bad"),
    }[State(push.state)]
    if push.state == State.QUEUED and push.error:
        state = "waiting for another try"
    return PushLine(push, WORDS.get(push.artifact.kind, push.artifact.kind), state, mark)
