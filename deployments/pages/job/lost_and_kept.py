"""What a run's end by hand would lose and keep, in words and numbers."""

from collections.abc import Sequence
from dataclasses import dataclass

from django.conf import settings

from deployments.models.deployments import Status
from deployments.overview import DeploymentOverview
from deployments.pages.job.checkpoints import HOME, CheckpointLine
from deployments.templatetags.wording import counted, size

TRAINED = frozenset({Status.TRAINING, Status.COLLECTING, Status.RECOVERING})


@dataclass(frozen=True)
class LostAndKept:
    """Sentences without their first word: "the 34 steps since checkpoint 143"."""

    lost_by_stopping: str
    lost_by_cancelling: str
    kept_by_stopping: str
    kept_by_cancelling: str


def lost_and_kept(run: DeploymentOverview, *, checkpoints: Sequence[CheckpointLine]) -> LostAndKept:
    """Return what would be lost and kept by stopping with saving, and by cancelling."""
    home = max((line for line in checkpoints if line.where == HOME), key=_step, default=None)
    kept = "all logs and metrics"
    if home is not None:
        kept = f"checkpoint {home.step:,} ({size(home.size_bytes)}, already home), {kept}"
    return LostAndKept(
        lost_by_stopping=_steps_to_come(run),
        lost_by_cancelling=_trained_since(run, home),
        kept_by_stopping="the adapter as it is now, all logs and metrics",
        kept_by_cancelling=kept
        if run.status in TRAINED or run.kept_until
        else "the settings, the data, all logs",
    )


def must_type_name(run: DeploymentOverview) -> bool:
    """Whether so much was spent that a slip of the hand must not throw it away."""
    return run.kept_until is None and run.cost.accrued >= settings.CONFIRM_NAME_FROM_USD


def _step(line: CheckpointLine) -> int:
    return line.step


def _steps_to_come(run: DeploymentOverview) -> str:
    progress = run.progress
    if progress is None or progress.step is None or progress.total_steps is None:
        return "the rest of the training"
    left = max(0, progress.total_steps - progress.step)
    return f"the {counted(left, 'step')} still to come" if left else "nothing"


def _trained_since(run: DeploymentOverview, home: CheckpointLine | None) -> str:
    if run.kept_until:
        return "what is on the machine alone"
    if run.status not in TRAINED:
        return "nothing that was trained, since training has not begun"
    step = run.progress.step if run.progress else None
    if not step:
        return "everything trained so far; the adapter does not come home"
    if home is not None:
        return f"the {counted(max(0, step - home.step), 'step')} since checkpoint {home.step:,}"
    return f"all {counted(step, 'step')} trained so far; the adapter does not come home"
