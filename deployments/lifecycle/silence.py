"""Silence: time in which we looked, the cloud showed the machine, and it told nothing new (F43).

A control plane that slept, or that reaches neither machine nor cloud, blames no machine (F58).
"""

from core.time import database_now
from deployments.models import Machine, RunState
from deployments.timing import Timing

# One gap between two looks, or between a look and the last list, counts as at most so many polls.
POLLS_COUNTED = 3


def note_look(machine: Machine, before: RunState, *, timing: Timing) -> None:
    """Write down that we looked; ``before`` is what was known before the look."""
    now = database_now()
    run = RunState.objects.get(machine=machine)
    silent_seconds = run.silent_seconds
    if run.accepted_through == before.accepted_through and before.looked_at is not None:
        most = POLLS_COUNTED * timing.poll_seconds
        seen_at = Machine.objects.values_list("seen_at", flat=True).get(pk=machine.pk)
        if seen_at is not None and (now - seen_at).total_seconds() <= most:
            silent_seconds += min((now - before.looked_at).total_seconds(), most)
    RunState.objects.filter(pk=run.pk).update(looked_at=now, silent_seconds=silent_seconds)


def note_sign_of_life(machine: Machine) -> None:
    """Write down that the machine did what we asked; its silence is over."""
    RunState.objects.filter(machine=machine).update(silent_seconds=0)
