"""What is shown of a deployment: money, machines, progress, and what it is doing now.

Pages and the REST interface show these same figures. Rows in, frozen values out: a list costs
the same few queries however long it is.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db.models import QuerySet, Subquery, Value
from django.db.models.functions import Coalesce

from deployments import clouds, costs, history
from deployments.history import Pace
from deployments.models import (
    CloudSnapshot,
    Deployment,
    Event,
    Machine,
    RunState,
    Stray,
    TrainingJob,
)
from deployments.models.deployments import Desired, LaunchState, Status
from deployments.shown import (
    CloudNews,
    Cost,
    DeploymentOverview,
    EventLine,
    GoneProof,
    JobOverview,
    MachineOverview,
    Progress,
    RunNews,
    StrayOverview,
)

__all__ = [
    "NOT_STARTED",
    "CloudNews",
    "Cost",
    "DeploymentOverview",
    "EventLine",
    "GoneProof",
    "JobOverview",
    "MachineOverview",
    "Progress",
    "RunNews",
    "StrayOverview",
    "deployment_lines",
    "deployment_overview",
    "deployments_of",
    "event_line",
    "head_machine",
    "job_lines",
    "jobs_of",
    "machine_status",
    "progress",
]

LAST_EVENTS = 20
NOT_STARTED = frozenset({LaunchState.REFUSED, LaunchState.NEVER_SEEN})
UNCLEAR = frozenset({LaunchState.INTENT, LaunchState.UNKNOWN})
# Said the other way round, so that a database can look it up in an index.
MAY_LIVE = (LaunchState.INTENT, LaunchState.UNKNOWN, LaunchState.LAUNCHED)
# Statuses with a finer step inside, told by the run log of the machine.
WITH_PHASES = frozenset({Status.PREPARING, Status.TRAINING, Status.COLLECTING})


def deployments_of(user: AbstractBaseUser | AnonymousUser) -> QuerySet[Deployment]:
    """Return the user's deployments, newest first."""
    return Deployment.objects.filter(user=user.pk).order_by("-created_at", "-pk")


def jobs_of(user: AbstractBaseUser | AnonymousUser) -> QuerySet[TrainingJob]:
    """Return the user's jobs, newest first."""
    jobs = TrainingJob.objects.filter(user=user.pk).select_related("dataset")
    return jobs.order_by("-created_at", "-pk")


def deployment_overview(deployment: Deployment, *, now: datetime) -> DeploymentOverview:
    """Return all that is shown of one deployment; ``now`` is the database's time. Eight queries."""
    (line,) = deployment_lines([deployment], now=now)
    names = {machine.machine_id: machine.name for machine in line.machines}
    newest = deployment.events.order_by("-id")[:LAST_EVENTS]
    return replace(
        line,
        metrics=history.latest_metrics(deployment.job_id),
        events=tuple(reversed([event_line(event, names) for event in newest])),
        artifacts=tuple(deployment.artifacts.all()),
        cloud=_cloud_news(deployment),
    )


def deployment_lines(
    deployments: Sequence[Deployment], *, now: datetime
) -> list[DeploymentOverview]:
    """Return what a list shows of each deployment, in the same order. Three queries."""
    machines: dict[UUID, list[Machine]] = defaultdict(list)
    for machine in Machine.objects.filter(deployment__in=deployments).order_by("attempt", "node"):
        machines[machine.deployment_id].append(machine)
    strays: dict[UUID | None, list[Stray]] = defaultdict(list)
    known = Stray.objects.filter(deployment__in=deployments, bills_from__isnull=False)
    for stray in known.order_by("first_seen_at"):
        strays[stray.deployment_id].append(stray)
    runs = history.runs_with_pace(deployments)
    return [_line(each, machines[each.pk], strays[each.pk], runs, now=now) for each in deployments]


def job_lines(jobs: Sequence[TrainingJob], *, now: datetime) -> list[JobOverview]:
    """Return each job with its newest deployment, in the same order. Four queries."""
    by_job: dict[UUID, list[Deployment]] = defaultdict(list)
    newest_first = Deployment.objects.filter(job__in=jobs).order_by("-created_at", "-pk")
    for deployment in newest_first:
        by_job[deployment.job_id].append(deployment)
    newest = [rows[0] for rows in by_job.values()]
    lines = {line.job_id: line for line in deployment_lines(newest, now=now)}
    return [
        JobOverview(
            job=job,
            deployment=lines.get(job.pk),
            deployment_ids=tuple(each.pk for each in by_job[job.pk]),
        )
        for job in jobs
    ]


