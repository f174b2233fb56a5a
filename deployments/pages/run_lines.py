"""The lines of the list of runs: what each one is, does and has cost, with a few of its losses."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from uuid import UUID

from django.db.models import OuterRef, Q, Subquery

from deployments import clouds, overview
from deployments.models import Deployment, Metric, TrainingJob
from deployments.overview import DeploymentOverview
from deployments.pages import machine_facts, status_words
from deployments.pages.charts.drawing import Sparkline, sparkline
from deployments.pages.charts.kinds import EVAL_LOSS, TRAIN_LOSS
from deployments.pages.job_page import model_words
from deployments.pages.status_words import Pill

SPARK_POINTS = 24


@dataclass(frozen=True)
class RunLine:
    """One run as the list shows it."""

    run: DeploymentOverview
    pill: Pill
    model: str
    method: str
    cloud: str
    machine: str
    seconds: float | None
    spark: Sparkline | None
    eval_loss: float | None


def run_lines(deployments: Sequence[Deployment], *, now: datetime) -> list[RunLine]:
    """Return the lines of a page; the same few queries however many there are."""
    shown = overview.deployment_lines(deployments, now=now)
    sparks = _train_losses(deployments, shown)
    evals = _newest_eval_losses(deployments)
    return [
        _line(deployment, run, sparks.get(deployment.job_id, []), evals.get(deployment.job_id), now)
        for deployment, run in zip(deployments, shown, strict=True)
    ]


def short_model(name: str) -> str:
    """Return a model's name without whoever published it: Qwen3-8B."""
    return model_words(name).rpartition("/")[2]


def _line(
    deployment: Deployment,
    run: DeploymentOverview,
    losses: Sequence[tuple[int, float]],
    eval_loss: float | None,
    now: datetime,
) -> RunLine:
    rented = [m for m in run.machines if m.status not in overview.NOT_STARTED]
    total = run.progress.total_steps if run.progress else None
    seconds = None
    if rented:
        ended = run.completed_at or now
        seconds = (ended - rented[0].requested_at).total_seconds()
    return RunLine(
        run=run,
        pill=status_words.pill(run),
        model=short_model(deployment.job.model_name),
        method=str(deployment.job.config.get("method", "sft")).upper(),
        cloud=clouds.capabilities(rented[-1].platform if rented else run.platform).label,
        machine=machine_facts.gpu_words(rented[-1]) if rented else "",
        seconds=seconds,
        spark=sparkline(losses, total_steps=total),
        eval_loss=eval_loss,
    )


def _train_losses(
    deployments: Sequence[Deployment], shown: Sequence[DeploymentOverview]
) -> Mapping[UUID, list[tuple[int, float]]]:
    """Return a few (step, loss) pairs of each job, picked by step so that an index finds them."""
    wanted = [
        Q(job=deployment.job_id, name=TRAIN_LOSS, step__in=_picked_steps(deployment, run))
        for deployment, run in zip(deployments, shown, strict=True)
        if run.progress is not None and run.progress.step
    ]
    if not wanted:
        return {}
    found: dict[UUID, list[tuple[int, float]]] = defaultdict(list)
    rows = Metric.objects.filter(reduce(or_, wanted)).order_by("step")
    for job, step, value in rows.values_list("job_id", "step", "value"):
        if value is not None:
            found[job].append((step, value))
    return found


def _picked_steps(deployment: Deployment, run: DeploymentOverview) -> list[int]:
    """Return up to 24 steps at which the trainer logs, evenly spread, the newest among them."""
    newest = (run.progress.step if run.progress else None) or 0
    every = deployment.job.config.get("hyperparameters", {}).get("logging_steps") or 1
    logged = newest // int(every)
    stride = max(1, -(-logged // SPARK_POINTS))
    # Counted from the newest one; the trainer logs its first step as well.
    steps = {step * int(every) for step in range(logged, 0, -stride)}
    return sorted(steps | {1})


def _newest_eval_losses(deployments: Sequence[Deployment]) -> dict[UUID, float]:
    """Return the newest finite evaluation loss of each job; one look into an index for each."""
    finite = Metric.objects.filter(job=OuterRef("pk"), name=EVAL_LOSS, value__isnull=False)
    newest = Subquery(finite.order_by("-step").values("value")[:1])
    jobs = TrainingJob.objects.filter(pk__in=[deployment.job_id for deployment in deployments])
    pairs = jobs.annotate(newest=newest).values_list("pk", "newest")
    return {job: value for job, value in pairs if value is not None}
