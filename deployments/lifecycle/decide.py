"""The decision: rows and clock in, one action out. Pure: no query, no call, no clock of its own."""

from collections.abc import Callable
from datetime import timedelta

from deployments import costs
from deployments.lifecycle import faults
from deployments.lifecycle.actions import Action, Do, Effect, Record, Rest
from deployments.lifecycle.ending import end_machines, lead_to_end, terminating
from deployments.lifecycle.faults import Fault
from deployments.lifecycle.knowledge import machine_fault, settle
from deployments.lifecycle.situation import Situation
from deployments.models.deployments import Deployment, Desired, LaunchState, Machine, Status
from deployments.models.runs import RunState
from deployments.timing import Timing

S = Status


def decide(situation: Situation) -> Action:
    """Return the one thing to do now. The same situation always gives the same action (D4)."""
    deployment = situation.deployment
    if deployment.is_terminal:
        return Rest(None)
    if deployment.status == S.TERMINATING:
        return terminating(situation)
    stopping = _stop_if_asked(situation) or _stop_for_money_or_time(situation)
    return stopping or _BY_STATUS[Status(deployment.status)](situation)


def _stop_if_asked(s: Situation) -> Action | None:
    """F24: a cancel is a wish; it leads to the end by way of proof, from anywhere."""
    d = s.deployment
    if d.desired != Desired.STOP:
        return None
    if d.status == S.COLLECTING and d.save_wanted:
        return None
    if d.status == S.TRAINING and d.save_wanted:
        return Record(
            "stop", "Stop asked for: saving first.", to=S.COLLECTING, deployment={"landing": "stop"}
        )
    return lead_to_end(s, S.CANCELLED, None, message="Stop asked for: ending the machine.")


def _stop_for_money_or_time(s: Situation) -> Action | None:
    """F53, F54: act before the limit, keeping back what saving and ending will cost (D8)."""
    d, machine = s.deployment, s.machine
    first = next((m for m in s.machines if m.may_live or m.billed_usd), None)
    if machine is None or first is None or not machine.may_live:
        return None
    collecting = d.status == S.COLLECTING
    reserve = costs.reserve(
        machine.hourly_price,
        timing=s.timing,
        quantum_seconds=machine.billing_quantum_seconds,
        save_seconds=0 if collecting else None,
        collect_seconds=0 if collecting else None,
    )
    landing, why = "", None
    if s.spent_usd + reserve >= d.budget_limit:
        landing, why = "budget", faults.over_budget(str(d.budget_limit))
    elif not collecting and s.age(first.requested_at) >= float(d.max_hours) * 3600:
        landing, why = "deadline", faults.over_time(str(d.max_hours.normalize()))
    if why is None:
        return None
    if d.status == S.TRAINING:
        return Record(
            landing,
            f"{why['message']} Saving, then ending.",
            to=S.COLLECTING,
            deployment={"landing": landing, "error": why},
        )
    return lead_to_end(s, S.FAILED, why)


def _queued(s: Situation) -> Action:
    return Record(
        "launching",
        "Looking for a machine.",
        to=S.LAUNCHING,
        deployment={"round_started_at": s.now, **_capacity_deadline(s)},
    )


def _waiting_for_capacity(s: Situation) -> Action:
    d = s.deployment
    if d.capacity_deadline is not None and s.now >= d.capacity_deadline:
        tried = sorted({f"{m.instance_type} in {m.region}" for m in s.machines})
        asked = f"{d.config.get('instance_type')} in {d.config.get('region')}"
        return lead_to_end(s, S.FAILED, faults.no_capacity(", ".join(tried) or asked))
    left = s.timing.capacity_retry_seconds - s.age(d.status_since)
    if left > 0:
        return Rest(left)
    return Record(
        "launching",
        "Trying for a machine again.",
        to=S.LAUNCHING,
        deployment={"round_started_at": s.now},
    )


