"""The table of offers: free now, sold out but cheaper, and what cannot run the job (pure)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from deployments import cards, clouds, estimate, forecasts
from deployments.estimate import Verdict
from deployments.forecasts import OfferForecast, Remedy
from deployments.pages.wizard import range_words
from deployments.providers.base import Offer
from deployments.quotes import AUTO
from deployments.templatetags.wording import usd, usd_exact

SEPARATOR = "|"
# No machine costs so much an hour, and no column holds it.
TOO_DEAR = 1_000_000
TIMES = "\N{MULTIPLICATION SIGN}"
NAMED = 2
# Where 80 % of the usable memory lies on a bar that is full at 100 %.
MARK_PERCENT = 100 * estimate.FITS_SHARE
WORDS: dict[Verdict, tuple[str, str, str]] = {
    estimate.FITS: ("Fits", "ok", "check-circle-fill"),
    estimate.TIGHT: ("Tight", "warn", "exclamation-triangle-fill"),
    estimate.DOES_NOT_FIT: ("Does not fit", "bad", "x-circle-fill"),
    estimate.CANNOT_RUN: ("Cannot run", "bad", "x-circle-fill"),
    estimate.UNKNOWN: ("Not known", "", "info-circle"),
}
# By the beginning of a region's name; clouds name no distances, and nobody has measured them here.
CONTINENTS = {
    "us": "America",
    "europe": "Europe",
    "eu": "Europe",
    "asia": "Asia",
    "me": "Middle East",
    "australia": "Australia",
    "ca": "America",
    "eur": "Europe",
    "ap": "Asia",
    "sea": "Asia",
    "oc": "Australia",
}


@dataclass(frozen=True)
class Place:
    """An offer as a form sends it: cloud, type and region. ``hourly`` is what it was shown for."""

    platform: str
    instance_type: str
    region: str
    hourly: Decimal | None = None

    @property
    def value(self) -> str:
        """The form's text for it."""
        price = "" if self.hourly is None else str(self.hourly)
        return SEPARATOR.join((self.platform, self.instance_type, self.region, price))

    @classmethod
    def read(cls, text: str) -> "Place | None":
        """Return the place that a form has sent, or None."""
        platform, instance_type, region, price = [*text.split(SEPARATOR), "", "", "", ""][:4]
        try:
            hourly = Decimal(price) if price else None
        except InvalidOperation:
            return None
        fine = hourly is None or (hourly.is_finite() and 0 <= hourly < TOO_DEAR)
        whole = platform and instance_type and len(text) <= 300 and text.isprintable()
        return cls(platform, instance_type, region or AUTO, hourly) if fine and whole else None

    def is_same_kind(self, other: "Place | None") -> bool:
        """Say whether it is the same type at the same cloud, in whatever region."""
        return other is not None and (self.platform, self.instance_type) == (
            other.platform,
            other.instance_type,
        )

    def is_same(self, other: "Place | None") -> bool:
        """Say whether it is the same machine, whatever it costs now."""
        return self.is_same_kind(other) and other is not None and self.region == other.region


@dataclass(frozen=True)
class Bar:
    """Memory: how full, in percent of what is usable; ``tone`` is done, warn, bad or quiet."""

    percent: float
    tone: str
    text: str
    label: str
    mark: float = MARK_PERCENT


@dataclass(frozen=True)
class Row:
    """One offer as it is shown."""

    number: int
    place: Place
    gpu: str
    where: str
    region: str
    bar: Bar | None
    vram: str
    hourly: str
    time: str
    total: str
    verdict: str
    tone: str
    icon: str
    note: str
    is_chosen: bool
    forecast: OfferForecast

    @property
    def value(self) -> str:
        """What the form sends for it."""
        return self.place.value


@dataclass(frozen=True)
class Cure:
    """A remedy in words."""

    title: str
    total: str


@dataclass(frozen=True)
class Unable:
    """A kind of machine that cannot run the job, why, and what would help."""

    gpu: str
    instance_type: str
    hourly: str
    verdict: str
    reason: str
    cures: tuple[Cure, ...]


@dataclass(frozen=True)
class Table:
    """The whole table; ``unable_words`` is the folded group's heading.

    ``are_cheaper``: whether the sold-out ones are those that would be cheaper than the free ones.
    ``caution`` says what makes all figures of the table wide or unknown, "" if nothing does.
    """

    free: tuple[Row, ...]
    sold_out: tuple[Row, ...]
    unable: tuple[Unable, ...]
    unable_words: str
    are_cheaper: bool
    is_estimated: bool = True
    caution: str = ""

    @property
    def chosen(self) -> Row | None:
        """The free machine that is chosen."""
        return next((row for row in self.free if row.is_chosen), None)

    @property
    def waited_for(self) -> tuple[Row, ...]:
        """The sold-out ones that are ticked."""
        return tuple(row for row in self.sold_out if row.is_chosen)


