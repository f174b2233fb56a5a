"""The list of runs, and what somebody sees who has none yet."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from operator import or_
from urllib.parse import urlencode
from uuid import UUID

from django.contrib.auth.models import User
from django.core.paginator import Page, Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from core.time import database_now
from datasets.models import Dataset
from deployments import clouds, overview, spending
from deployments.models import Deployment, Metric
from deployments.models.deployments import TERMINAL
from deployments.overview import DeploymentOverview
from deployments.pages import answers, charts, context, machine_facts, status_words
from deployments.pages.answers import Block, member, page
from deployments.pages.charts import Sparkline
from deployments.pages.forms import KeyForm, RunFilter
from deployments.pages.job_page import EVAL_LOSS, TRAIN_LOSS, model_words
from deployments.pages.status_words import Pill
from deployments.providers import PROVIDERS
from secrets_vault.models import VaultEntry

RUNS_A_PAGE = 20
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


@page
@require_safe
def runs(request: HttpRequest) -> HttpResponse:
    """Show the user's runs, newest first; before the first one, what to do."""
    user = member(request)
    if not overview.deployments_of(user).exists():
        return render(request, "deployments/first_visit.html", _first_steps(user))
    form = RunFilter(request.GET)
    rows = _rows_block(request, user)
    month = timezone.localtime().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    spent = spending.spent_since(user, month, now=database_now())
    shown = {"form": form, "rows": rows, "spent": spent, "month": month}
    return render(request, "deployments/runs.html", shown)


@page
@require_safe
def rows(request: HttpRequest) -> HttpResponse:
    """Answer the table alone."""
    return answers.refreshed(request, _rows_block(request, member(request)))


@page
@require_safe
def burn(request: HttpRequest) -> HttpResponse:
    """Answer the burn meter alone."""
    user = member(request)
    shown = context.burn(user, context.living_machines(user), now=database_now())
    return render(request, "_burn.html", {"burn": shown})


def _first_steps(user: User) -> dict[str, object]:
    """Return which of the three steps are done; the first open one shows its form."""
    # Deferred: loading the sealed column would open the key.
    keys = VaultEntry.objects.active().defer("api_key_encrypted")
    key = keys.filter(user=user, provider__in=PROVIDERS).first()
    data = Dataset.objects.active().filter(user=user, status=Dataset.Status.READY).first()
    done = [key is not None, data is not None]
    now = 1 if not done[0] else 2 if not done[1] else 3
    return {"key": key, "data": data, "step": now, "form": KeyForm(), "hide_new_run": True}


def _rows_block(request: HttpRequest, user: User) -> Block:
    found = _filtered(user, RunFilter(request.GET))
    shown = Paginator(found, RUNS_A_PAGE).get_page(request.GET.get("page"))
    lines = _lines(list(shown.object_list), now=database_now())
    kept = {k: v for k, v in request.GET.items() if k in ("q", "status") and v}
    url = reverse("deployments:run-rows") + "?" + urlencode({**kept, "page": shown.number})
    shown_context = {"lines": lines, "shown": shown, "query": urlencode(kept), **_ends(shown)}
    return answers.block(
        request,
        "runs",
        "deployments/_runs.html",
        shown_context,
        url=url,
        is_live=any(not line.run.is_terminal for line in lines),
    )


def _ends(shown: "Page[Deployment]") -> dict[str, object]:
    return {"first": shown.start_index(), "last": shown.end_index(), "all": shown.paginator.count}


def _filtered(user: User, form: RunFilter) -> QuerySet[Deployment]:
    found = overview.deployments_of(user).select_related("job")
    if not form.is_valid():
        return found
    text, status = form.cleaned_data["q"], form.cleaned_data["status"]
    if text:
        found = found.filter(
            Q(name__icontains=text)
            | Q(job__model_name__icontains=text)
            | Q(job__dataset__name__icontains=text)
        )
    if status == RunFilter.ALIVE:
        return found.exclude(status__in=TERMINAL)
    if status == RunFilter.NEEDS_YOU:
        return found.filter(attention__isnull=False)
    return found.filter(status=status) if status else found


def _lines(deployments: Sequence[Deployment], *, now: datetime) -> list[RunLine]:
    """Return the lines of a page; the same few queries however many there are."""
    shown = overview.deployment_lines(deployments, now=now)
    sparks = _train_losses(deployments, shown)
    evals = _newest_eval_losses(deployments)
    return [
        _line(deployment, run, sparks.get(deployment.job_id, []), evals.get(deployment.job_id), now)
        for deployment, run in zip(deployments, shown, strict=True)
    ]


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
        model=model_words(deployment.job.model_name),
        method=str(deployment.job.config.get("method", "sft")).upper(),
        cloud=clouds.capabilities(deployment.platform).label,
        machine=machine_facts.gpu_words(rented[-1]) if rented else "",
        seconds=seconds,
        spark=charts.sparkline(losses, total_steps=total),
        eval_loss=eval_loss,
    )


def _train_losses(
    deployments: Sequence[Deployment], shown: Sequence[DeploymentOverview]
) -> Mapping[UUID, list[tuple[int, float]]]:
    """Return a few (step, loss) pairs of each job, picked by step so that an index finds them."""
    wanted = [
        Q(job=deployment.job_id, step__in=_picked_steps(deployment, run.progress.step))
        for deployment, run in zip(deployments, shown, strict=True)
        if run.progress is not None and run.progress.step
    ]
    if not wanted:
        return {}
    found: dict[UUID, list[tuple[int, float]]] = defaultdict(list)
    rows = Metric.objects.filter(reduce(or_, wanted), name=TRAIN_LOSS)
    for job, step, value in rows.order_by("step").values_list("job_id", "step", "value"):
        if value is not None:
            found[job].append((step, value))
    return found


def _picked_steps(deployment: Deployment, newest: int) -> list[int]:
    """Return up to 24 steps at which the trainer logs, evenly spread, the newest among them."""
    every = deployment.job.config.get("hyperparameters", {}).get("logging_steps") or 1
    logged = newest // int(every)
    stride = max(1, -(-logged // SPARK_POINTS))
    # Counted from the newest one; the trainer logs its first step as well.
    steps = {step * int(every) for step in range(logged, 0, -stride)}
    return sorted(steps | {1})


def _newest_eval_losses(deployments: Iterable[Deployment]) -> dict[UUID, float]:
    jobs = [deployment.job_id for deployment in deployments]
    rows = Metric.objects.filter(job__in=jobs, name=EVAL_LOSS).order_by("step")
    pairs = rows.values_list("job_id", "value")
    return {job: value for job, value in pairs if value is not None}
