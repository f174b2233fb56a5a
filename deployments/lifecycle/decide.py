"""The decision: rows and clock in, one action out. Pure: no query, no call, no clock of its own."""

from collections.abc import Callable
from datetime import datetime

from deployments import costs
from deployments.lifecycle import decide_launching, faults
from deployments.lifecycle.actions import Action, Do, Effect, Record, Rest
from deployments.lifecycle.attention import attention
from deployments.lifecycle.ending import lead_to_end, terminating
from deployments.lifecycle.faults import Fault
from deployments.lifecycle.knowledge import (
    boot_looked_seconds,
    machine_fault,
    right_price,
    silence,
)
from deployments.lifecycle.limits import budget_warning, landing_seconds, limit_reached
from deployments.lifecycle.situation import Situation
from deployments.lifecycle.stalling import is_stalled, stalled
from deployments.models.deployments import Deployment, Desired, LaunchState, Machine, Status
from deployments.models.runs import RunState

S = Status
# F43, F44: what a run lands for that something is wrong with it, not that it is over.
LAST_TRIES = ("silent", "stalled")
TRAINING_PHASES = frozenset({"train", "save", "merge", "finished"})


def decide(situation: Situation) -> Action:
    """Return the one thing to do now. The same situation always gives the same action (D4)."""
    deployment = situation.deployment
    if deployment.is_terminal:
        return Rest(None)
    change = right_price(situation) or attention(situation)
    if change is not None:
        return change
    if deployment.status == S.TERMINATING:
        return terminating(situation)
    stopping = _stop_if_asked(situation) or _stop_for_money_or_time(situation)
    told = stopping or budget_warning(situation)
    return told or _BY_STATUS[Status(deployment.status)](situation)


def _stop_if_asked(s: Situation) -> Action | None:
    """F24: a cancel is a wish; it leads to the end by way of proof, from anywhere."""
    d = s.deployment
    if d.desired != Desired.STOP:
        return None if s.owner_may_run else _owner_left()
    if d.status == S.COLLECTING and d.save_wanted:
        return None
    if d.status == S.TRAINING and d.save_wanted:
        return Record(
            "stop", "Stop asked for: saving first.", to=S.COLLECTING, deployment={"landing": "stop"}
        )
    return lead_to_end(s, S.CANCELLED, None, message="Stop asked for: ending the machine.")


def _owner_left() -> Record:
    """F57: nobody is left who could stop it, so it is stopped, and saved."""
    message = "Its owner's account was closed: stopping, with what there is."
    return Record("owner_left", message, deployment={"desired": Desired.STOP})


def _stop_for_money_or_time(s: Situation) -> Action | None:
    """F53, F54: act before the limit, keeping back what saving and ending will cost (D8)."""
    d = s.deployment
    landing, why = limit_reached(s)
    if why is None:
        return None
    if d.status == S.TRAINING:
        return Record(
            landing,
            f"{why['message']} Saving, then ending.",
            to=S.COLLECTING,
            deployment={"landing": landing, "error": why},
        )
    if d.status == S.COLLECTING:
        if s.adapter_home:
            # Nothing but a merged model may be left behind.
            return None
        # Money and time beat the adapter; the reason the run landed for stays the first to tell.
        why = d.error or faults.collect_timeout()
    return lead_to_end(s, _failed_or_cancelled(d), why)


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
        if boot_looked_seconds(machine) >= limit:
            return _machine_failed(s, machine, faults.boot_timeout(limit / 60))
        return Rest(s.timing.poll_seconds)
    refused = machine.login_refused_since
    if refused and s.age(refused) >= s.timing.ssh_refused_login_limit_seconds:
        return _machine_failed(s, machine, faults.login_refused(machine.platform))
    if _unreachable(s, machine, active_at=machine.active_at):
        return _machine_failed(s, machine, faults.ssh_unreachable(s.timing.ssh_limit_seconds / 60))
    return Do(Effect.LOG_IN, machine)


def _unreachable(s: Situation, machine: Machine, *, active_at: datetime) -> bool:
    """Whether a login failed after the limit; where we could not try, twice the limit has passed.

    A machine that is well must not be given up because nobody looked (F76).
    """
    limit, tried = s.timing.ssh_limit_seconds, machine.login_tried_at
    tried_after = tried is not None and (tried - active_at).total_seconds() >= limit
    return tried_after or s.age(active_at) >= 2 * limit