def table(
    found: Sequence[OfferForecast], *, chosen: Place | None, waited_for: Collection[Place]
) -> Table:
    """Return the table of these forecasts, which come by their total.

    Without a choice that is still free, the first that fits is chosen.
    """
    able = [each for each in found if each.can_run]
    free = [each for each in able if each.offer.available]
    sold_out = [each for each in able if not each.offer.available]
    cheaper = [each for each in sold_out if free and _likely(each) < _least(free)]
    shown_sold_out = cheaper if free else sold_out
    picked = _picked(free, chosen)
    unable = _unable(found, dearer=[e for e in sold_out if e not in shown_sold_out])
    return Table(
        free=tuple(
            _row(number, each, is_chosen=each is picked, note=_note(each, free))
            for number, each in enumerate(free, start=1)
        ),
        sold_out=tuple(
            _row(
                number,
                each,
                is_chosen=any(place_of(each.offer).is_same(place) for place in waited_for),
                note="Sold out now",
            )
            for number, each in enumerate(shown_sold_out, start=1)
        ),
        unable=unable,
        unable_words=_unable_words(unable),
        are_cheaper=bool(free),
        is_estimated=any(each.need is not None for each in found),
        caution=_caution(found),
    )


def _caution(found: Sequence[OfferForecast]) -> str:
    if any(forecasts.STAND_IN in each.reasons for each in found):
        return f"{forecasts.STAND_IN}, so times and totals are wide."
    return ""


def place_of(offer: Offer) -> Place:
    """Return where an offer is; a sold-out type has no region and may come up in any."""
    return Place(offer.platform, offer.instance_type, offer.region or AUTO, offer.hourly_price_usd)


def gpu_words(offer: Offer) -> str:
    """Return 1x H100 PCIe, with a sign for "times"."""
    card = cards.card_of(offer.gpu_name, offer.description)
    name = card.name if card else offer.gpu_name or offer.instance_type
    return f"{offer.gpu_count}{TIMES} {name}"


def where_words(offer: Offer) -> str:
    """Return Lambda, Virginia; the cloud alone for what is sold out everywhere."""
    cloud = clouds.capabilities(offer.platform).label
    place = offer.region_description.split(",")[0] or offer.region
    return f"{cloud}, {place}" if place else f"{cloud}, any region"


def continent(region: str) -> str:
    """Return the part of the world that a region's name begins with, "" for an unknown one."""
    return CONTINENTS.get(region.split("-")[0].lower(), "")


def memory_bar(forecast: OfferForecast) -> Bar | None:
    """Return the bar of need against usable memory; None where either is not known."""
    offer, need = forecast.offer, forecast.need
    if need is None or offer.vram_gib is None:
        return None
    share = 100 * need.total / estimate.usable_bytes(offer.vram_gib)
    tones: dict[Verdict, str] = {estimate.FITS: "done", estimate.DOES_NOT_FIT: "bad"}
    tone = tones.get(estimate.memory_verdict(need, vram_gib=offer.vram_gib), "warn")
    if not offer.available and tone == "done":
        tone = "quiet"
    text = f"{need.gib:.1f} of {offer.vram_gib} GB"
    return Bar(min(100.0, round(share, 1)), tone, text, f"needs {text} of memory")


def _row(number: int, forecast: OfferForecast, *, is_chosen: bool, note: str) -> Row:
    offer = forecast.offer
    word, tone, icon = WORDS[forecast.verdict]
    part = continent(offer.region)
    return Row(
        number=number,
        place=place_of(offer),
        gpu=gpu_words(offer),
        where=where_words(offer),
        region=" · ".join(word for word in (offer.region, part) if word),
        bar=memory_bar(forecast),
        vram=f"{offer.vram_gib} GB" if offer.vram_gib else "not told",
        hourly=usd_exact(offer.hourly_price_usd),
        time=range_words.time(forecast.seconds),
        total=range_words.money(forecast.cost_usd),
        verdict=word,
        tone=tone,
        icon=icon,
        note=note,
        is_chosen=is_chosen,
        forecast=forecast,
    )


