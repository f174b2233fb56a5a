"""Silence: time in which we looked, the cloud showed the machine, and it told nothing new (F43).

A control plane that slept, or that reaches neither machine nor cloud, blames no machine (F58).
"""

from django.db.models import F

from core.time import database_now
from deployments.models import Machine, RunState
from deployments.timing import Timing

# One gap between two looks, or between a look and the last list, counts as at most so many polls.
POLLS_COUNTED = 3


def note_look(machine: Machine, before: RunState, *, timing: Timing) -> None:
    """Write down that we looked; ``before`` is what was known before the look.

    What the machine pushed since the look before this one is news as well: only the time after
    it counts.
    """
    now = database_now()
    run = RunState.objects.get(machine=machine)
    rows = RunState.objects.filter(pk=run.pk)
    if run.accepted_through == before.accepted_through and before.looked_at is not None:
        most = POLLS_COUNTED * timing.poll_seconds
        seen_at = Machine.objects.values_list("seen_at", flat=True).get(pk=machine.pk)
        if seen_at is not None and (now - seen_at).total_seconds() <= most:
            quiet_since = max(before.looked_at, run.news_at or before.looked_at)
            silent = max(0.0, min((now - quiet_since).total_seconds(), most))
            # A push that came in since we read the row has ended the silence.
            rows.filter(accepted_through=run.accepted_through).update(
                silent_seconds=F("silent_seconds") + silent
            )
    rows.update(looked_at=now)


def note_sign_of_life(machine: Machine) -> None:
    """Write down that the machine did what we asked; its silence is over."""
    RunState.objects.filter(machine=machine).update(silent_seconds=0)
