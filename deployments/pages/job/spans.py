"""When each machine of a run was in which phase, and what that time cost. Pure.

A phase begins with the status change that leads into it and ends with the next one; the last one
ends when the machine is proven gone.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_DOWN, Decimal

from deployments import costs
from deployments.models.deployments import Status
from deployments.overview import NOT_STARTED, DeploymentOverview, EventLine, MachineOverview

S = Status
LAUNCH, BOOT, PREPARE, TRAIN, HOME, KEPT, END = range(7)
WORDS = ("Launch", "Boot", "Prepare", "Train", "Bring home", "Kept for you", "End and prove")
BEGINS = {
    S.BOOTING: BOOT,
    S.PREPARING: PREPARE,
    S.TRAINING: TRAIN,
    S.COLLECTING: HOME,
    S.RECOVERING: END,
    S.TERMINATING: END,
}
ORDINALS = ("First", "Second", "Third", "Fourth", "Fifth")


@dataclass(frozen=True)
class Span:
    """When a machine was in a phase; ``until`` None: it still is."""

    phase: int
    since: datetime
    until: datetime | None

    @property
    def word(self) -> str:
        """The phase's name."""
        return WORDS[self.phase]

    def seconds(self, now: datetime) -> float:
        """Return how long it lasted, or has by ``now``."""
        return max(0.0, ((self.until or now) - self.since).total_seconds())

    def rent(self, machine: MachineOverview, now: datetime) -> Decimal:
        """Return the price of this time in US dollars, not rounded."""
        return machine.hourly * Decimal(str(self.seconds(now))) / Decimal(3600)


@dataclass(frozen=True)
class Life:
    """A rented machine with its phases in order; ``number`` counts from 0 among ``of``."""

    machine: MachineOverview
    spans: tuple[Span, ...]
    number: int
    of: int

    @property
    def name(self) -> str:
        """Which machine it was, "Second machine"; "" for the only one."""
        if self.of == 1:
            return ""
        return f"{ordinal(self.number)} machine"

    @property
    def heading(self) -> str:
        """The name with the reason for it, "Second machine, after the first was lost"."""
        if self.number == 0:
            return self.name
        return f"{self.name}, after the {ordinal(self.number - 1).lower()} was lost"


def ordinal(number: int) -> str:
    """Return the word for a place counted from 0: First, Second, then 6th."""
    return ORDINALS[number] if number < len(ORDINALS) else f"{number + 1}th"


def lives(run: DeploymentOverview, changes: Sequence[EventLine]) -> tuple[Life, ...]:
    """Return every machine that was rented with its phases; ``changes`` in order."""
    rented = [machine for machine in run.machines if machine.status not in NOT_STARTED]
    return tuple(
        Life(machine, _spans(machine, changes), number, len(rented))
        for number, machine in enumerate(rented)
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


def _spans(machine: MachineOverview, changes: Sequence[EventLine]) -> tuple[Span, ...]:
    """Return the machine's phases: no change is its own once its end has begun, the last phase.

    A failed run's machine that stays for a look is ended by no change of the run's status.
    """
    marks = [(LAUNCH, machine.requested_at)]
    for change in changes:
        mine = change.at >= machine.requested_at
        phase = BEGINS.get(Status(change.to_status)) if mine and change.to_status else None
        if change.kind == "kept" and phase == END:
            phase = KEPT
        if phase is not None and phase > marks[-1][0]:
            marks.append((phase, change.at))
    if marks[-1][0] == KEPT and machine.terminate_requested_at is not None:
        marks.append((END, machine.terminate_requested_at))
    ends: list[datetime | None] = [at for _, at in marks[1:]]
    ends.append(machine.gone_at)
    return tuple(Span(phase, at, until) for (phase, at), until in zip(marks, ends, strict=True))
