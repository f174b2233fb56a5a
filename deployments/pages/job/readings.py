"""What the rows of a run tell of its health, and of the losses at its checkpoints."""

from collections.abc import Collection
from datetime import datetime

from deployments.event_values import GPU_USE
from deployments.models import TrainingJob
from deployments.models.deployments import Status
from deployments.overview import DeploymentOverview
from deployments.pages.charts.kinds import EVAL_LOSS, TRAIN_LOSS
from deployments.pages.job import health
from deployments.pages.job.health import Readings

GRAD_NORM, LEARNING_RATE = "train/grad_norm", "train/learning_rate"


def readings(job: TrainingJob, run: DeploymentOverview, *, now: datetime) -> Readings:
    """Return the newest figures that the notes are made of; four queries."""
    news, recipe = run.run, job.config.get("hyperparameters", {})
    rate = run.metrics.get(LEARNING_RATE)
    return Readings(
        now=now,
        is_training=run.status == Status.TRAINING,
        train_loss=_newest(job, TRAIN_LOSS, 2 * health.MOST_IN_A_WINDOW),
        eval_loss=_newest(job, EVAL_LOSS, health.MOST_IN_A_WINDOW),
        grad_norm=_newest(job, GRAD_NORM, 2 * health.MOST_IN_A_WINDOW),
        learning_rate=rate.value if rate else None,
        micro_batch=recipe.get("per_device_train_batch_size"),
        heartbeat=(news.heartbeat if news else None) or {},
        gpu_percents=[v for _, v in _newest(job, GPU_USE, health.LOOKS) if v is not None],
        is_stand_in=bool(news and news.is_cpu_stand_in),
        news_at=news.news_at if news else None,
        looked_at=news.looked_at if news else None,
    )


def losses_at(job: TrainingJob, steps: Collection[int]) -> dict[str, dict[int, float | None]]:
    """Return the train and evaluation losses told at these very steps; one query."""
    found: dict[str, dict[int, float | None]] = {TRAIN_LOSS: {}, EVAL_LOSS: {}}
    rows = job.metrics.filter(name__in=found, step__in=steps)
    for name, step, value in rows.values_list("name", "step", "value"):
        found[name][step] = value
    return found


def _newest(job: TrainingJob, name: str, number: int) -> list[tuple[int, float | None]]:
    """Return the last values of a metric in order of step."""
    rows = job.metrics.filter(name=name).order_by("-step")
    return list(rows.values_list("step", "value")[:number])[::-1]