def event_line(event: Event, machine_names: Mapping[UUID, str]) -> EventLine:
    """Return one line of the story; ``machine_names`` maps machine ids to names."""
    return EventLine(
        event_id=event.pk,
        deployment_id=event.deployment_id,
        at=event.at,
        kind=event.kind,
        message=event.message,
        from_status=event.from_status,
        to_status=event.to_status,
        machine=machine_names.get(event.machine_id) if event.machine_id else None,
        data=event.data,
    )


def machine_status(machine: Machine) -> str:
    """Return the one word for a machine; every row has one.

    requested, refused, never_seen, terminating, gone, or what the cloud said last: booting until
    it says anything.
    """
    if machine.launch_state in NOT_STARTED:
        return machine.launch_state
    if machine.gone_at is not None:
        return "gone"
    if machine.launch_state in UNCLEAR:
        return "requested"
    if machine.end_wanted_at is not None:
        return "terminating"
    return machine.seen_status or "booting"


def head_machine(machines: Iterable[Machine]) -> Machine | None:
    """Return the newest machine that was started or may have been, of machines in order."""
    started = [machine for machine in machines if machine.launch_state not in NOT_STARTED]
    return started[-1] if started else None


def progress(run: RunState, pace: Pace | None, *, is_training: bool) -> Progress | None:
    """Return how far the run is; the time left is known only in training, from its own pace."""
    if run.step is None and run.total_steps is None:
        return None
    percent = None
    if run.step is not None and run.total_steps:
        percent = round(min(100.0, 100 * run.step / run.total_steps), 1)
    return Progress(
        step=run.step,
        total_steps=run.total_steps,
        epoch=run.epoch,
        percent=percent,
        seconds_remaining=_seconds_remaining(run, pace) if is_training else None,
        paced_steps=max(0, (run.step or 0) - pace.first_step) if pace else 0,
    )


def _seconds_remaining(run: RunState, pace: Pace | None) -> int | None:
    if run.exit is not None or pace is None or run.stepped_at is None:
        return None
    if run.step is None or run.total_steps is None or run.step <= pace.first_step:
        return None
    seconds = (run.stepped_at - pace.first_at).total_seconds()
    left = max(0, run.total_steps - run.step)
    return round(left * seconds / (run.step - pace.first_step)) if seconds > 0 else None


def _line(
    deployment: Deployment,
    machines: Sequence[Machine],
    strays: Sequence[Stray],
    runs: Mapping[UUID, tuple[RunState, Pace | None]],
    *,
    now: datetime,
) -> DeploymentOverview:
    head = head_machine(machines)
    run, pace = runs.get(head.pk, (None, None)) if head else (None, None)
    asked = deployment.config
    is_training = deployment.status == Status.TRAINING
    shown = tuple(_machine(deployment, machine, now=now) for machine in machines)
    bills = any(line.may_live for line in machines) or any(stray.bills for stray in strays)
    cost = _cost(deployment, [*machines, *strays], head=head, bills=bills, now=now)
    return DeploymentOverview(
        deployment_id=deployment.pk,
        job_id=deployment.job_id,
        name=deployment.name,
        platform=deployment.platform,
        status=deployment.status,
        status_since=deployment.status_since,
        phase=_phase(deployment, run),
        is_terminal=deployment.is_terminal,
        stop_asked=deployment.desired == Desired.STOP,
        save_wanted=deployment.save_wanted,
        outcome=deployment.outcome,
        bills=bills,
        kept_until=next((each.kept_until for each in shown if each.kept_until), None),
        instance_id=_instance_id(head) if head else None,
        instance_type=head.instance_type if head else str(asked.get("instance_type", "auto")),
        region=head.region if head else str(asked.get("region", "auto")),
        url=deployment.url,
        cost=cost,
        progress=progress(run, pace, is_training=is_training) if run else None,
        machines=shown,
        strays=tuple(_stray(stray, now=now) for stray in strays),
        run=_run_news(run) if run else None,
        attention=deployment.attention,
        error=_error(deployment, cost, bills=bills),
        max_hours=deployment.max_hours,
        max_hourly_price=deployment.max_hourly_price,
        max_attempts=deployment.max_attempts,
        capacity_deadline=deployment.capacity_deadline,
        next_tick_at=deployment.next_tick_at,
        last_tick_at=deployment.last_tick_at,
        created_at=deployment.created_at,
        completed_at=deployment.completed_at,
        resume_from=deployment.resume_from_id,
    )


def _phase(deployment: Deployment, run: RunState | None) -> str:
    """The machine's word, unless it has none or its part is over: then the status is finer."""
    told = run.phase if run and run.exit is None and deployment.status in WITH_PHASES else ""
    return deployment.status if told in ("", "finished") else told