def _launching(s: Situation) -> Action:
    machine = s.machine
    if machine is None or machine.gone_at is not None:
        return Do(Effect.LAUNCH)
    if machine.launch_state == LaunchState.LAUNCHED:
        return _booted_up(s, machine)
    if machine.launch_state == LaunchState.REFUSED:
        return _refused(s, machine)
    if machine.launch_state == LaunchState.NEVER_SEEN:
        return Do(Effect.LAUNCH)
    return settle(s, machine) or Rest(s.timing.poll_seconds)


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
    reason = refusal.get("reason")
    if reason == "capacity":
        return Do(Effect.LAUNCH)
    if reason in ("rate_limited", "unreachable") and refusal.get("retryable", True):
        deadline = s.deployment.capacity_deadline
        if deadline is None or s.now < deadline:
            ended = machine.launch_ended_at or machine.requested_at
            wait = float(refusal.get("retry_after_seconds") or s.timing.launch_interval_seconds)
            left = wait - s.age(ended)
            return Rest(left) if left > 0 else Do(Effect.LAUNCH)
    why = faults.fault(
        str(refusal.get("code", "E_PROVIDER")),
        str(refusal.get("message", "The cloud refused the launch.")),
        remedy=str(refusal.get("remedy", "")),
    )
    return lead_to_end(s, S.FAILED, why)


def _booting(s: Situation) -> Action:
    machine = _need_machine(s)
    if (bad := machine_fault(s, machine)) is not None:
        return _machine_failed(s, machine, bad)
    if machine.login_at is not None:
        return Record("preparing", "SSH login works; preparing.", to=S.PREPARING, machine=machine)
    many = machine.gpu_count >= 8
    limit = s.timing.boot_limit_many_gpus_seconds if many else s.timing.boot_limit_seconds
    if machine.active_at is None:
        if machine.seen_status == "active" and machine.seen_ip:
            return Record(
                "active",
                f"The cloud says active, at {machine.seen_ip}.",
                machine=machine,
                machine_changes={"active_at": s.now},
            )
        if s.age(machine.launch_ended_at or machine.requested_at) >= limit:
            return _machine_failed(s, machine, faults.boot_timeout(limit / 60))
        return Rest(s.timing.poll_seconds)
    refused = machine.login_refused_since
    if refused and s.age(refused) >= s.timing.ssh_refused_login_limit_seconds:
        return _machine_failed(s, machine, faults.login_refused())
    if s.age(machine.active_at) >= s.timing.ssh_limit_seconds:
        return _machine_failed(s, machine, faults.ssh_unreachable(s.timing.ssh_limit_seconds / 60))
    return Do(Effect.LOG_IN, machine)


def _preparing(s: Situation) -> Action:
    machine = _need_machine(s)
    if (bad := machine_fault(s, machine)) is not None:
        return _machine_failed(s, machine, bad)
    run = s.run
    if run is not None and run.exit is not None:
        return _run_ended(s, machine, run)
    if run is not None and run.phase in ("train", "finished"):
        return Record("training", "Everything is in place; training.", to=S.TRAINING)
    if s.age(machine.login_at or s.deployment.status_since) >= s.timing.prepare_limit_seconds:
        limit = s.timing.prepare_limit_seconds / 60
        return _machine_failed(s, machine, faults.prepare_timeout(limit))
    if machine.agent_started_at is None:
        return Do(Effect.PREPARE, machine)
    return _follow(s, machine)


def _training(s: Situation) -> Action:
    machine = _need_machine(s)
    if (bad := machine_fault(s, machine)) is not None:
        return _machine_failed(s, machine, bad)
    if s.run is not None and s.run.exit is not None:
        return _run_ended(s, machine, s.run)
    return _follow(s, machine)


def _run_ended(s: Situation, machine: Machine, run: RunState) -> Action:
    """Training is over: bring home what there is, or say why there is nothing."""
    exit_ = run.exit or {}
    completed = exit_.get("outcome") == "completed"
    why = None if completed else _run_error(run)
    if exit_.get("has_adapter"):
        return Record(
            "collecting",
            "Training ended; bringing the adapter home.",
            # A run that failed while preparing has no adapter, so only training comes here.
            to=S.COLLECTING,
            deployment={"landing": "finished" if completed else "failed", "error": why},
        )
    return _machine_failed(s, machine, why or faults.no_adapter())


def _run_error(run: RunState) -> Fault:
    told = run.error or {}
    return faults.fault(
        str(told.get("code") or "E_TRAINING"),
        str(told.get("message") or "Training ended with an error."),
        remedy=str(told.get("remedy") or "Read the end of the run's log for the reason."),
        retryable=bool(told.get("retryable")),
    )


