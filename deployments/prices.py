"""What the same card costs at each cloud, from what the clouds offer now (pure)."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from deployments import cards, clouds, costs
from deployments.providers import PROVIDERS, rented
from deployments.providers.base import Offer

# Rents that people think in: an evening's run, and a long one.
HOURS = (10, 50)
TENTH = Decimal("0.1")


@dataclass(frozen=True)
class CloudPrice:
    """The cheapest machine with one such card at one cloud, a free one before a sold-out one.

    ``more_percent`` is how much dearer it is than the cheapest cloud's.
    """

    offer: Offer
    hours_10_usd: Decimal
    hours_50_usd: Decimal
    more_percent: Decimal

    @property
    def cloud(self) -> str:
        """The cloud's name for people."""
        return PROVIDERS[self.offer.platform].capabilities.label


@dataclass(frozen=True)
class CardPrices:
    """One kind of card and what each cloud that has it asks, the cheapest first."""

    gpu: str
    vram_gib: int | None
    prices: tuple[CloudPrice, ...]

    @property
    def only_at(self) -> CloudPrice | None:
        """The one cloud that has it, or None where there is a choice."""
        return self.prices[0] if len(self.prices) == 1 else None

    @property
    def difference_percent(self) -> Decimal | None:
        """How much dearer the dearest cloud is than the cheapest; None without a choice."""
        return None if self.only_at else self.prices[-1].more_percent

    def at(self, platform: str) -> CloudPrice | None:
        """Return one cloud's price."""
        return next((each for each in self.prices if each.offer.platform == platform), None)


def by_card(offers: Iterable[Offer]) -> tuple[CardPrices, ...]:
    """Compare the clouds card by card: first those with a choice, the cheapest card first.

    Machines with one GPU alone, so that like is compared with like; a user's own machines cost
    what their user says, and are no offer of a cloud.
    """
    at_clouds = rented()
    found: defaultdict[tuple[str, int | None], dict[str, Offer]] = defaultdict(dict)
    for offer in offers:
        if offer.gpu_count != 1 or offer.platform not in at_clouds:
            continue
        of_card = found[(card_name(offer), offer.vram_gib)]
        known = of_card.get(offer.platform)
        if known is None or _rank(offer) < _rank(known):
            of_card[offer.platform] = offer
    rows = [_row(gpu, vram_gib, of_card.values()) for (gpu, vram_gib), of_card in found.items()]
    return tuple(sorted(rows, key=_order))


def card_name(offer: Offer) -> str:
    """Return one name for a card that clouds name differently."""
    card = cards.card_of(offer.gpu_name, offer.description)
    return card.name if card else offer.gpu_name.removeprefix("NVIDIA ").strip()


def _row(gpu: str, vram_gib: int | None, offers: Iterable[Offer]) -> CardPrices:
    cheapest_first = sorted(offers, key=lambda each: (each.hourly_price_usd, each.platform))
    least = cheapest_first[0].hourly_price_usd
    return CardPrices(gpu, vram_gib, tuple(_price(each, least=least) for each in cheapest_first))


def _price(offer: Offer, *, least: Decimal) -> CloudPrice:
    hourly = offer.hourly_price_usd
    more = (hourly / least - 1) * 100 if least else Decimal(0)
    first, second = (_rent(offer, hours=hours) for hours in HOURS)
    return CloudPrice(offer, first, second, more.quantize(TENTH, rounding=ROUND_HALF_UP))


def _rent(offer: Offer, *, hours: int) -> Decimal:
    quantum_seconds = clouds.capabilities(offer.platform).billing_quantum_seconds
    exact = costs.rent(
        offer.hourly_price_usd, seconds=hours * 3600, quantum_seconds=quantum_seconds
    )
    return costs.cents_up(exact)


def _rank(offer: Offer) -> tuple[bool, Decimal, str, str]:
    return (not offer.available, offer.hourly_price_usd, offer.instance_type, offer.region)


def _order(row: CardPrices) -> tuple[bool, Decimal, str]:
    return (row.only_at is not None, row.prices[0].offer.hourly_price_usd, row.gpu)


def clouds_in(rows: Sequence[CardPrices]) -> list[str]:
    """Return the clouds that any of the rows has a price of, in the order of PROVIDERS."""
    shown = {price.offer.platform for row in rows for price in row.prices}
    return [name for name in rented() if name in shown]