def _cost(
    deployment: Deployment,
    lines: Sequence[Machine | Stray],
    *,
    head: Machine | None,
    bills: bool,
    now: datetime,
) -> Cost:
    spent = sum((line.accrued_usd(now) for line in lines), Decimal(0))
    final = None if bills else deployment.actual_cost
    return Cost(
        hourly=head.hourly_price if head else None,
        estimated=deployment.estimated_cost,
        accrued=costs.cents_up(spent if final is None else final),
        final=None if final is None else costs.cents_up(final),
        budget_limit=deployment.budget_limit,
    )


def _error(deployment: Deployment, cost: Cost, *, bills: bool) -> Mapping[str, Any] | None:
    """What ended a run, with what it cost: a machine that appeared late may change that (I20)."""
    if deployment.error is None or not deployment.is_terminal:
        return deployment.error
    return {**deployment.error, "cost_usd": str(cost.accrued), "bills": bills}


def _stray(stray: Stray, *, now: datetime) -> StrayOverview:
    return StrayOverview(
        instance_id=stray.instance_id,
        name=stray.name,
        bills=stray.bills,
        hourly=stray.hourly_price,
        accrued=stray.accrued_usd(now),
        bills_from=stray.bills_from or stray.first_seen_at,
        gone_at=stray.gone_at,
    )


def _kept_until(deployment: Deployment, machine: Machine) -> datetime | None:
    """Return how long this machine stays for a look after the run has failed; None: it does not.

    Its budget or its hours may end it sooner, its owner at any time.
    """
    stays = machine.may_live and machine.end_wanted_at is None
    fails = deployment.status == Status.TERMINATING and deployment.desired == Desired.RUN
    return deployment.kept_until if stays and fails else None


def _machine(deployment: Deployment, machine: Machine, *, now: datetime) -> MachineOverview:
    launched = machine.launch_state == LaunchState.LAUNCHED
    proof = None
    if machine.gone_at and machine.absent_since and machine.absent_until:
        proof = GoneProof(machine.absent_lists, machine.absent_since, machine.absent_until)
    return MachineOverview(
        machine_id=machine.pk,
        instance_id=_instance_id(machine),
        name=machine.name,
        platform=machine.platform,
        attempt=machine.attempt,
        answer=machine.launch_state,
        answered_seconds=_answered_seconds(machine),
        status=machine_status(machine),
        may_live=machine.may_live,
        kept_until=_kept_until(deployment, machine),
        ip=machine.seen_ip,
        ssh_port=clouds.ssh_address(machine)[1] if machine.seen_ip else None,
        cloud_billed=machine.cloud_billed_usd,
        region=machine.region,
        region_description=machine.region_description,
        instance_type=machine.instance_type,
        description=machine.description,
        gpu_count=machine.gpu_count,
        vram_gib=machine.vram_gib,
        hourly=machine.hourly_price,
        billing_quantum_seconds=machine.billing_quantum_seconds,
        accrued=machine.accrued_usd(now),
        billed=machine.billed_usd,
        requested_at=machine.requested_at,
        launched_at=machine.launch_ended_at if launched else None,
        active_at=machine.active_at,
        login_at=machine.login_at,
        agent_started_at=machine.agent_started_at,
        terminate_requested_at=machine.terminate_requested_at,
        gone_at=machine.gone_at,
        gone_proof=proof,
        seen_at=machine.seen_at,
        fault=machine.fault,
        refusal=machine.refusal,
    )


def _answered_seconds(machine: Machine) -> float | None:
    if machine.launch_ended_at is None:
        return None
    return round((machine.launch_ended_at - machine.requested_at).total_seconds(), 1)


def _instance_id(machine: Machine) -> str | None:
    return machine.instance_id or None


def _run_news(run: RunState) -> RunNews:
    return RunNews(
        phase=run.phase,
        phase_detail=run.phase_detail,
        phase_since=run.phase_since,
        news_at=run.news_at,
        looked_at=run.looked_at,
        stepped_at=run.stepped_at,
        heartbeat=run.heartbeat,
        environment=run.environment,
        exit=run.exit,
    )


def _cloud_news(deployment: Deployment) -> CloudNews | None:
    # By id: loading the vault entry would open the sealed key.
    newest = deployment.machines.order_by("-attempt", "-node").values("vault_entry_id")[:1]
    key = Coalesce(Subquery(newest), Value(deployment.vault_entry_id))
    snapshot = CloudSnapshot.objects.filter(vault_entry_id=key).first()
    if snapshot is None:
        return None
    return CloudNews(
        listed_at=snapshot.listed_at, failed_since=snapshot.failed_since, error=snapshot.error
    )
