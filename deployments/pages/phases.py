"""The phase strip: what each machine of a run has been doing, how long, and for how many cents.

Pure: machines and status changes in, strips out. The cents of all phases add up to the shown cost.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from deployments import costs
from deployments.models.deployments import Status
from deployments.overview import NOT_STARTED, DeploymentOverview, EventLine, MachineOverview

S = Status
LAUNCH, BOOT, PREPARE, TRAIN, HOME, END = range(6)
WORDS = ("Launch", "Boot", "Prepare", "Train", "Bring home", "End and prove")
BEGINS = {
    S.BOOTING: BOOT,
    S.PREPARING: PREPARE,
    S.TRAINING: TRAIN,
    S.COLLECTING: HOME,
    S.RECOVERING: END,
    S.TERMINATING: END,
}


@dataclass(frozen=True)
class Phase:
    """One phase of one machine. ``state`` is done, now, to-come, proven, stuck or skipped.

    ``percent`` is how much of a phase that goes on is done, None where nobody can say.
    ``cost`` is in whole cents; None before the phase has begun.
    """

    word: str
    state: str
    seconds: float | None = None
    cost: Decimal | None = None
    percent: float | None = None


@dataclass(frozen=True)
class Strip:
    """The six phases of one machine; ``title`` is "" when the run had only this one."""

    title: str
    machine: str
    phases: tuple[Phase, ...]


@dataclass(frozen=True)
class LedgerLine:
    """What one phase cost; ``machine`` is "" when there was only one."""

    word: str
    machine: str
    seconds: float
    cost: Decimal


@dataclass(frozen=True)
class Ledger:
    """The cost by phase; the lines add up to the total, the last one is the cloud's rounding."""

    lines: tuple[LedgerLine, ...]
    seconds: float
    total: Decimal


@dataclass(frozen=True)
class _Span:
    """When a machine was in a phase; ``until`` None: it still is."""

    phase: int
    since: datetime
    until: datetime | None


def strips(
    run: DeploymentOverview, changes: Sequence[EventLine], *, now: datetime
) -> tuple[Strip, ...]:
    """Return a strip for each machine that was rented, or one of phases to come.

    ``changes`` are the run's status changes in order.
    """
    rented = [machine for machine in run.machines if machine.status not in NOT_STARTED]
    if not rented:
        return (_not_begun(run),)
    spans = [_spans(machine, changes, rented[i + 1 :]) for i, machine in enumerate(rented)]
    cents = iter(_cents(rented, spans, now=now, total=run.cost.accrued))
    return tuple(
        Strip(
            title=_title(number, of=len(rented)),
            machine=machine.name,
            phases=_phases(run, machine, spans[number], cents, now=now),
        )
        for number, machine in enumerate(rented)
    )


def ledger(run: DeploymentOverview, changes: Sequence[EventLine], *, now: datetime) -> Ledger:
    """Return what each phase of each machine cost, and what the cloud rounds up, in whole cents."""
    rented = [machine for machine in run.machines if machine.status not in NOT_STARTED]
    lines: list[LedgerLine] = []
    for number, machine in enumerate(rented):
        title = _title(number, of=len(rented)).partition(",")[0]
        spans = _spans(machine, changes, rented[number + 1 :])
        own = [
            LedgerLine(
                WORDS[span.phase], title, _seconds(span, now=now), _rent(machine, span, now=now)
            )
            for span in spans
        ]
        billed = float(machine.accrued * 3600 / machine.hourly) if machine.hourly else 0.0
        rounded = LedgerLine(
            "Rounding up to whole minutes",
            title,
            max(0.0, billed - sum(line.seconds for line in own)),
            max(Decimal(0), machine.accrued - sum((line.cost for line in own), Decimal(0))),
        )
        lines += [*own, rounded]
    cents = split_cents([line.cost for line in lines], total=run.cost.accrued)
    return Ledger(
        lines=tuple(replace(line, cost=cost) for line, cost in zip(lines, cents, strict=True)),
        seconds=sum(line.seconds for line in lines),
        total=run.cost.accrued,
    )