def _preparing(s: Situation) -> Action:
    machine = _need_machine(s)
    if (bad := machine_fault(s, machine)) is not None:
        return _machine_failed(s, machine, bad)
    run = s.run
    if run is not None and _has_trained(run):
        return Record("training", "Everything is in place; training.", to=S.TRAINING)
    if run is not None and run.exit is not None:
        return _run_ended(s, machine, run)
    if (mute := silence(s)) is not None:
        return _machine_failed(s, machine, mute)
    if s.age(machine.login_at or s.deployment.status_since) >= s.timing.prepare_limit_seconds:
        limit = s.timing.prepare_limit_seconds / 60
        return _machine_failed(s, machine, faults.prepare_timeout(limit))
    if machine.agent_started_at is None:
        return Do(Effect.PREPARE, machine)
    return _follow(s, machine)


def _has_trained(run: RunState) -> bool:
    """A short run may have begun, or even ended, between two looks."""
    return run.phase in TRAINING_PHASES or bool(run.exit and run.exit.get("has_adapter"))


def _training(s: Situation) -> Action:
    machine = _need_machine(s)
    if (bad := machine_fault(s, machine)) is not None:
        return _machine_failed(s, machine, bad)
    if s.run is not None and s.run.exit is not None:
        return _run_ended(s, machine, s.run)
    if (mute := silence(s)) is not None:
        return _save_what_there_is(s, machine, "silent", mute)
    if is_stalled(s, times=2):
        return _save_what_there_is(s, machine, "stalled", stalled(s, times=2))
    if _fetch_is_due(s):
        return Do(Effect.FETCH, machine)
    return _follow(s, machine)


def _save_what_there_is(s: Situation, machine: Machine, landing: str, why: Fault) -> Action:
    """F43, F44: a last try, for as long as a landing may take and the budget allows."""
    return Record(
        landing,
        f"{why['message']} Trying to save what there is, then ending.",
        to=S.COLLECTING,
        deployment={"landing": landing, "error": why},
        machine=machine,
    )


def _fetch_is_due(s: Situation) -> bool:
    """One slice after each look, so that following and landing never wait for a checkpoint."""
    waiting, looked = s.checkpoint, s.run.looked_at if s.run is not None else None
    if waiting is None or looked is None:
        return False
    return waiting.fetch_tried_at is None or waiting.fetch_tried_at < looked


def _run_ended(s: Situation, machine: Machine, run: RunState) -> Action:
    """Training is over: bring home what there is, or say why there is nothing."""
    exit_ = run.exit or {}
    landing, why = _how_it_ended(s, run)
    if why is not None and why["retryable"] and _may_try_again(s, machine):
        # F46: what the machine still holds is brought home first, as long as a landing may take.
        if s.checkpoint is not None and s.age(run.news_at or s.now) < s.timing.collect_seconds:
            return Do(Effect.FETCH, machine)
        return _machine_failed(s, machine, why)
    if exit_.get("has_adapter"):
        return Record(
            "collecting",
            "Training ended; bringing the adapter home.",
            to=S.COLLECTING,
            deployment={"landing": landing, "error": why},
        )
    return _machine_failed(s, machine, why or faults.no_adapter())


def _how_it_ended(s: Situation, run: RunState) -> tuple[str, Fault | None]:
    outcome = (run.exit or {}).get("outcome")
    if outcome == "completed":
        return "finished", None
    if outcome == "stopped" and run.error is None:
        return "deadline", faults.over_time(str(s.deployment.max_hours.normalize()))
    why = _run_error(run)
    # Nobody asked it to stop: one of the agent's own clocks did (F54).
    landing = _AGENTS_CLOCKS.get(why["code"], "failed") if outcome == "stopped" else "failed"
    return landing, why


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
        return Do(Effect.COLLECT_MERGED, machine) if _merged_comes(s, machine) else _landed(s)
    if (bad := machine_fault(s, machine)) is not None:
        return _machine_failed(s, machine, bad)
    if run is not None and run.exit is not None:
        # What landed while it was only merging had trained to its end.
        early = LAST_TRIES if not run.exit.get("merge") else (*LAST_TRIES, "budget", "deadline")
        if d.landing in early and run.exit.get("outcome") == "completed":
            told = "It was only out of sight: training has ended."
            return Record("finished", told, deployment={"landing": "finished", "error": None})
        if not run.exit.get("has_adapter"):
            return _machine_failed(s, machine, d.error or faults.no_adapter())
    # What finished by itself may take as long as money and time last.
    hurried = d.landing in ("stop", "budget", "deadline", *LAST_TRIES)
    if hurried and s.age(d.status_since) >= landing_seconds(s):
        return _machine_failed(s, machine, d.error or faults.collect_timeout())
    if d.landing not in LAST_TRIES and (mute := silence(s)) is not None:
        return _machine_failed(s, machine, mute)
    if run is None or run.exit is None:
        # The agent was asked to save; it is followed until it has.
        return _follow(s, machine)
    return Do(Effect.COLLECT, machine)


