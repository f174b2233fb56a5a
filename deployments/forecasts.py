"""What a recipe would take and cost on each offer, from rows, past runs and ``estimate``."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from datasets.models import Dataset
from datasets.services import row_lengths as measured_lengths
from deployments import (
    cards,
    clouds,
    costs,
    estimate,
    lighter_settings,
    model_catalogue,
    phase_times,
    workload,
)
from deployments.base_models import LOCAL
from deployments.estimate import MemoryNeed, ModelShape, Range, Verdict, Work
from deployments.past_times import PastTime, PastTimes, past_times
from deployments.phase_times import Run, Told
from deployments.providers.base import Offer
from deployments.workload import RowLengths

FSDP2 = "fsdp2"
REMEDIES = 3
STAND_IN = "A CPU stands in for the GPU: its speed is not known"
# Adapters are saved in float32.
ADAPTER_BYTES_A_WEIGHT = 4


@dataclass(frozen=True)
class PhaseForecast:
    """One phase of the run: how long, for how many US dollars, and what that is known from."""

    word: str
    seconds: Range[float]
    cost_usd: Range[Decimal]
    basis: str


@dataclass(frozen=True)
class Remedy:
    """A change that makes a run fit, and what the run would cost then.

    ``settings`` are hyperparameters to change; empty for another machine, which is ``offer``.
    """

    title: str
    settings: Mapping[str, object]
    offer: Offer
    cost_usd: Range[Decimal]


@dataclass(frozen=True)
class OfferForecast:
    """What a run needs of one offer. Ranges are None where the model's size is not known.

    ``verdict`` is one of ``estimate``'s words; ``reasons`` say why it is not simply "fits".
    """

    offer: Offer
    need: MemoryNeed | None
    verdict: Verdict
    reasons: tuple[str, ...]
    remedies: tuple[Remedy, ...]
    seconds: Range[float] | None
    cost_usd: Range[Decimal] | None
    phases: tuple[PhaseForecast, ...]

    @property
    def likely_usd(self) -> Decimal | None:
        """The middle of the range, by which offers are compared."""
        return None if self.cost_usd is None else (self.cost_usd.low + self.cost_usd.high) / 2

    @property
    def can_run(self) -> bool:
        """Whether nothing we know of stands against it."""
        return self.verdict not in (estimate.CANNOT_RUN, estimate.DOES_NOT_FIT)


@dataclass(frozen=True)
class _Basis:
    """What all offers share: the recipe, its model and data, and what past machines took."""

    recipe: Mapping[str, Any]
    shape: ModelShape | None
    context_tokens: int | None
    lengths: RowLengths
    data_bytes: int
    past: Callable[[str], PastTimes]
    # What it is measured with, where that is a file of its own.
    evaluation: RowLengths | None = None

    @cached_property
    def need(self) -> MemoryNeed | None:
        """What one card must hold, the same on every offer."""
        return self.need_on(1)

    def need_on(self, cards_: int) -> MemoryNeed | None:
        """What each of several cards must hold that share the base model's weights."""
        if self.shape is None:
            return None
        load = workload.load_of(self.recipe, self.lengths, context_tokens=self.context_tokens)
        return estimate.memory_need(self.shape, load, cards=cards_)

    @cached_property
    def work(self) -> Work | None:
        """What is calculated, the same on every offer."""
        if self.shape is None:
            return None
        return workload.work_of(
            self.recipe,
            self.lengths,
            self.shape,
            context_tokens=self.context_tokens,
            evaluation=self.evaluation,
        )

    @cached_property
    def changes(self) -> tuple[tuple["_Change", ...], ...]:
        """The other settings that need less memory: by kind, the smallest change first."""
        kinds = lighter_settings.by_kind(
            self.recipe, self.lengths, context_tokens=self.context_tokens
        )
        return tuple(tuple(self._changed(*each) for each in kind) for kind in kinds)

    @cached_property
    def changes_together(self) -> tuple["_Change", ...]:
        """The smallest batch together with shorter and shorter rows."""
        found = lighter_settings.together(
            self.recipe, self.lengths, context_tokens=self.context_tokens
        )
        return tuple(self._changed(*each) for each in found)

    def _changed(self, title: str, settings_: dict[str, object]) -> "_Change":
        hyperparameters = {**self.recipe["hyperparameters"], **settings_}
        recipe = {**self.recipe, "hyperparameters": hyperparameters}
        return _Change(title, settings_, replace(self, recipe=recipe))


@dataclass(frozen=True)
class _Change:
    """Other settings, and what all offers share with them."""

    title: str
    settings: dict[str, object]
    basis: _Basis


