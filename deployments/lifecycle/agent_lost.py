"""An agent that is no more while its machine lets us in: killed, or rebooted away (F52)."""

from django.conf import settings

from core.time import database_now
from deployments.lifecycle import faults
from deployments.lifecycle.lease import Lease
from deployments.models import Machine, RunState
from deployments.remote import Remote, Result
from deployments.timing import Timing
from deployments.training import commands


def look_after_agent(remote: Remote, lease: Lease, machine: Machine) -> None:
    """Ask for the agent's start again when a machine that lets us in has told nothing new.

    Asking is harmless while it lives. An agent that was killed goes on from its last checkpoint,
    once; what cannot go on is written down as the machine's fault.
    """
    timing: Timing = settings.TIMING
    run = RunState.objects.get(machine=machine)
    if run.exit is not None or run.silent_seconds < timing.agent_look_seconds:
        return
    answer = remote.run(commands.start_agent(machine.name), timeout_seconds=20)
    if answer.exit_status is not None and answer.exit_status != 0:
        note_agent_lost(lease, machine, answer, twice=True)


def note_agent_lost(lease: Lease, machine: Machine, answer: Result, *, twice: bool = False) -> bool:
    """Write down why a start could not go on with a run, and say whether that is so.

    ``twice``: a start that failed for another reason than a reboot is final as well.
    """
    if answer.exit_status == commands.REBOOTED:
        why = faults.machine_rebooted(machine.name)
    elif twice:
        why = faults.agent_lost(commands.start_failed(answer.stderr or answer.stdout).message)
    else:
        return False
    lease.now = database_now()
    event = lease.event("agent_lost", why["message"], machine=machine)
    lease.write(machine=machine, machine_changes={"fault": why}, event=event)
    return True
