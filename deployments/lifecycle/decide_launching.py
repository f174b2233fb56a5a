"""Decisions until a machine is ours: waiting, asking, settling, and asking again. Pure."""

from datetime import timedelta

from deployments.lifecycle import faults, refusals
from deployments.lifecycle.actions import Action, Do, Effect, Record, Rest
from deployments.lifecycle.ending import end_machines, lead_to_end
from deployments.lifecycle.faults import Fault
from deployments.lifecycle.knowledge import settle
from deployments.lifecycle.situation import Situation
from deployments.models.deployments import LaunchState, Machine, Status

S = Status
# So many launches may come to nothing where nobody waits for capacity (any more).
LOST_LAUNCHES = 3


def queued(s: Situation) -> Action:
    """Accepted: look for a machine, for as long as its owner waits."""
    return Record(
        "launching",
        "Looking for a machine.",
        to=S.LAUNCHING,
        deployment={"round_started_at": s.now, **_capacity_deadline(s)},
    )


def waiting_for_capacity(s: Situation) -> Action:
    """R2: try again each minute until the wait is over."""
    d = s.deployment
    if _wait_is_over(s):
        return lead_to_end(s, S.FAILED, _no_capacity(s))
    left = s.timing.capacity_retry_seconds - s.age(d.status_since)
    if left > 0:
        until_end = (d.capacity_deadline - s.now).total_seconds() if d.capacity_deadline else left
        return Rest(min(left, until_end))
    return Record(
        "launching",
        "Trying for a machine again.",
        to=S.LAUNCHING,
        deployment={"round_started_at": s.now},
    )


def _wait_is_over(s: Situation) -> bool:
    deadline = s.deployment.capacity_deadline
    return deadline is not None and s.now >= deadline


def _no_capacity(s: Situation) -> Fault:
    d = s.deployment
    several = len(d.platforms) > 1
    tried = sorted(
        {
            f"{m.instance_type} in {m.region}" + (f" at {m.platform}" if several else "")
            for m in s.machines
        }
    )
    asked = f"{d.config.get('instance_type')} in {d.config.get('region')}"
    return faults.no_capacity(", ".join(tried) or asked)


def launching(s: Situation) -> Action:
    """Ask for one machine at a time, and settle what became of each request (D2)."""
    machine = s.machine
    if machine is None or machine.gone_at is not None:
        return _ask(s)
    if machine.launch_state == LaunchState.LAUNCHED:
        return _booted_up(s, machine)
    if machine.launch_state == LaunchState.REFUSED:
        return _refused(s, machine)
    if machine.launch_state == LaunchState.NEVER_SEEN:
        return _never_seen(s)
    return settle(s, machine) or Rest(s.timing.poll_seconds)


def _ask(s: Situation) -> Action:
    """Try the next offer; after the user's wait, not for ever when asking itself fails (I5)."""
    d = s.deployment
    answers = [m.launch_ended_at for m in s.machines if m.launch_ended_at is not None]
    newest_answer = max([d.status_since, *answers])
    if not _wait_is_over(s) or s.age(newest_answer) < s.timing.ask_limit_seconds:
        return Do(Effect.LAUNCH)
    told = d.attention
    if told is None:
        return lead_to_end(s, S.FAILED, _no_capacity(s))
    why = faults.fault(told["code"], told["message"], remedy=told["remedy"])
    return lead_to_end(s, S.FAILED, why)


def _never_seen(s: Situation) -> Action:
    """Try again: nothing was started, and that says nothing of capacity (D2)."""
    if not _wait_is_over(s):
        return _ask(s)
    lost = sum(machine.launch_state == LaunchState.NEVER_SEEN for machine in s.machines)
    if lost < LOST_LAUNCHES:
        return Do(Effect.LAUNCH)
    return lead_to_end(s, S.FAILED, faults.launch_unclear())


def _booted_up(s: Situation, machine: Machine) -> Record:
    return Record(
        "booting",
        f"{machine.description or machine.instance_type} in {machine.region} is ours, booting.",
        to=S.BOOTING,
        machine=machine,
        deployment={"deployment_id": machine.instance_id},
    )


def _refused(s: Situation, machine: Machine) -> Action:
    """F11 to F15: capacity and pace are worth another try, the rest is final."""
    refusal = machine.refusal or {}
    if refusal.get("reason") == refusals.CAPACITY:
        return _ask(s)
    closed = refusals.closed(s.machines)
    is_final = refusals.seller(machine.platform, machine.instance_type) in closed
    if is_final and refusals.sellers(s.deployment) - closed:
        # What this cloud refuses for good, another one may have.
        return _ask(s)
    if refusals.passes(refusal) and not _wait_is_over(s):
        ended = machine.launch_ended_at or machine.requested_at
        wait = float(refusal.get("retry_after_seconds") or s.timing.launch_interval_seconds)
        left = wait - s.age(ended)
        return Rest(left) if left > 0 else _ask(s)
    why = faults.fault(
        str(refusal.get("code", "E_PROVIDER")),
        str(refusal.get("message", "The cloud refused the launch.")),
        remedy=str(refusal.get("remedy", "")),
    )
    return lead_to_end(s, S.FAILED, why)


def recovering(s: Situation) -> Action:
    """End the old machine first; only then rent a fresh one."""
    ending = end_machines(s)
    if ending is not None:
        return ending
    return Record(
        "launching",
        "The old machine is proven gone; renting a fresh one.",
        to=S.LAUNCHING,
        deployment={"round_started_at": s.now, **_capacity_deadline(s)},
    )


def _capacity_deadline(s: Situation) -> dict[str, object]:
    minutes = s.deployment.wait_for_capacity_minutes
    return {"capacity_deadline": s.now + timedelta(minutes=minutes)}