def for_offers(
    user: User, *, recipe: Mapping[str, Any], dataset: Dataset, offers: Iterable[Offer]
) -> tuple[OfferForecast, ...]:
    """Return a forecast for each offer, the cheapest likely total first.

    ``recipe`` is frozen: every default filled in. Without a known model size the hourly price
    decides, and nothing is said of memory, time and total.
    """
    known: dict[str, PastTimes] = {}
    base_model = str(recipe["base_model"])

    def past(platform: str) -> PastTimes:
        if platform not in known:
            known[platform] = past_times(user, platform=platform, base_model=base_model)
        return known[platform]

    basis = _Basis(
        recipe=recipe,
        shape=model_catalogue.shape_of(base_model),
        context_tokens=model_catalogue.context_of(base_model),
        lengths=row_lengths(dataset),
        data_bytes=dataset.normalised_size_bytes,
        past=past,
        evaluation=_evaluation_lengths(user, recipe["eval"]),
    )
    found = sorted((_forecast(basis, offer) for offer in offers), key=_by_total)
    return tuple(_with_remedies(basis, forecast, found) for forecast in found)


def _evaluation_lengths(user: User, evaluation: Mapping[str, Any]) -> RowLengths | None:
    dataset_id = evaluation.get("dataset_id")
    if not dataset_id:
        return None
    dataset = Dataset.objects.active().filter(user=user, pk=dataset_id).first()
    return row_lengths(dataset) if dataset is not None else None


def row_lengths(dataset: Dataset) -> RowLengths:
    """Return how long the rows are, as far as it was counted."""
    mean_tokens = (dataset.tokens or 0) / max(1, dataset.rows)
    measured = measured_lengths(dataset)
    return RowLengths(rows=dataset.rows, mean_tokens=mean_tokens, measured=measured)


def is_stand_in(platform: str) -> bool:
    """Say whether a cloud's machines may be CPUs that stand in for GPUs: the vendor's never are."""
    vendor = clouds.provider_class(platform).default_endpoint()
    elsewhere = clouds.endpoint(platform).base_url != vendor.base_url
    return bool(settings.ALLOW_CPU_MACHINES) and elsewhere


def cheapest_that_fits(forecasts: Iterable[OfferForecast]) -> OfferForecast | None:
    """Return what "auto" takes: the cheapest likely total of what fits, else of what is tight.

    Offers whose memory or model is not known come last; None when nothing can run.
    """
    by_verdict = sorted(
        (forecast for forecast in forecasts if forecast.can_run),
        key=lambda found: (AUTO_ORDER.index(found.verdict), *_by_total(found)),
    )
    return by_verdict[0] if by_verdict else None


AUTO_ORDER = (estimate.FITS, estimate.TIGHT, estimate.UNKNOWN)


def _by_total(forecast: OfferForecast) -> tuple[Decimal, Decimal, str, str]:
    offer = forecast.offer
    likely = forecast.likely_usd or Decimal(0)
    return (likely, offer.hourly_price_usd, offer.instance_type, offer.region)


def _forecast(basis: _Basis, offer: Offer) -> OfferForecast:
    need = basis.need
    if _is_spread(basis, offer):
        need = basis.need_on(offer.gpu_count)
    verdict, reasons = _verdict(offer, need, is_spread=need is not basis.need)
    phases = _phases(basis, offer)
    seconds = cost = None
    if phases:
        seconds = phase_times.total(phase.seconds for phase in phases)
        cost = Range(_cents(offer, seconds.low), _cents(offer, seconds.high))
    return OfferForecast(
        offer=offer,
        need=need,
        verdict=verdict,
        reasons=reasons,
        remedies=(),
        seconds=seconds,
        cost_usd=cost,
        phases=phases,
    )


def sharding_of(
    recipe: Mapping[str, Any], dataset: Dataset, *, gpu_count: int, vram_gib: int | None
) -> str:
    """Return how a machine's cards share the model: FSDP2 where one card is too small, else ""."""
    model = str(recipe["base_model"])
    basis = _Basis(
        recipe=recipe,
        shape=model_catalogue.shape_of(model),
        context_tokens=model_catalogue.context_of(model),
        lengths=row_lengths(dataset),
        data_bytes=0,
        past=lambda _platform: PastTimes(),
    )
    return FSDP2 if _must_share(basis, gpu_count=gpu_count, vram_gib=vram_gib) else ""


def _is_spread(basis: _Basis, offer: Offer) -> bool:
    return _must_share(basis, gpu_count=offer.gpu_count, vram_gib=offer.vram_gib)


def _must_share(basis: _Basis, *, gpu_count: int, vram_gib: int | None) -> bool:
    """Whether one card is too small; weights in 4 bit are not shared (nobody has tried it)."""
    if gpu_count == 1 or basis.recipe["hyperparameters"].get("load_in_4bit"):
        return False
    return estimate.memory_verdict(basis.need, vram_gib=vram_gib) == estimate.DOES_NOT_FIT


def _verdict(
    offer: Offer, need: MemoryNeed | None, *, is_spread: bool = False
) -> tuple[Verdict, tuple[str, ...]]:
    """Return the verdict and what stands against the offer, the weightiest first."""
    verdict = estimate.memory_verdict(need, vram_gib=offer.vram_gib)
    reasons = _memory_reasons(offer, need, verdict)
    cautions = _cautions(offer)
    if is_spread:
        cautions = (f"The weights spread over {offer.gpu_count} GPUs (FSDP2): untried", *cautions)
    if cautions and verdict == estimate.FITS:
        verdict = estimate.TIGHT
    if is_stand_in(offer.platform):
        cautions = (*cautions, STAND_IN)
    return verdict, (*reasons, *cautions)


