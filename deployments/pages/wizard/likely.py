"""What the offers are and what this draft's run would cost on each: for Hardware and Review."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from core.errors import SlipwayError
from core.time import database_now
from deployments import catalogue, drafts, estimate, forecasts
from deployments.estimate import MemoryNeed
from deployments.forecasts import OfferForecast
from deployments.models import Draft
from deployments.pages.wizard import offers_table, range_words, summary
from deployments.pages.wizard.offers_table import Place, Table
from deployments.pages.wizard.summary import Pair, Summary
from deployments.providers.base import Offer
from deployments.quotes import AUTO
from deployments.templatetags.wording import duration, rate

# What the parts of the memory are called, and their colour's class.
MEMORY_PARTS = (
    ("weights", "Weights", "weights"),
    ("adapter", "Adapter and optimiser", "adapter"),
    ("activations", "Activations", "activations"),
    ("runtime", "CUDA and runtime", "runtime"),
    ("margin", "Margin, 15 %", "margin"),
)


@dataclass(frozen=True)
class Look:
    """The offers as they were a moment ago. ``error`` says why they are not known.

    ``silent`` says of each cloud that is missing among them why.
    ``found`` is empty before data, model and settings are chosen.
    """

    found: tuple[OfferForecast, ...]
    as_of: datetime | None
    error: SlipwayError | None
    table: Table
    silent: tuple[str, ...] = ()

    @property
    def offers(self) -> list[Offer]:
        """The offers themselves."""
        return [each.offer for each in self.found]

    @property
    def read_ago(self) -> str:
        """How long ago the clouds said so, in words; "" if they did not."""
        if self.as_of is None:
            return ""
        return f"{duration((database_now() - self.as_of).total_seconds())} ago"

    def forecast_of(self, place: Place | None) -> OfferForecast | None:
        """Return the forecast for a place, free or sold out; of another region if it must be."""
        if place is None:
            return None
        places = [(each, offers_table.place_of(each.offer)) for each in self.found]
        same = [each for each, where in places if where.is_same(place)]
        types = [each for each, where in places if where.is_same_kind(place)]
        return next(iter(same or types), None)


@dataclass(frozen=True)
class MemoryPart:
    """One part of the memory: its place on the bar in percent of the card, and its size."""

    word: str
    tone: str
    x: float
    width: float
    gib: str


@dataclass(frozen=True)
class Memory:
    """The card's memory as the summary shows it; lengths in percent of what the card has."""

    text: str
    parts: tuple[MemoryPart, ...]


def look(draft: Draft, *, live: bool = False) -> Look:
    """Return the offers with what the draft's run would take on each.

    ``live`` asks the clouds; otherwise what they said in the last half minute will do.
    """
    empty = offers_table.table([], chosen=None, waited_for=[])
    if draft.dataset is None:
        return Look((), None, None, empty)
    try:
        recipe = drafts.recipe(draft)
        ask = catalogue.live_offers if live else catalogue.recent_offers
        known = ask(draft.user)
    except SlipwayError as error:
        return Look((), None, error, empty)
    found = forecasts.for_offers(
        draft.user, recipe=recipe, dataset=draft.dataset, offers=known.offers
    )
    shown = offers_table.table(
        [each for each in found if _is_shown(draft, each.offer)],
        chosen=chosen(draft),
        waited_for=waited_for(draft),
    )
    return Look(found, known.as_of, None, shown, known.silent)


def chosen(draft: Draft) -> Place | None:
    """Return the machine the draft names."""
    return _place(draft.values.get("machine"))


def waited_for(draft: Draft) -> list[Place]:
    """Return the sold-out machines the draft would wait for."""
    kept = draft.values.get("wait_for", [])
    found = [_place(each) for each in kept] if isinstance(kept, list) else []
    return [place for place in found if place is not None]


def kept(place: Place) -> dict[str, str]:
    """Return a place as a draft keeps it."""
    hourly = {} if place.hourly is None else {"hourly": str(place.hourly)}
    return {
        "platform": place.platform,
        "instance_type": place.instance_type,
        "region": place.region,
        **hourly,
    }


def amount(draft: Draft, name: str) -> Decimal | None:
    """Return a kept amount, None where there is none that can be read."""
    try:
        found = Decimal(str(draft.values.get(name) or ""))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def summary_with(draft: Draft, forecast: OfferForecast | None) -> Summary:
    """Return the summary card with the memory, time and cost of the chosen machine."""
    card = summary.of(draft)
    if forecast is None:
        return card
    offer = forecast.offer
    machine = (
        Pair("GPU", f"{offers_table.gpu_words(offer)}, {offer.vram_gib} GB"),
        Pair("Where", offers_table.where_words(offer)),
    )
    budget = tuple(pair for pair in card.pairs if pair.label == "Budget")
    replaced = ("Machine", "Where", "GPU", "Budget")
    rest = tuple(pair for pair in card.pairs if pair.label not in replaced)
    time = range_words.time(forecast.seconds)
    return replace(
        card,
        pairs=(*rest, *machine, *budget),
        cost=range_words.money(forecast.cost_usd),
        cost_lines=(
            f"{time}, at {rate(offer.hourly_price_usd)}",
            "An estimate, not a promise. The budget is the limit.",
        ),
        memory=memory(forecast),
        short=f"{time} · {offers_table.gpu_words(offer)}",
        is_cost_known=forecast.cost_usd is not None,
    )


def memory(forecast: OfferForecast) -> Memory | None:
    """Return what fills the card; None where the need or the card is not known."""
    need, vram_gib = forecast.need, forecast.offer.vram_gib
    if need is None or vram_gib is None:
        return None
    return Memory(f"{need.gib:.1f} of {vram_gib} GB", tuple(_parts(need, vram_gib)))


def _parts(need: MemoryNeed, vram_gib: int) -> Iterable[MemoryPart]:
    # A need above the card fills the bar to its end.
    whole = max(vram_gib * estimate.GIB, need.total)
    x = 0.0
    for name, word, tone in MEMORY_PARTS:
        size = getattr(need, name)
        width = 100 * size / whole
        yield MemoryPart(word, tone, round(x, 2), round(width, 2), f"{size / estimate.GIB:.1f} GB")
        x += width


def _place(value: Any) -> Place | None:
    if not isinstance(value, dict):
        return None
    names = ("platform", "instance_type", "region", "hourly")
    return Place.read(offers_table.SEPARATOR.join(str(value.get(name) or "") for name in names))


def _is_shown(draft: Draft, offer: Offer) -> bool:
    """Say whether the selectors above the table let an offer through."""
    show = draft.values.get("show") or {}
    limit = amount(draft, "max_hourly_price")
    return (
        show.get("instance_type", AUTO) in (AUTO, offer.instance_type)
        and (show.get("region", AUTO) in (AUTO, offer.region) or not offer.available)
        and (limit is None or offer.hourly_price_usd <= limit)
    )