def _merged_comes(s: Situation, machine: Machine) -> bool:
    """Whether the merged model is brought too: only while nothing speaks for ending."""
    d = s.deployment
    goes_on = d.landing == "finished" and d.desired == Desired.RUN and machine.may_live
    well = machine_fault(s, machine) is None and silence(s) is None
    return s.merged_waits and goes_on and well and limit_reached(s)[1] is None


def _landed(s: Situation) -> Action:
    d = s.deployment
    if d.error is not None and _blames_the_machine(d):
        # F46: what it had saved is home; another machine may do better.
        return _machine_failed(s, _need_machine(s), d.error)
    finished = d.landing == "finished" and d.desired == Desired.RUN
    outcome = S.COMPLETED if finished else _failed_or_cancelled(d)
    left = " The merged model is left behind: money, time or the machine did not allow it."
    told = f"The adapter is home.{left if s.merged_waits else ''}"
    return lead_to_end(s, outcome, d.error, message=told)


def _blames_the_machine(d: Deployment) -> bool:
    """Whether the run lands for something that a fresh machine may not show again."""
    return d.landing in ("failed", *LAST_TRIES) and bool((d.error or {}).get("retryable"))


def _failed_or_cancelled(d: Deployment) -> Status:
    """Who asked for a stop gets one, whatever else went wrong on the way."""
    return S.CANCELLED if d.desired == Desired.STOP else S.FAILED


def _machine_failed(s: Situation, machine: Machine, why: Fault) -> Action:
    """End a bad machine; try a fresh one when the fault, the attempts and the budget allow."""
    d = s.deployment
    if why["retryable"] and _may_try_again(s, machine):
        return Record(
            "recovering",
            f"{why['message']} Ending it and trying once more.",
            to=S.RECOVERING,
            deployment={"landing": "", "error": None},
            machine=machine,
            machine_changes={"end_wanted_at": machine.end_wanted_at or s.now, "fault": why},
        )
    return lead_to_end(s, _failed_or_cancelled(d), d.error or why)


def _may_try_again(s: Situation, machine: Machine) -> bool:
    d = s.deployment
    # What landed for another reason than success would land again.
    wanted = d.desired == Desired.RUN and (d.landing in ("", "finished") or _blames_the_machine(d))
    started = [m for m in s.machines if m.launch_state == LaunchState.LAUNCHED]
    reserve = costs.reserve(
        machine.hourly_price, timing=s.timing, quantum_seconds=machine.billing_quantum_seconds
    )
    # A fresh machine must at least boot: two reserves are less than a boot, so keep three.
    affordable = s.spent_usd + 3 * reserve < d.budget_limit
    return wanted and len(started) < d.max_attempts and affordable


def _follow(s: Situation, machine: Machine) -> Action:
    looked = s.run.looked_at if s.run is not None else None
    left = 0.0 if looked is None else s.timing.poll_seconds - s.age(looked)
    # Ticks come up to half a second early or late; do not answer that with another half poll.
    return Do(Effect.FOLLOW, machine) if left < 0.5 else Rest(left)


def _need_machine(s: Situation) -> Machine:
    machine = s.machine
    if machine is None:
        raise ValueError(f"a {s.deployment.status} deployment without a machine")
    return machine


_AGENTS_CLOCKS = {"E_MAX_HOURS": "deadline", "E_CONTROL_SILENT": "silence"}
_BY_STATUS: dict[Status, Callable[[Situation], Action]] = {
    S.QUEUED: decide_launching.queued,
    S.WAITING_FOR_CAPACITY: decide_launching.waiting_for_capacity,
    S.LAUNCHING: decide_launching.launching,
    S.BOOTING: _booting,
    S.PREPARING: _preparing,
    S.TRAINING: _training,
    S.COLLECTING: _collecting,
    S.RECOVERING: decide_launching.recovering,
}