def _memory_reasons(offer: Offer, need: MemoryNeed | None, verdict: Verdict) -> tuple[str, ...]:
    if need is None:
        return ("The model's size is not known",)
    if offer.vram_gib is None:
        return ("The cloud does not say how much memory its card has",)
    usable = estimate.usable_bytes(offer.vram_gib) / estimate.GIB
    if verdict == estimate.DOES_NOT_FIT:
        return (f"It lacks {need.gib - usable:.1f} GB of memory",)
    if verdict == estimate.TIGHT:
        return (f"It fills {100 * need.gib / usable:.0f} % of the memory",)
    return ()


def _cautions(offer: Offer) -> tuple[str, ...]:
    """Return what is known against a card besides its memory, none of it tried by us."""
    found = []
    card = cards.card_of(offer.gpu_name, offer.description)
    if card is not None and not card.has_bf16:
        found.append("No bf16: fp16 may overflow")
    if offer.gpu_count > 1:
        found.append(f"{offer.gpu_count} GPUs at once: tried with processes on a CPU alone")
    if offer.architecture != "x86_64":
        found.append("ARM processor: untried here")
    return tuple(found)


def _phases(basis: _Basis, offer: Offer) -> tuple[PhaseForecast, ...]:
    if basis.shape is None or basis.work is None:
        return ()
    card = cards.card_of(offer.gpu_name, offer.description)
    modules = basis.recipe["hyperparameters"]["target_modules"]
    rank = int(basis.recipe["hyperparameters"]["lora_r"])
    run = Run(
        shape=basis.shape,
        work=basis.work,
        adapter_bytes=ADAPTER_BYTES_A_WEIGHT
        * estimate.lora_parameters(basis.shape, rank=rank, modules=modules),
        data_bytes=basis.data_bytes,
        is_local_model=str(basis.recipe["base_model"]).startswith(LOCAL),
        peak_tflops=card.peak_tflops if card else None,
        gpu_count=offer.gpu_count,
        is_stand_in=is_stand_in(offer.platform),
    )
    told = _told(basis.past(offer.platform))
    return tuple(
        PhaseForecast(
            word=phase.word,
            seconds=phase.seconds,
            cost_usd=Range(_exact(offer, phase.seconds.low), _exact(offer, phase.seconds.high)),
            basis=phase.basis,
        )
        for phase in phase_times.phases(run, timing=settings.TIMING, told=told)
    )


def _told(past: PastTimes) -> dict[str, Told]:
    by_word: dict[str, PastTime | None] = {
        phase_times.BOOT: past.boot,
        phase_times.PREPARE: past.prepare,
        phase_times.HOME: past.bring_home,
        phase_times.END: past.end,
    }
    return {word: Told(time.seconds, time.basis) for word, time in by_word.items() if time}


def _exact(offer: Offer, seconds: float) -> Decimal:
    return offer.hourly_price_usd * Decimal(str(seconds)) / Decimal(3600)


def _cents(offer: Offer, seconds: float) -> Decimal:
    """Return what the cloud bills for a machine of this age, up to the cent."""
    quantum_seconds = clouds.capabilities(offer.platform).billing_quantum_seconds
    return costs.cents_up(
        costs.rent(offer.hourly_price_usd, seconds=seconds, quantum_seconds=quantum_seconds)
    )


def _with_remedies(
    basis: _Basis, forecast: OfferForecast, others: Sequence[OfferForecast]
) -> OfferForecast:
    if forecast.verdict != estimate.DOES_NOT_FIT:
        return forecast
    found = [*_other_settings(basis, forecast.offer), *_other_machines(others)]
    found.sort(key=lambda remedy: remedy.cost_usd.low + remedy.cost_usd.high)
    return replace(forecast, remedies=tuple(found[:REMEDIES]))


def _other_settings(basis: _Basis, offer: Offer) -> list[Remedy]:
    """Return the smallest change of each kind with which the run fits this offer.

    Where none is enough, the smallest batch together with shorter rows.
    """
    found = [_first_that_fits(offer, kind) for kind in basis.changes]
    if not any(found):
        found = [_first_that_fits(offer, basis.changes_together)]
    return [remedy for remedy in found if remedy is not None]


def _first_that_fits(offer: Offer, changes: Iterable[_Change]) -> Remedy | None:
    for change in changes:
        verdict, _ = _verdict(offer, change.basis.need)
        if verdict in (estimate.FITS, estimate.TIGHT):
            then = _forecast(change.basis, offer)
            if then.cost_usd is not None:
                return Remedy(change.title, change.settings, offer, then.cost_usd)
    return None


def _other_machines(others: Sequence[OfferForecast]) -> list[Remedy]:
    """Return the cheapest free machine that the run fits as it is."""
    for other in others:
        if other.offer.available and other.verdict == estimate.FITS and other.cost_usd:
            offer = other.offer
            return [Remedy(f"{offer.gpu_name}, {offer.vram_gib} GB", {}, offer, other.cost_usd)]
    return []