def _note(forecast: OfferForecast, free: Sequence[OfferForecast]) -> str:
    """Return the second line of the verdict: the weightiest reason, or that it is the cheapest."""
    fitting = next((each for each in free if each.verdict == estimate.FITS), None)
    if fitting is None and forecast.need is None and forecast is free[0]:
        return "Cheapest hour"
    if forecast is fitting:
        return "Cheapest that fits" if forecast is not free[0] else "Cheapest free"
    if forecast.need is None or forecast.verdict == estimate.FITS:
        return ""
    return next(iter(forecast.reasons), "")


def _picked(free: Sequence[OfferForecast], chosen: Place | None) -> OfferForecast | None:
    """Return the chosen one, another region of its type, or the first that fits."""
    for each in free:
        if place_of(each.offer).is_same(chosen):
            return each
    for each in free:
        if place_of(each.offer).is_same_kind(chosen):
            return each
    return next((each for each in free if each.verdict == estimate.FITS), free[0] if free else None)


def _likely(forecast: OfferForecast) -> Decimal:
    return forecast.likely_usd or forecast.offer.hourly_price_usd


def _least(free: Iterable[OfferForecast]) -> Decimal:
    """Return the total of the cheapest that fits, or of the cheapest if none does."""
    fitting = [_likely(each) for each in free if each.verdict == estimate.FITS]
    return min(fitting or [_likely(each) for each in free])


def _unable(
    found: Sequence[OfferForecast], *, dearer: Sequence[OfferForecast]
) -> tuple[Unable, ...]:
    """Return one line a type: what cannot run, then what is sold out and would cost more."""
    lines: dict[tuple[str, str], Unable] = {}
    for each in found:
        name = (each.offer.platform, each.offer.instance_type)
        if not each.can_run and name not in lines:
            lines[name] = _unable_line(each, each.reasons[0] if each.reasons else "")
    for each in dearer:
        reason = "Sold out, and dearer than what is free"
        name = (each.offer.platform, each.offer.instance_type)
        lines.setdefault(name, _unable_line(each, reason, word="Sold out"))
    return tuple(lines.values())


def _unable_line(forecast: OfferForecast, reason: str, *, word: str = "") -> Unable:
    offer = forecast.offer
    return Unable(
        gpu=gpu_words(offer),
        instance_type=offer.instance_type,
        hourly=usd_exact(offer.hourly_price_usd),
        verdict=word or WORDS[forecast.verdict][0],
        reason=reason,
        cures=tuple(_cure(remedy, offer) for remedy in forecast.remedies),
    )


def _cure(remedy: Remedy, offer: Offer) -> Cure:
    title = (
        remedy.title if remedy.offer == offer else f"{remedy.title}, {where_words(remedy.offer)}"
    )
    return Cure(title, range_words.money(remedy.cost_usd))


def _unable_words(unable: Sequence[Unable]) -> str:
    """Return "5 cannot be chosen: 2x A100 (...), GH200 (...) and 3 more"."""
    if not unable:
        return ""
    named = [f"{each.gpu} ({_lower(each.reason)})" for each in unable[:NAMED]]
    more = len(unable) - len(named)
    words = " and ".join(named) if not more else f"{', '.join(named)} and {more} more"
    return f"{len(unable)} cannot be chosen: {words}"


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def twice_the_high(forecast: OfferForecast | None) -> Decimal | None:
    """Return twice the high estimate; None while there is none."""
    return None if forecast is None or forecast.cost_usd is None else 2 * forecast.cost_usd.high


def limit_words(limit: Decimal, free: Sequence[Row], chosen: Row | None) -> str:
    """Return "The next free offer up to $1.30 (3 more now, at Lambda and RunPod)"."""
    rows = fallback_rows(limit, free, chosen)
    names = dict.fromkeys(clouds.capabilities(row.place.platform).label for row in rows)
    where = f", at {' and '.join(names)}" if len(names) > 1 else ""
    return f"The next free offer up to {usd(limit)} ({len(rows)} more now{where})"


def fallback_rows(limit: Decimal, free: Sequence[Row], chosen: Row | None) -> tuple[Row, ...]:
    """Return the free offers, other than the chosen one, whose total is likely below a limit.

    Machines with another number of GPUs are none: nobody has tried several.
    """
    cards_ = chosen.forecast.offer.gpu_count if chosen else 1
    return tuple(
        row
        for row in free
        if row is not chosen
        and row.forecast.offer.gpu_count == cards_
        and row.forecast.cost_usd is not None
        and row.forecast.cost_usd.high <= limit
    )