def split_cents(parts: Iterable[Decimal], *, total: Decimal) -> list[Decimal]:
    """Return the parts in whole cents, rounded so that they add up to ``total``.

    The missing cents go to the parts that lost most by rounding down (largest remainder).
    """
    exact = list(parts)
    down = [part.quantize(costs.CENT, rounding=ROUND_DOWN) for part in exact]
    missing = int((total - sum(down, Decimal(0))) / costs.CENT)
    by_loss = sorted(range(len(exact)), key=lambda i: (down[i] - exact[i], i))
    for i in by_loss[: max(0, missing)]:
        down[i] += costs.CENT
    return down


def _title(number: int, *, of: int) -> str:
    if of == 1:
        return ""
    ordinals = ("First", "Second", "Third", "Fourth", "Fifth")
    word = ordinals[number] if number < len(ordinals) else f"{number + 1}th"
    return f"{word} machine" + (", after the one before was lost" if number else "")


def _spans(
    machine: MachineOverview, changes: Sequence[EventLine], later: Sequence[MachineOverview]
) -> list[_Span]:
    """Return the machine's phases in order; the changes after the next launch are not its own."""
    limit = later[0].requested_at if later else None
    marks = [(LAUNCH, machine.requested_at)]
    for change in changes:
        mine = change.at >= machine.requested_at and (limit is None or change.at < limit)
        phase = BEGINS.get(Status(change.to_status)) if mine and change.to_status else None
        if phase is not None and phase > marks[-1][0]:
            marks.append((phase, change.at))
    ends: list[datetime | None] = [at for _, at in marks[1:]]
    ends.append(machine.gone_at)
    return [_Span(phase, since, until) for (phase, since), until in zip(marks, ends, strict=True)]


def _cents(
    machines: Sequence[MachineOverview],
    spans: Sequence[Sequence[_Span]],
    *,
    now: datetime,
    total: Decimal,
) -> list[Decimal]:
    """Return the cents of each span, all machines in one row.

    The last span of a machine takes what the cloud rounds up to whole minutes.
    """
    exact: list[Decimal] = []
    for machine, own in zip(machines, spans, strict=True):
        parts = [_rent(machine, span, now=now) for span in own]
        parts[-1] += max(Decimal(0), machine.accrued - sum(parts, Decimal(0)))
        exact += parts
    return split_cents(exact, total=total)


def _seconds(span: _Span, *, now: datetime) -> float:
    return max(0.0, ((span.until or now) - span.since).total_seconds())


def _rent(machine: MachineOverview, span: _Span, *, now: datetime) -> Decimal:
    return machine.hourly * Decimal(str(_seconds(span, now=now))) / Decimal(3600)


def _phases(
    run: DeploymentOverview,
    machine: MachineOverview,
    spans: Sequence[_Span],
    cents: Iterator[Decimal],
    *,
    now: datetime,
) -> tuple[Phase, ...]:
    by_phase = {span.phase: (span, next(cents)) for span in spans}
    last = spans[-1].phase
    phases = []
    for number, word in enumerate(WORDS):
        if number not in by_phase:
            phases.append(Phase(word, "skipped" if number < last else "to-come"))
            continue
        span, cost = by_phase[number]
        phases.append(
            Phase(
                word,
                _state(run, machine, span),
                seconds=_seconds(span, now=now),
                cost=cost,
                percent=_percent(run, span),
            )
        )
    return tuple(phases)


def _state(run: DeploymentOverview, machine: MachineOverview, span: _Span) -> str:
    if span.phase == END and machine.gone_at is not None:
        return "proven"
    if span.until is not None:
        return "done"
    return "stuck" if run.attention and span.phase == END else "now"


def _percent(run: DeploymentOverview, span: _Span) -> float | None:
    if span.phase != TRAIN or span.until is not None or run.progress is None:
        return None
    return run.progress.percent


def _not_begun(run: DeploymentOverview) -> Strip:
    """Before a machine is rented nothing has begun; after a run without one, nothing will."""
    state = "skipped" if run.is_terminal else "to-come"
    launching = run.status in (S.LAUNCHING, S.WAITING_FOR_CAPACITY, S.QUEUED)
    return Strip(
        title="",
        machine="",
        phases=tuple(
            Phase(word, "now" if launching and number == LAUNCH else state)
            for number, word in enumerate(WORDS)
        ),
    )