def _collecting(s: Situation) -> Action:
    d, machine, run = s.deployment, _need_machine(s), s.run
    if s.adapter_home:
        return _landed(s)
    if (bad := machine_fault(s, machine)) is not None:
        return _machine_failed(s, machine, bad)
    if run is None or run.exit is None:
        # Stop, budget or deadline: the agent was asked to save; it is followed until it has.
        waited = s.age(d.status_since)
        if waited < s.timing.save_seconds + s.timing.poll_seconds:
            return _follow(s, machine)
        return lead_to_end(s, _landing_outcome(d), _landing_error(d) or faults.no_adapter())
    if not run.exit.get("has_adapter"):
        return lead_to_end(s, _landing_outcome(d), _landing_error(d) or faults.no_adapter())
    limit = s.timing.save_seconds + collect_seconds(run, timing=s.timing)
    if d.landing in ("stop", "budget", "deadline") and s.age(d.status_since) >= limit:
        return lead_to_end(s, _landing_outcome(d), faults.collect_timeout())
    return Do(Effect.COLLECT, machine)


def collect_seconds(run: RunState, *, timing: Timing) -> float:
    """Return how long bringing the adapter home may take (D8); sizes refine it later."""
    return timing.collect_seconds


def _landed(s: Situation) -> Action:
    d = s.deployment
    return lead_to_end(s, _landing_outcome(d), _landing_error(d), message="The adapter is home.")


def _landing_outcome(d: Deployment) -> Status:
    if d.desired == Desired.STOP:
        return S.CANCELLED
    return {"finished": S.COMPLETED, "stop": S.CANCELLED}.get(d.landing, S.FAILED)


def _landing_error(d: Deployment) -> Fault | None:
    error: Fault | None = d.error
    return error


def _recovering(s: Situation) -> Action:
    ending = end_machines(s)
    if ending is not None:
        return ending
    return Record(
        "launching",
        "The old machine is proven gone; renting a fresh one.",
        to=S.LAUNCHING,
        deployment={"round_started_at": s.now, **_capacity_deadline(s)},
    )


def _machine_failed(s: Situation, machine: Machine, why: Fault) -> Action:
    """End a bad machine; try a fresh one when the fault, the attempts and the budget allow."""
    d = s.deployment
    launched = [m for m in s.machines if m.launch_state == LaunchState.LAUNCHED]
    reserve = costs.reserve(
        machine.hourly_price, timing=s.timing, quantum_seconds=machine.billing_quantum_seconds
    )
    # A fresh machine must at least boot: two reserves are less than a boot, so keep three.
    affordable = s.spent_usd + 3 * reserve < d.budget_limit
    if why["retryable"] and len(launched) < d.max_attempts and affordable:
        return Record(
            "recovering",
            f"{why['message']} Ending it and trying once more.",
            to=S.RECOVERING,
            machine=machine,
            machine_changes={"end_wanted_at": machine.end_wanted_at or s.now, "fault": why},
        )
    return lead_to_end(s, S.FAILED, why)


def _follow(s: Situation, machine: Machine) -> Action:
    looked = s.run.looked_at if s.run is not None else None
    left = 0.0 if looked is None else s.timing.poll_seconds - s.age(looked)
    # Ticks come up to half a second early or late; do not answer that with another half poll.
    return Do(Effect.FOLLOW, machine) if left < 0.5 else Rest(left)


def _capacity_deadline(s: Situation) -> dict[str, object]:
    minutes = s.deployment.wait_for_capacity_minutes
    return {"capacity_deadline": s.now + timedelta(minutes=minutes)}


def _need_machine(s: Situation) -> Machine:
    machine = s.machine
    if machine is None:
        raise ValueError(f"a {s.deployment.status} deployment without a machine")
    return machine


_BY_STATUS: dict[Status, Callable[[Situation], Action]] = {
    S.QUEUED: _queued,
    S.WAITING_FOR_CAPACITY: _waiting_for_capacity,
    S.LAUNCHING: _launching,
    S.BOOTING: _booting,
    S.PREPARING: _preparing,
    S.TRAINING: _training,
    S.COLLECTING: _collecting,
    S.RECOVERING: _recovering,
}
