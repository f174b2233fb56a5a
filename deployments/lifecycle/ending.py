"""Ending: every machine is asked to end and proven gone, then the outcome is shown (D3)."""

from datetime import datetime, timedelta
from decimal import Decimal

from deployments import clouds, costs
from deployments.lifecycle.actions import Action, Do, Effect, Record, Rest
from deployments.lifecycle.faults import Fault
from deployments.lifecycle.knowledge import machine_fault, proof, proven_gone, settle, silence
from deployments.lifecycle.limits import limit_reached
from deployments.lifecycle.situation import Situation
from deployments.models.deployments import Desired, LaunchState, Machine, Status

S = Status
# What a run landed for that its money or its time was over, not that anything went wrong.
AT_A_LIMIT = frozenset({"budget", "deadline"})


def lead_to_end(s: Situation, outcome: Status, why: Fault | None, *, message: str = "") -> Record:
    """Lead to the end: the outcome is written now, shown once every machine is proven gone."""
    machine = s.machine
    wanted = machine is not None and machine.may_live and machine.end_wanted_at is None
    told = message or (why["message"] if why else "Ending the machine.")
    changes: dict[str, object] = {"outcome": outcome, "error": why}
    if machine is not None and outcome == S.FAILED and _may_be_kept(s, machine):
        until = s.now + timedelta(minutes=s.deployment.keep_on_failure_minutes)
        return Record(
            "kept",
            f"{told} {machine.name} is kept until {until:%H:%M} UTC so that you can look. "
            "It bills until it is gone.",
            to=S.TERMINATING,
            deployment=changes | {"kept_until": until},
        )
    return Record(
        "ending",
        told,
        to=S.TERMINATING,
        deployment=changes,
        machine=machine if wanted else None,
        machine_changes={"end_wanted_at": s.now} if wanted else {},
    )


def _may_be_kept(s: Situation, machine: Machine) -> bool:
    """Only a machine that somebody can log in to, and never past a limit or against a wish."""
    d = s.deployment
    return (
        d.keep_on_failure_minutes > 0
        and d.desired == Desired.RUN
        and d.landing not in AT_A_LIMIT
        and machine.may_live
        and machine.end_wanted_at is None
        and machine.fault is None
        and machine.login_at is not None
        and machine_fault(s, machine) is None
        and silence(s) is None
        and limit_reached(s)[1] is None
    )


def _kept(s: Situation) -> bool:
    """Whether the failed run's machine still stays for its owner to look at."""
    until, machine = s.deployment.kept_until, s.machine
    in_time = until is not None and s.now < until
    return in_time and machine is not None and _may_be_kept(s, machine)


def terminating(s: Situation) -> Action:
    """End what may live; then write the final cost and show the outcome."""
    if _kept(s):
        return Rest(s.timing.poll_seconds)
    ending = end_machines(s)
    if ending is not None:
        return ending
    if s.stray_bills:
        # The sweep ends them; until it has, something of this deployment may bill (F21).
        return Rest(s.timing.poll_seconds)
    if s.card_due:
        return Do(Effect.DESCRIBE)
    d = s.deployment
    outcome = Status(d.outcome or S.FAILED)
    error = None
    if d.error is not None:
        error = {**d.error, "cost_usd": str(costs.cents_up(s.spent_usd)), "bills": False}
    return Record(
        "finished",
        f"Nothing of this deployment bills any more. It cost ${costs.cents_up(s.spent_usd)}.",
        to=outcome,
        deployment={
            "actual_cost": s.spent_usd,
            "completed_at": s.now,
            "attention": None,
            "error": error,
        },
    )


def end_machines(s: Situation) -> Action | None:
    """D3: ask until it is proven gone by two good lists. None when no machine may live."""
    for machine in s.machines:
        if not machine.may_live:
            continue
        return _end_machine(s, machine)
    return None


def _end_machine(s: Situation, machine: Machine) -> Action:
    if machine.end_wanted_at is None:
        return Record(
            "end_wanted",
            f"{machine.name} is no longer wanted.",
            machine=machine,
            machine_changes={"end_wanted_at": s.now},
        )
    if machine.launch_state in (LaunchState.INTENT, LaunchState.UNKNOWN):
        return settle(s, machine) or Rest(s.timing.poll_seconds)
    if proven_gone(machine, timing=s.timing):
        return _gone(s, machine)
    if _is_own_and_away(s, machine):
        return _left_behind(s, machine)
    if machine.next_terminate_at is None or machine.next_terminate_at <= s.now:
        return Do(Effect.TERMINATE, machine)
    until_next = (machine.next_terminate_at - s.now).total_seconds()
    return Rest(min(s.timing.poll_seconds, until_next))


def _is_own_and_away(s: Situation, machine: Machine) -> bool:
    """Whether its own user's machine has not answered for so long that nobody waits any more."""
    limit = s.timing.own_machine_away_seconds
    return (
        clouds.capabilities(machine.platform).is_own
        and machine.terminate_error is not None
        and s.age(machine.end_wanted_at or s.now) >= limit
        and s.age(machine.seen_at or machine.requested_at) >= limit
    )


def _left_behind(s: Situation, machine: Machine) -> Record:
    """Settle a run whose machine is away: nobody bills for it, so only its user may miss it.

    Should it come back with the run still on it, the sweep lets it go.
    """
    hours = s.timing.own_machine_away_seconds / 3600
    ended = machine.end_wanted_at or s.now
    return Record(
        "left_behind",
        f"{machine.instance_type} has not answered for {hours:.0f} hours, and it is your own: this "
        f"run ends without it. If it comes back, what {machine.name} left on it is removed.",
        machine=machine,
        machine_changes={"gone_at": s.now, "billed_usd": _rent(machine, ended)},
    )


def _rent(machine: Machine, until: datetime) -> Decimal:
    return costs.rent(
        machine.hourly_price,
        seconds=(until - machine.requested_at).total_seconds(),
        quantum_seconds=machine.billing_quantum_seconds,
    )


def _gone(s: Situation, machine: Machine) -> Record:
    gone_at = machine.absent_until or s.now
    return Record(
        "gone",
        f"{machine.name} is gone, proven by two good lists.",
        machine=machine,
        machine_changes={
            "gone_at": gone_at,
            "billed_usd": _rent(machine, gone_at),
        },
        data=proof(machine),
    )
