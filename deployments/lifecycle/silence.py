"""Silence and standstill: how long we looked, and a machine that is listed told too little.

Nothing new at all (F43), or nothing but that it lives (F44). A control plane that slept, or that
reaches neither machine nor cloud, blames no machine (F58).
"""

from datetime import datetime

from django.db.models import F

from core.time import database_now
from deployments.models import Machine, RunState
from deployments.timing import Timing

# One gap between two looks, or between a look and the last list, counts as at most so many polls.
POLLS_COUNTED = 3


def note_look(machine: Machine, before: RunState, *, timing: Timing) -> None:
    """Write down that we looked; ``before`` is what was known before the look.

    What the machine pushed since the look before this one is news as well: only the time after
    it counts. News without a new step of training is a standstill (F44).
    """
    now = database_now()
    run = RunState.objects.get(machine=machine)
    rows = RunState.objects.filter(pk=run.pk)
    looked_at, most = before.looked_at, POLLS_COUNTED * timing.poll_seconds
    if looked_at is not None and _is_listed(machine, now=now, within_seconds=most):
        # A push that came in since we read the row has ended the silence, or the standstill.
        if run.accepted_through == before.accepted_through:
            quiet = _between(max(looked_at, run.news_at or looked_at), now, most=most)
            unheard = rows.filter(accepted_through=run.accepted_through)
            unheard.update(silent_seconds=F("silent_seconds") + quiet)
        elif run.phase == before.phase == "train" and run.step == before.step:
            stood = _between(looked_at, now, most=most)
            rows.filter(step=run.step).update(stalled_seconds=F("stalled_seconds") + stood)
    rows.update(looked_at=now)


def _is_listed(machine: Machine, *, now: datetime, within_seconds: float) -> bool:
    seen_at = Machine.objects.values_list("seen_at", flat=True).get(pk=machine.pk)
    return seen_at is not None and (now - seen_at).total_seconds() <= within_seconds


def _between(since: datetime, now: datetime, *, most: float) -> float:
    return max(0.0, min((now - since).total_seconds(), most))


def note_sign_of_life(machine: Machine) -> None:
    """Write down that the machine did what we asked; its silence is over."""
    RunState.objects.filter(machine=machine).update(silent_seconds=0)
