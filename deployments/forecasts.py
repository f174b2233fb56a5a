"""What a recipe would take and cost on each offer, from rows, past runs and ``estimate``."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from deployments.estimate import MemoryNeed, Range, Verdict
from deployments.providers.base import Offer


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
