"""The phase strip: what each machine of a run has been doing, how long, and for how many cents.

Pure: machines, status changes and the cost by phase in, strips out. The cents are the table's, so
that nobody reads two amounts for one phase; what the cloud rounds up stands in the table alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from deployments.models.deployments import Status
from deployments.overview import DeploymentOverview, EventLine
from deployments.pages.job.cost_by_phase import CostByPhase
from deployments.pages.job.expected import Expected
from deployments.pages.job.spans import (
    END,
    KEPT,
    LAUNCH,
    PREPARE,
    TRAIN,
    WORDS,
    Life,
    Span,
    lives,
)
from deployments.pages.problems import OUT_OF_REACH
from deployments.pages.status_words import machine_step

S = Status
# Few machines are kept for a look.
USUAL = tuple(number for number in range(len(WORDS)) if number != KEPT)
NOT_RENTED = frozenset({S.QUEUED, S.LAUNCHING, S.WAITING_FOR_CAPACITY})


@dataclass(frozen=True)
class Phase:
    """One phase of one machine. ``state`` is done, now, to-come, proven, stuck or skipped.

    ``percent`` is how much of a phase that goes on is done, None where nobody can say; ``step``
    what it does now. ``cost`` is in whole cents, None before the phase has begun; then
    ``expected`` says what it will probably take.
    """

    word: str
    state: str
    seconds: float | None = None
    cost: Decimal | None = None
    percent: float | None = None
    step: str = ""
    expected: Expected | None = None


@dataclass(frozen=True)
class Strip:
    """The six phases of one machine, or seven where it was kept for a look.

    ``title`` is "" when the run had only this one.
    """

    title: str
    phases: tuple[Phase, ...]


def strips(
    run: DeploymentOverview,
    changes: Sequence[EventLine],
    *,
    cost: CostByPhase,
    expected: Mapping[int, Expected],
    now: datetime,
) -> tuple[Strip, ...]:
    """Return a strip for each machine that was rented, or one of phases to come.

    ``changes`` are the run's status changes in order, ``expected`` what a phase will take.
    """
    rented = lives(run, changes)
    if not rented:
        return (_not_begun(run, expected),)
    cents = {(line.machine, line.word): line.cost for line in cost.lines}
    return tuple(
        Strip(
            title=life.heading,
            phases=_phases(run, life, cents, expected=expected, now=now),
        )
        for life in rented
    )


def _phases(
    run: DeploymentOverview,
    life: Life,
    cents: Mapping[tuple[str, str], Decimal],
    *,
    expected: Mapping[int, Expected],
    now: datetime,
) -> tuple[Phase, ...]:
    by_phase = {span.phase: span for span in life.spans}
    last = life.spans[-1].phase
    found = []
    for number, word in enumerate(WORDS):
        if number not in by_phase:
            if number in USUAL:
                found.append(_not_reached(run, number, last=last, expected=expected))
            continue
        span = by_phase[number]
        found.append(
            Phase(
                word,
                _state(run, life, span),
                seconds=span.seconds(now),
                cost=cents[life.name, word],
                percent=_percent(run, span),
                step=machine_step(run) if span.phase == PREPARE and span.until is None else "",
            )
        )
    return tuple(found)


def _not_reached(
    run: DeploymentOverview, number: int, *, last: int, expected: Mapping[int, Expected]
) -> Phase:
    if number < last:
        return Phase(WORDS[number], "skipped")
    if number == END and _cannot_end(run):
        return Phase(WORDS[number], "stuck")
    return Phase(WORDS[number], "to-come", expected=expected.get(number))


def _state(run: DeploymentOverview, life: Life, span: Span) -> str:
    if span.phase == END and life.machine.gone_at is not None:
        return "proven"
    if span.until is not None:
        return "done"
    return "stuck" if span.phase == END and run.attention else "now"


def _cannot_end(run: DeploymentOverview) -> bool:
    return bool(run.attention) and (run.attention or {}).get("code") in OUT_OF_REACH


def _percent(run: DeploymentOverview, span: Span) -> float | None:
    if span.phase != TRAIN or span.until is not None or run.progress is None:
        return None
    return run.progress.percent


def _not_begun(run: DeploymentOverview, expected: Mapping[int, Expected]) -> Strip:
    """Before a machine is rented nothing has begun; after a run without one, nothing will."""
    if run.is_terminal or run.status not in NOT_RENTED:
        return Strip("", tuple(Phase(WORDS[number], "skipped") for number in USUAL))
    launch = Phase(WORDS[LAUNCH], "now")
    later = (Phase(WORDS[n], "to-come", expected=expected.get(n)) for n in USUAL if n != LAUNCH)
    return Strip("", (launch, *later))
