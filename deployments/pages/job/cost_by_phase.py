"""What each phase of a run cost: lines that add up to the total that is shown. Pure.

Each machine counts from its launch request to its proof of gone, at its own price; what the cloud
rounds up is a line of its own, so that nothing is hidden in a phase.
"""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from deployments.overview import DeploymentOverview, EventLine, StrayOverview
from deployments.pages.job.spans import Life, lives, split_cents

# What a cloud's billing steps are called.
QUANTA = {1: "whole seconds", 60: "whole minutes", 3600: "whole hours"}
COLUMNS = ("machine", "phase", "seconds", "usd")


@dataclass(frozen=True)
class Line:
    """One phase of one machine; ``machine`` is "" when there was only one. ``cost`` in cents.

    A machine that no run wanted is one line, under its id at the cloud.
    """

    machine: str
    word: str
    seconds: float
    cost: Decimal


@dataclass(frozen=True)
class CostByPhase:
    """The lines in order, their time and their cost; ``hourly`` None: at several prices.

    ``is_final`` False: a machine still bills, and the lines go on growing.
    """

    lines: tuple[Line, ...]
    seconds: float
    total: Decimal
    hourly: Decimal | None
    is_final: bool


def cost_by_phase(
    run: DeploymentOverview, changes: Sequence[EventLine], *, now: datetime
) -> CostByPhase:
    """Return the cost of a run by machine and phase, in whole cents.

    ``changes`` are the run's status changes in order.
    """
    exact = [line for life in lives(run, changes) for line in _lines(life, now=now)]
    exact += [_stray_line(stray, now=now) for stray in run.strays]
    total = run.cost.accrued
    cents = split_cents([line.cost for line in exact], total=total)
    prices = {life.machine.hourly for life in lives(run, changes)}
    return CostByPhase(
        lines=tuple(replace(line, cost=cost) for line, cost in zip(exact, cents, strict=True)),
        seconds=sum(line.seconds for line in exact),
        total=total,
        hourly=prices.pop() if len(prices) == 1 else None,
        is_final=not run.bills,
    )


def as_csv(table: CostByPhase) -> str:
    """Return the table as CSV: the columns of the page, the total as its last row."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for line in table.lines:
        writer.writerow([line.machine, line.word, round(line.seconds), line.cost])
    writer.writerow(["", "Total", round(table.seconds), table.total])
    return text.getvalue()


def _stray_line(stray: StrayOverview, *, now: datetime) -> Line:
    """F18, F21: its whole time on one line, rounding included."""
    seconds = ((stray.gone_at or now) - stray.bills_from).total_seconds()
    return Line(stray.instance_id, "Wanted by no run", max(0.0, seconds), stray.accrued)


def _lines(life: Life, *, now: datetime) -> list[Line]:
    machine, quantum_seconds = life.machine, life.machine.billing_quantum_seconds
    own = [
        Line(life.name, span.word, span.seconds(now), span.rent(machine, now))
        for span in life.spans
    ]
    # The price is kept rounded up: without this, 5 minutes would be a moment more.
    exact = float(machine.accrued * 3600 / machine.hourly) if machine.hourly else 0.0
    billed = float(quantum_seconds * round(exact / quantum_seconds))
    steps = QUANTA.get(quantum_seconds, f"steps of {quantum_seconds} s")
    rounding = Line(
        life.name,
        f"Rounding up to {steps}",
        max(0.0, billed - sum(line.seconds for line in own)),
        max(Decimal(0), machine.accrued - sum((line.cost for line in own), Decimal(0))),
    )
    return [*own, rounding]
