"""Everything the charts of a run are drawn from, read in two queries."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from uuid import UUID

from deployments import costs, metric_rows
from deployments.bucketing import Bucket
from deployments.models import Deployment, Machine
from deployments.overview import DeploymentOverview
from deployments.pages.charts import kinds
from deployments.pages.charts.kinds import TOKENS, Axis
from deployments.pages.charts.series import Along, counted_on

_MIB_A_GIB = 1024
_MOMENTS = 200
# A part of a run with more values than this is shown as coarsely as the whole.
_MAX_CLOSELY = 100_000


@dataclass(frozen=True)
class Rented:
    """A machine's rent: from when until when, or still; ``billed`` once it is known to be final."""

    hourly: Decimal
    quantum_seconds: int
    begin: datetime
    end: datetime | None
    billed: Decimal | None

    def spent(self, at: datetime) -> Decimal:
        """Return what the machine had cost by ``at``, pessimistically (D8)."""
        if self.end is not None and at >= self.end and self.billed is not None:
            return self.billed
        until = at if self.end is None else min(at, self.end)
        spent = costs.rent(
            self.hourly,
            seconds=(until - self.begin).total_seconds(),
            quantum_seconds=self.quantum_seconds,
        )
        return spent if self.billed is None else min(spent, self.billed)


@dataclass(frozen=True)
class Measured:
    """What a run has told so far, in buckets, with what frames it.

    ``epochs`` is how often the data is passed over in ``total_steps`` steps, 0 if nobody knows.
    ``until`` is now, or when the run was over.
    """

    buckets: Mapping[str, Sequence[Bucket]]
    total_steps: int | None
    epochs: float
    epoch_a_step: float
    started_at: datetime
    until: datetime
    is_live: bool
    rented: tuple[Rented, ...]
    budget: Decimal
    card_gib: float | None
    # Where this is a part of a run, looked at closely: the run.
    whole: "Measured | None" = None

    def of(self, metric: str) -> Sequence[Bucket]:
        """Return one metric's buckets in order of step; none if it was never told."""
        return self.buckets.get(metric, ())

    @cached_property
    def begin(self) -> datetime:
        """When the time axis begins: the start of the run, or of the one that it resumes."""
        if self.whole is not None:
            return self.whole.begin
        told = [buckets[0].last_at for buckets in self.buckets.values() if buckets]
        return min([self.started_at, *told])

    @cached_property
    def times(self) -> Along:
        """The seconds since the beginning at which each step was told."""
        told = self.of(kinds.TRAIN_LOSS) or self._longest()
        return Along.of((bucket.last_step, self._seconds(bucket.last_at)) for bucket in told)

    @cached_property
    def tokens(self) -> Along:
        """The tokens trained on by each step."""
        pairs = ((b.last_step, b.last) for b in self.of(TOKENS))
        told = ((float(step), value) for step, value in pairs if value is not None)
        counted = counted_on(told)
        return Along.of([(0.0, 0.0), *counted] if counted else [])

    def along(self, axis: Axis) -> "Along | None":
        """Return where steps lie on an axis; None where that is not known."""
        if self.whole is not None:
            return self.whole.along(axis)
        if axis is kinds.TIME:
            return self.times if self.times.steps else None
        if axis is kinds.TOKEN:
            return self.tokens if self.tokens.steps else None
        if axis is kinds.EPOCH:
            far = float(max(self.last_step, self.total_steps or 0, 1))
            return Along((0.0, far), (0.0, far * self.epoch_a_step)) if self.epoch_a_step else None
        far = float(max(self.last_step, self.total_steps or 0, 1))
        return Along((0.0, far), (0.0, far))

    def between(self, job_id: UUID, first: int, last: int) -> "Measured":
        """Return the same run looked at closely, from one step to another.

        The figures are worked out from the raw rows where those are few enough; places on the
        axes stay those of the whole run.
        """
        last = min(last, self.last_step)
        told = sum(
            bucket.count
            for buckets in self.buckets.values()
            for bucket in buckets
            if first <= bucket.last_step and bucket.start <= last
        )
        if told > _MAX_CLOSELY or first >= last:
            return self
        finer = metric_rows.finer_series(job_id, kinds.METRICS, first=first, last=last)
        return replace(self, buckets=finer, whole=self)

    @cached_property
    def last_step(self) -> int:
        """The newest step that any metric was told at."""
        if self.whole is not None:
            return self.whole.last_step
        return max((b[-1].last_step for b in self.buckets.values() if b), default=0)

    def spent(self, at: datetime) -> Decimal:
        """Return what all machines of the run had cost by ``at``."""
        return sum((machine.spent(at) for machine in self.rented), Decimal(0))

    @cached_property
    def spending(self) -> list[tuple[float, float, datetime]]:
        """Return (step, USD, at) from the first machine on: by step as told, then up to the end."""
        if not self.rented:
            return []
        begin = min(machine.begin for machine in self.rented)
        told = self.of(kinds.TRAIN_LOSS)
        moments = [(0.0, begin)]
        moments += [(float(b.last_step), b.last_at) for b in told if begin < b.last_at < self.until]
        moments.append((float(told[-1].last_step) if told else 0.0, self.until))
        return [(step, float(self.spent(at)), at) for step, at in moments]

    @cached_property
    def spending_by_time(self) -> list[tuple[float, float]]:
        """Return (seconds, USD) at even distances from the first machine to the end."""
        if not self.rented:
            return []
        begin = min(machine.begin for machine in self.rented)
        part = (self.until - begin) / _MOMENTS
        moments = [begin + part * number for number in range(_MOMENTS + 1)]
        return [(self.seconds(at), float(self.spent(at))) for at in moments]

    def seconds(self, at: datetime) -> float:
        """Return the place of a moment on the time axis."""
        return self._seconds(at)

    def _seconds(self, at: datetime) -> float:
        return max(0.0, (at - self.begin).total_seconds())

    def _longest(self) -> Sequence[Bucket]:
        return max(self.buckets.values(), key=len, default=())


