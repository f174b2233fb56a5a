"""The invariants that hold after every step (FAULTS.md section 2), one function each."""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from django.conf import settings

from deployments import overview
from deployments.lifecycle.decide_launching import LOST_LAUNCHES
from deployments.models import Deployment
from deployments.models.deployments import Desired, Status
from deployments.timing import Timing
from tests.deployments.virtual.cloud import QUANTUM_SECONDS
from tests.deployments.virtual.invariants.facts import DeploymentRow, Facts

S = Status
# I2: within so many seconds after the last fault, what nobody wants is ended.
ENDED_WITHIN_SECONDS = 1200.0
# I6: the documented time that a stop takes.
STOP_SECONDS = 180.0
# I9, with room for a lease that a killed worker held.
TICKED_WITHIN_SECONDS = 120.0 + 60.0
# I20 asks what the pages ask: not at each step.
PAGES_EACH = 8


def i1_whatever_lives_is_wanted(facts: Facts) -> None:
    for machine in facts.cloud.live():
        row = facts.machines.get(machine.name)
        # D1: its name was written down before it was started.
        assert row is not None, f"I1: nobody owns {machine.name}"
        if facts.is_the_one(row, machine):
            assert not row.deployment.is_terminal, f"I1: {machine.name} outlives its deployment"
            continue
        late = (facts.now - machine.listed_from).total_seconds()
        assert late <= facts.late_seconds, f"I1: {machine.name} outlives its welcome: {late} s"


def i2_nothing_lives_on_once_faults_have_stopped(facts: Facts) -> None:
    timing: Timing = settings.TIMING
    for row, machine in facts.wanted():
        d = row.deployment
        stopped_at = facts.before.stop_since.get(d.id)
        if row.end_wanted_at is None and stopped_at is None:
            continue
        calm = facts.calm_seconds(row.end_wanted_at, stopped_at, d.kept_until)
        most = ENDED_WITHIN_SECONDS + timing.save_seconds + timing.collect_seconds
        assert calm <= most, f"I2: {machine.name} lives on, {calm} s after the last fault"


def i3_one_machine_at_a_time(facts: Facts) -> None:
    adopted: dict[Any, list[str]] = defaultdict(list)
    for row, machine in facts.wanted():
        adopted[row.deployment.id].append(machine.name)
    for names in adopted.values():
        assert len(names) == 1, f"I3: {names} at once"


def i4_versions_grow_and_an_end_is_final(facts: Facts) -> None:
    before = facts.before
    for d in facts.deployments.values():
        assert d.version >= before.versions.get(d.id, 0), "I4: the version went back"
        before.versions[d.id] = d.version
        ended = before.over.get(d.id)
        if ended is not None:
            assert ended.status == d.status, f"I4: {ended.status} became {d.status}"
            # F18: what appeared late is added to the cost; nothing is ever taken off (I8).
            assert float(d.actual_cost) >= float(ended.actual_cost), "I8: the final cost shrank"
        elif d.is_terminal:
            before.over[d.id] = d
        if d.desired == Desired.STOP:
            before.stop_since.setdefault(d.id, facts.now)


def i5_no_status_lasts_for_ever(facts: Facts) -> None:
    for d in facts.deployments.values():
        if d.is_terminal:
            continue
        calm = facts.calm_seconds(d.status_since, d.kept_until)
        assert calm <= _longest(d), f"I5: {d.status} for {calm} s after the last fault"


def _longest(d: DeploymentRow) -> float:
    """Return how long a status may last when nothing goes wrong, in seconds."""
    timing: Timing = settings.TIMING
    two_ticks = 2 * timing.poll_seconds + timing.lease_seconds
    landing = timing.save_seconds + timing.collect_seconds
    longest = {
        S.QUEUED: 0.0,
        S.WAITING_FOR_CAPACITY: d.wait_seconds + timing.capacity_retry_seconds,
        S.LAUNCHING: d.wait_seconds + LOST_LAUNCHES * (timing.ask_limit_seconds + 180),
        S.BOOTING: timing.boot_limit_seconds + timing.ssh_limit_seconds + 180,
        S.PREPARING: d.max_seconds + timing.prepare_limit_seconds,
        S.TRAINING: d.max_seconds,
        S.COLLECTING: d.max_seconds + landing,
        S.RECOVERING: ENDED_WITHIN_SECONDS,
        S.TERMINATING: ENDED_WITHIN_SECONDS,
    }
    return longest[S(d.status)] + two_ticks


