"""What a run began with, what it answers meanwhile, and what can be gone on with."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from deployments import sample_rows
from deployments.models import Deployment, TrainingJob
from deployments.pages.job.checkpoints import CheckpointLine
from deployments.sample_rows import Answered


@dataclass(frozen=True)
class Samples:
    """The held-out prompts of a run; ``are_wanted`` False: none is ever answered."""

    prompts: Sequence[Answered]
    are_wanted: bool


def begins(job: TrainingJob, deployment: Deployment) -> str:
    """Return what a deployment went on with, in words; "" for a run from the start."""
    found = deployment.resume_from
    if found is not None:
        of = "" if found.job_id == job.pk else f" of {found.job.name}"
        return f"goes on from checkpoint {found.step:,}{of}"
    adapter = job.config.get("adapter")
    return f"starts from the adapter of {adapter['name']}" if adapter else ""


def newest_home(checkpoints: Sequence[CheckpointLine]) -> CheckpointLine | None:
    """Return the checkpoint that came home last, None if none is whole at home."""
    home = (line for line in checkpoints if line.is_whole_home)
    return max(home, key=lambda line: line.home_at or line.saved_at, default=None)


def earlier_cost(job: TrainingJob, deployment: Deployment) -> Decimal:
    """Return what the job's other deployments have cost; each is final, for one lives at a time."""
    others = job.deployments.exclude(pk=deployment.pk).aggregate(cost=Sum("actual_cost"))
    return others["cost"] or Decimal(0)


def samples(job: TrainingJob) -> Samples:
    """Return the job's held-out prompts with what was answered. Two queries."""
    measured = job.config.get("eval", {})
    measures = bool(measured.get("share")) or bool(measured.get("dataset_id"))
    wanted = bool(measured.get("samples")) and measures
    return Samples(sample_rows.of_job(job), wanted)
