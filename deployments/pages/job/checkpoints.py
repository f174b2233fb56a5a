"""The checkpoints of a run: how good each is, and where it lies. Pure.

A checkpoint counts as home only if its files were read back here with the sha256 that its machine
told when it wrote them, or if an adapter at home holds the same weights (I11).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from deployments.models import Artifact, Checkpoint

WEIGHTS = "adapter_model.safetensors"
# The machine keeps so many of them where a recipe does not say (its save_total_limit).
KEPT_ON_MACHINE = 2
HOME, ON_MACHINE, REPLACED, GONE = "home", "on the machine", "replaced", "gone"


@dataclass(frozen=True)
class CheckpointLine:
    """One checkpoint. ``where`` is one of the words above; ``home_at`` is set when it is home.

    ``artifact`` is what to download, None where nothing but the checkpoint itself is home.

    Losses are those told at its very step, None where none was; ``is_best`` has the lowest
    evaluation loss of those that have one.
    """

    checkpoint_id: UUID
    step: int
    machine: str
    epoch: float | None
    eval_loss: float | None
    train_loss: float | None
    size_bytes: int
    saved_at: datetime
    where: str
    home_at: datetime | None
    artifact: Artifact | None
    is_best: bool
    # Whether all of it is home, so that a run can go on from it.
    is_whole_home: bool = False

    @property
    def adapter_id(self) -> UUID | None:
        """What a new run can start from; None where its weights are not home."""
        if self.artifact is not None:
            return self.artifact.pk
        return self.checkpoint_id if self.is_whole_home else None


def checkpoint_lines(
    checkpoints: Sequence[Checkpoint],
    *,
    artifacts: Sequence[Artifact],
    living: frozenset[UUID],
    eval_losses: Mapping[int, float | None],
    train_losses: Mapping[int, float | None],
    epochs_a_step: float | None,
    kept: int = KEPT_ON_MACHINE,
) -> list[CheckpointLine]:
    """Return a line for each checkpoint, the newest first.

    ``living`` are the machines that may still exist, each with its ``kept`` newest; losses are by
    step.
    """
    measured = {
        each.step: loss for each in checkpoints if (loss := eval_losses.get(each.step)) is not None
    }
    best = min(measured, key=lambda step: (measured[step], step), default=None)
    home = {digest: artifact for artifact in artifacts for digest in _weights(artifact.files)}
    newest = _newest_of_each_machine(checkpoints, kept=kept)
    lines = []
    for each in sorted(checkpoints, key=lambda one: (one.step, one.at), reverse=True):
        artifact = next((home[d] for d in _weights(each.files) if d in home), None)
        lines.append(
            CheckpointLine(
                checkpoint_id=each.pk,
                step=each.step,
                machine=each.machine.name,
                epoch=None if epochs_a_step is None else each.step * epochs_a_step,
                eval_loss=measured.get(each.step),
                train_loss=train_losses.get(each.step),
                size_bytes=each.size_bytes,
                saved_at=each.at,
                where=_where(each, artifact, living=living, newest=newest),
                home_at=artifact.saved_at if artifact is not None else each.home_at,
                artifact=artifact,
                is_best=each.step == best,
                is_whole_home=each.home_at is not None,
            )
        )
    return lines


def _where(
    checkpoint: Checkpoint,
    artifact: Artifact | None,
    *,
    living: frozenset[UUID],
    newest: Mapping[UUID, set[int]],
) -> str:
    if artifact is not None or checkpoint.home_at is not None:
        return HOME
    if checkpoint.step not in newest[checkpoint.machine_id]:
        return REPLACED
    return ON_MACHINE if checkpoint.machine_id in living else GONE


def _newest_of_each_machine(
    checkpoints: Sequence[Checkpoint], *, kept: int
) -> dict[UUID, set[int]]:
    steps: dict[UUID, list[int]] = {}
    for each in checkpoints:
        steps.setdefault(each.machine_id, []).append(each.step)
    return {machine: set(sorted(own)[-kept:]) for machine, own in steps.items()}


def _weights(files: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the sha256 of the weights among listed files; both lists name them below a folder."""
    return [
        str(file.get("sha256"))
        for file in files
        if str(file.get("name", "")).rpartition("/")[2] == WEIGHTS and file.get("sha256")
    ]