def i6_the_ledger_stays_within_the_budget(facts: Facts) -> None:
    """Up to when the cloud was first asked: what it does with that is not in our hands."""
    spent: dict[Any, Decimal] = defaultdict(Decimal)
    excused: dict[Any, Decimal] = defaultdict(Decimal)
    for machine in facts.cloud.machines:
        row = facts.machines.get(machine.name)
        if row is None or row.instance_id != machine.instance_id:
            continue
        known_at = facts.before.known_since.setdefault(machine.name, facts.now)
        spent[row.deployment.id] += machine.bill(until=machine.end_asked_at)
        unknown = (known_at - machine.started_at).total_seconds()
        seconds = QUANTUM_SECONDS + STOP_SECONDS + facts.excused_seconds + unknown
        excused[row.deployment.id] += machine.hourly_price * Decimal(seconds) / 3600
    for pk, amount in spent.items():
        most = facts.deployments[pk].budget + excused[pk]
        assert amount <= most, f"I6: {amount} USD of {facts.deployments[pk].budget}"


def i7_only_the_owners_present_key_is_used(facts: Facts) -> None:
    for cloud in facts.cloud.each:
        assert not cloud.keys_used - cloud.keys, f"I7: a call of {cloud.platform} with another key"


def i9_every_living_row_is_ticked(facts: Facts) -> None:
    for d in facts.deployments.values():
        if not d.is_terminal:
            calm = facts.calm_seconds(d.ticked_at)
            assert calm <= TICKED_WITHIN_SECONDS + facts.excused_seconds, f"I9: {calm} s unticked"


def i12_no_session_without_the_pinned_host_key(facts: Facts) -> None:
    for session in facts.cloud.sessions:
        # "" is the first contact of a cloud that takes no host key from us (T7).
        known = session.pinned in ("", session.shown)
        assert known, f"I12: {session.name} shows another key"


def i15_only_our_own_machines_are_ended(facts: Facts) -> None:
    for name in facts.cloud.asked_to_end:
        assert name.startswith(facts.prefix), f"I15: {name} is not ours"


def i20_what_is_shown_is_true(facts: Facts) -> None:
    if facts.before.steps % PAGES_EACH == 0:
        check_shown(facts)


def check_shown(facts: Facts) -> None:
    """I20: nothing is said to bill less than it does, or not to bill where it does."""
    for line in overview.deployment_lines(list(Deployment.objects.all()), now=facts.now):
        names = {machine.name: machine for machine in line.machines}
        ours = [m for m in facts.cloud.machines if m.name in names]
        mine = [m for m in ours if facts.is_the_one(facts.machines[m.name], m)]
        if not line.bills:
            assert not any(m.lives() for m in mine), "I20: it bills, and the page says no"
        bill = sum((m.bill() for m in mine), Decimal(0))
        assert line.cost.accrued >= bill, f"I20: {line.cost.accrued} shown, {bill} billed"


SAFETY: tuple[Callable[[Facts], None], ...] = (
    i1_whatever_lives_is_wanted,
    i2_nothing_lives_on_once_faults_have_stopped,
    i3_one_machine_at_a_time,
    i4_versions_grow_and_an_end_is_final,
    i5_no_status_lasts_for_ever,
    i6_the_ledger_stays_within_the_budget,
    i7_only_the_owners_present_key_is_used,
    i9_every_living_row_is_ticked,
    i12_no_session_without_the_pinned_host_key,
    i15_only_our_own_machines_are_ended,
    i20_what_is_shown_is_true,
)