def measured(
    deployment: Deployment, run: DeploymentOverview, *, epochs: float | None, now: datetime
) -> Measured:
    """Read what the charts of a run are drawn from."""
    progress = run.progress
    total = progress.total_steps if progress else None
    epoch_a_step = 0.0
    if epochs and total:
        epoch_a_step = epochs / total
    elif progress and progress.step and progress.epoch:
        epoch_a_step = progress.epoch / progress.step
    return Measured(
        buckets=metric_rows.bucket_series(deployment.job_id, kinds.METRICS),
        total_steps=total,
        epochs=epochs or 0.0,
        epoch_a_step=epoch_a_step,
        started_at=deployment.created_at,
        until=run.completed_at or now,
        is_live=not run.is_terminal,
        rented=_rents(deployment.machines.all()),
        budget=deployment.budget_limit,
        card_gib=_card_gib(run.run.heartbeat if run.run else None),
    )


def _rents(machines: Iterable[Machine]) -> tuple[Rented, ...]:
    return tuple(
        Rented(
            hourly=machine.hourly_price,
            quantum_seconds=machine.billing_quantum_seconds,
            begin=machine.requested_at,
            end=machine.gone_at,
            billed=machine.billed_usd,
        )
        for machine in machines
        if machine.may_live or machine.gone_at is not None
    )


def _card_gib(heartbeat: Mapping[str, object] | None) -> float | None:
    """Return what the first card can hold, from the newest heartbeat of its machine."""
    gpus = heartbeat.get("gpus") if heartbeat else None
    first = gpus[0] if isinstance(gpus, list) and gpus else None
    total = first.get("memory_total_mib") if isinstance(first, dict) else None
    return total / _MIB_A_GIB if isinstance(total, (int, float)) and total > 0 else None
