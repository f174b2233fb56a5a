"""The rows of the machines page, worded: what bills now, what is gone, and when each ends."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings

from deployments import clouds, overview
from deployments.accounts import Accounts, Listed
from deployments.models import Deployment, Machine, Stray
from deployments.models.deployments import Desired, Status
from deployments.overview import DeploymentOverview, MachineOverview
from deployments.pages import machine_facts, money, status_words
from deployments.pages.status_words import Pill
from deployments.templatetags.wording import moment, moment_exact, usd

ENDING = Pill("Ending", "water", "arrow-down-right-circle", line="bills until proven gone")
KEPT_DAYS = 7


@dataclass(frozen=True)
class BillingLine:
    """One machine that may bill now; ``ends`` says when it will end without anybody's doing."""

    run: DeploymentOverview
    machine: MachineOverview
    gpu: str
    cloud: str
    pill: Pill
    seconds: float
    ends: tuple[str, ...]
    ends_is_bad: bool
    can_end: bool


@dataclass(frozen=True)
class ForeignLine:
    """One machine that is not ours."""

    machine: Listed
    gpu: str
    cloud: str
    console_url: str
    status: str
    seen_for_seconds: float | None


@dataclass(frozen=True)
class StrayLine:
    """One machine with our name that no run wants."""

    name: str
    cloud: str
    since: datetime | None
    what: str
    is_gone: bool


@dataclass(frozen=True)
class GoneLine:
    """One machine that is proven gone, with the three times of its proof."""

    deployment: Deployment
    machine: Machine
    cloud: str
    billed_seconds: float


def billing_lines(machines: Sequence[Machine], *, now: datetime) -> list[BillingLine]:
    """Return a line for each living machine, the dearest first; two queries."""
    deployments = {machine.deployment_id: machine.deployment for machine in machines}
    shown = overview.deployment_lines(list(deployments.values()), now=now)
    runs = {run.deployment_id: run for run in shown}
    lines = [
        _billing_line(
            machine, deployments[machine.deployment_id], runs[machine.deployment_id], now=now
        )
        for machine in machines
    ]
    return sorted(lines, key=lambda line: (-line.machine.hourly, line.machine.requested_at))


def _billing_line(
    row: Machine, deployment: Deployment, run: DeploymentOverview, *, now: datetime
) -> BillingLine:
    machine = next(each for each in run.machines if each.machine_id == row.pk)
    ends, is_bad = _ends(row, deployment, run, now=now)
    return BillingLine(
        run=run,
        machine=machine,
        gpu=machine_facts.gpu_words(machine),
        cloud=clouds.capabilities(row.platform).label,
        pill=_pill(row, run),
        seconds=(now - row.requested_at).total_seconds(),
        ends=ends,
        ends_is_bad=is_bad,
        can_end=_can_end(row, deployment, machine),
    )


def _pill(row: Machine, run: DeploymentOverview) -> Pill:
    if run.attention:
        return replace(status_words.pill(run), line="")
    if row.end_wanted_at is not None:
        return ENDING
    return replace(status_words.pill(run), line="", percent=None)


def _can_end(row: Machine, deployment: Deployment, machine: MachineOverview) -> bool:
    decided = deployment.desired == Desired.STOP and not deployment.save_wanted
    ends = deployment.status == Status.TERMINATING and machine.kept_until is None
    over = deployment.is_terminal or ends
    return row.end_wanted_at is None and not decided and not over


def _ends(
    row: Machine, deployment: Deployment, run: DeploymentOverview, *, now: datetime
) -> tuple[tuple[str, ...], bool]:
    """Return when the machine ends by itself, in words, and whether that is bad news."""
    if run.attention and row.end_wanted_at is not None:
        return ("not until we can reach the account again",), True
    if row.terminate_requested_at is not None:
        asked = f"asked {moment_exact(row.terminate_requested_at)}"
        if row.absent_since is not None:
            return (f"{asked},", f"proof 1 of 2 at {moment_exact(row.absent_since)}"), False
        return (f"{asked},", "still in the account's list"), False
    if row.end_wanted_at is not None:
        return ("being asked to end",), False
    if run.kept_until is not None:
        return (f"kept until {moment(run.kept_until)},", "or until its budget or hours end"), False
    if deployment.status == Status.COLLECTING:
        return ("once the adapter is home",), False
    return (_limit(row, deployment, run, now=now),), False


def _limit(row: Machine, deployment: Deployment, run: DeploymentOverview, *, now: datetime) -> str:
    """Return which limit comes first: the budget less what landing costs, or the hours (D8)."""
    stop = money.stop_price(
        run, timing=settings.TIMING, quantum_seconds=row.billing_quantum_seconds
    )
    hourly = sum((m.hourly for m in run.machines if m.may_live), Decimal(0))
    left = max(Decimal(0), stop - run.cost.accrued)
    by_price = now + timedelta(hours=float(left / hourly)) if hourly else None
    first = min(m.requested_at for m in run.machines if m.may_live or m.billed)
    by_hours = first + timedelta(hours=float(deployment.max_hours))
    if by_price is None or by_hours < by_price:
        return f"after {deployment.max_hours.normalize():f} h, at {moment(by_hours)}"
    return f"at {usd(stop)}, about {moment(by_price)}"


def foreign_lines(accounts: Accounts, *, now: datetime) -> list[ForeignLine]:
    """Return a line for each machine in the accounts that is not ours, the dearest first."""
    lines = [
        ForeignLine(
            machine=each,
            gpu=machine_facts.gpu_words(each),
            cloud=clouds.capabilities(each.platform).label,
            console_url=clouds.capabilities(each.platform).console_url,
            status=each.status.capitalize(),
            seen_for_seconds=(now - each.seen_since).total_seconds() if each.seen_since else None,
        )
        for each in accounts.foreign
    ]
    return sorted(lines, key=lambda line: (-(line.machine.hourly or 0), line.machine.name))


def stray_lines(accounts: Accounts) -> list[StrayLine]:
    """Return a line for each machine with our name that no run wants, the oldest first."""
    unknown = [
        StrayLine(
            name=each.name,
            cloud=clouds.capabilities(each.platform).label,
            since=each.seen_since,
            what="no run of ours knows it; the second guard ends it after a grace of "
            f"{settings.TIMING.stray_grace_seconds / 60:.0f} min",
            is_gone=False,
        )
        for each in accounts.unknown
    ]
    return [*map(_stray_line, accounts.strays), *unknown]


def _stray_line(stray: Stray) -> StrayLine:
    platform = getattr(stray, "platform", "")
    if stray.gone_at is not None:
        what = f"proven gone {moment_exact(stray.gone_at)}"
    elif stray.absent_since is not None:
        what = f"proof 1 of 2 at {moment_exact(stray.absent_since)}"
    elif stray.terminated_at is not None:
        what = f"asked to end {moment_exact(stray.terminated_at)}, still in the account's list"
    else:
        what = f"will be ended at {moment(stray.terminate_after)}"
    return StrayLine(
        name=stray.name,
        cloud=clouds.capabilities(platform).label,
        since=stray.first_seen_at,
        what=what,
        is_gone=stray.gone_at is not None,
    )


def gone_lines(rows: Sequence[Machine]) -> list[GoneLine]:
    """Return a line for each machine that is proven gone."""
    return [
        GoneLine(
            deployment=row.deployment,
            machine=row,
            cloud=clouds.capabilities(row.platform).label,
            billed_seconds=machine_facts.billed_seconds(row) or 0.0,
        )
        for row in rows
    ]
