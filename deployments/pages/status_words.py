"""What a run's status is called on the pages: a word, a tone and an icon (PAGES section 3)."""

from collections.abc import Callable
from dataclasses import dataclass

from deployments.models.deployments import Status
from deployments.overview import DeploymentOverview
from deployments.templatetags.wording import about, moment, percent

S = Status


@dataclass(frozen=True)
class Pill:
    """A status as shown. ``line`` is the finer step below it, ``percent`` the bar between."""

    word: str
    tone: str
    icon: str
    line: str = ""
    percent: float | None = None


WORDS: dict[Status, tuple[str, str, str]] = {
    S.QUEUED: ("Queued", "neutral", "three-dots"),
    S.LAUNCHING: ("Launching", "water", "arrow-up-right-circle"),
    S.WAITING_FOR_CAPACITY: ("Waiting for capacity", "warn", "clock"),
    S.BOOTING: ("Booting", "water", "power"),
    S.PREPARING: ("Preparing", "water", "arrow-repeat"),
    S.TRAINING: ("Training", "water", "record-circle"),
    S.RECOVERING: ("Recovering", "warn", "arrow-counterclockwise"),
    S.COLLECTING: ("Bringing home", "water", "box-arrow-in-down"),
    S.TERMINATING: ("Ending", "water", "arrow-down-right-circle"),
    S.COMPLETED: ("Completed", "ok", "check-circle-fill"),
    S.FAILED: ("Failed", "bad", "x-octagon"),
    S.CANCELLED: ("Cancelled", "neutral", "slash-circle"),
}
# Failed, but its machine stays for a look: nothing is being ended yet.
KEPT = ("Failed, kept for a look", "warn", "clock")
# The words of the run log (deployments/training) for what the machine does before training.
STEPS = {
    "preflight": "checking the machine",
    "install": "installing packages",
    "download_data": "bringing the data",
    "download_model": "bringing the base model",
    "train": "training",
    "save": "saving the adapter",
    "merge": "merging it into the base model",
}


def pill(run: DeploymentOverview) -> Pill:
    """Return a run's status; while it needs its owner, that takes the status's place."""
    word, tone, icon = words(run)
    line = finer_step(run)
    if run.attention:
        shown = f"{word}, {line}" if line else word
        return Pill("Needs you", "bad", "exclamation-triangle-fill", line=shown)
    share = run.progress.percent if run.progress and run.status == S.TRAINING else None
    return Pill(word, tone, icon, line=line, percent=share)


def words(run: DeploymentOverview) -> tuple[str, str, str]:
    """Return the word, the tone and the icon of a run's own status."""
    return KEPT if run.kept_until else WORDS[Status(run.status)]


def machine_step(run: DeploymentOverview) -> str:
    """Return what the machine does now, in words; "" when it has told nothing."""
    if run.run is None or run.run.phase not in STEPS:
        return ""
    detail = run.run.phase_detail
    return STEPS[run.run.phase] + (f", {detail}" if detail else "")


def finer_step(run: DeploymentOverview) -> str:
    """Return what goes on inside the status, in words; "" when there is nothing to say."""
    finer = _finer_step(run)
    if run.stop_asked and not run.is_terminal and run.status != S.TERMINATING:
        return f"stop asked for, {finer}" if finer else "stop asked for"
    return finer


def _finer_step(run: DeploymentOverview) -> str:
    worded = FINER.get(Status(run.status), "")
    return worded if isinstance(worded, str) else worded(run)


def _waiting(run: DeploymentOverview) -> str:
    return f"sold out, asking until {moment(run.capacity_deadline)}"


def _booting(run: DeploymentOverview) -> str:
    active = any(machine.active_at for machine in run.machines if machine.may_live)
    return "active, waiting for SSH" if active else "the cloud starts the machine"


def _collecting(run: DeploymentOverview) -> str:
    ended = run.run is not None and run.run.exit is not None
    return "copying the adapter" if ended else "saving the adapter"


def _terminating(run: DeploymentOverview) -> str:
    if run.kept_until:
        return f"kept until {moment(run.kept_until)}, it bills"
    return "bills until proven gone" if run.bills else "no machine is left"


def _failed(run: DeploymentOverview) -> str:
    return str((run.error or {}).get("message", ""))


def _training(run: DeploymentOverview) -> str:
    if run.progress is None or run.progress.percent is None:
        return "before the first step"
    left = run.progress.seconds_remaining
    done = percent(run.progress.percent)
    return done if left is None else f"{done}, {about(left)} left"


FINER: dict[Status, str | Callable[[DeploymentOverview], str]] = {
    S.QUEUED: "waiting for a worker",
    S.LAUNCHING: "asking the cloud",
    S.WAITING_FOR_CAPACITY: _waiting,
    S.BOOTING: _booting,
    S.PREPARING: machine_step,
    S.TRAINING: _training,
    S.RECOVERING: "ending the old machine first",
    S.COLLECTING: _collecting,
    S.TERMINATING: _terminating,
    S.FAILED: _failed,
    S.CANCELLED: "by you",
}
