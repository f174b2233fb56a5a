"""Which machine a request gets: the one it names, or for "auto" what will likely cost least.

Pure: offers of all allowed clouds with their forecasts in, a choice out.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from core.errors import InvalidInputError
from deployments import clouds, estimate, forecasts, quotes
from deployments.costs import cents_up
from deployments.forecasts import OfferForecast
from deployments.providers.base import Offer
from deployments.quotes import AUTO, Quote, Wish

# A total of so much is no likely one, and no column holds it: a run without an end, by the budget.
MOST_LIKELY_USD = Decimal(10) ** 8


@dataclass(frozen=True)
class Choice:
    """What is rented and why. ``alternatives`` may be rented instead, at no higher hourly price.

    Each names its cloud. ``reason`` is "" for a machine that was named; ``likely_usd`` is None
    where it is not known.
    """

    wish: Wish
    quote: Quote
    alternatives: tuple[Wish, ...] = ()
    likely_usd: Decimal | None = None
    reason: str = ""


def choose(wish: Wish, found: Sequence[OfferForecast]) -> Choice:
    """Return what to rent for a wish among offers of one cloud or of several.

    "auto" takes the cheapest likely total among the offers that fit, free ones first; while the
    model's size is not known, the cheapest by the hour. What else fits, and costs no more by the
    hour, may be taken instead, in the order of the likely totals; ``found`` comes in that order.
    Raises: InvalidInputError naming what no offer matches, or E_OOM where nothing fits.
    """
    offers = [each.offer for each in found]
    quote = quotes.choose(offers, wish)
    if wish.instance_type != AUTO or all(each.need is None for each in found):
        return _by_the_hour(wish, quote, found)
    return _auto(wish, offers, _allowed(found, wish))


def _by_the_hour(wish: Wish, quote: Quote, found: Sequence[OfferForecast]) -> Choice:
    """Take what was named, or the cheapest hour; the same at other clouds may be taken instead."""
    chosen, limit = _at(wish, quote.offer), quote.max_hourly_price_usd
    capped = replace(wish, max_hourly_price_usd=limit)
    allowed = quotes.allowed_offers([each.offer for each in found], [capped])
    others = dict.fromkeys(_at(capped, offer) for offer in allowed)
    others.pop(replace(chosen, max_hourly_price_usd=limit), None)
    return Choice(
        chosen,
        quote,
        alternatives=tuple(others),
        likely_usd=_likely(found, quote.offer),
    )


def _at(wish: Wish, offer: Offer) -> Wish:
    """Return the wish at the offer's cloud; a machine of the user's own is named."""
    is_own = clouds.capabilities(offer.platform).is_own
    name = offer.instance_type if is_own else wish.instance_type
    return replace(wish, platform=offer.platform, instance_type=name)


def _auto(wish: Wish, offers: list[Offer], allowed: Sequence[OfferForecast]) -> Choice:
    free = [each for each in allowed if each.offer.available]
    best = forecasts.cheapest_that_fits(free) or forecasts.cheapest_that_fits(allowed)
    if best is None:
        raise _nothing_fits(allowed)
    chosen = replace(wish, platform=best.offer.platform, instance_type=best.offer.instance_type)
    quote = quotes.choose(offers, chosen)
    return Choice(
        chosen,
        quote,
        alternatives=_alternatives(chosen, allowed, limit=quote.max_hourly_price_usd),
        likely_usd=_kept(best.likely_usd),
        reason=_reason(best, allowed),
    )


def _allowed(found: Sequence[OfferForecast], wish: Wish) -> list[OfferForecast]:
    """Return what the wish allows; a sold-out type has no region and may be waited for in any."""
    anywhere = replace(wish, region=AUTO)
    return [
        each
        for each in found
        if (anywhere if not each.offer.available else wish).allows(each.offer)
    ]


def _alternatives(
    chosen: Wish, allowed: Sequence[OfferForecast], *, limit: Decimal
) -> tuple[Wish, ...]:
    kinds = dict.fromkeys(
        _kind(each.offer)
        for each in allowed
        if each.verdict in (estimate.FITS, estimate.TIGHT)
        and each.offer.hourly_price_usd <= limit
        # Another cloud's type that is sold out may never come up in a region of that name.
        and (each.offer.platform == chosen.platform or chosen.region in (AUTO, each.offer.region))
    )
    return tuple(
        replace(chosen, platform=platform, instance_type=name, max_hourly_price_usd=limit)
        for platform, name in kinds
        if (platform, name) != (chosen.platform, chosen.instance_type)
    )


def _kind(offer: Offer) -> tuple[str, str]:
    return offer.platform, offer.instance_type


def _reason(best: OfferForecast, allowed: Sequence[OfferForecast]) -> str:
    fitting = {_kind(each.offer) for each in allowed if each.can_run}
    total = best.cost_usd
    likely = f", likely {total.low} to {total.high} USD in all" if total else ""
    kinds = f"{len(fitting)} kinds" if len(fitting) != 1 else "the one kind"
    count = len({each.offer.platform for each in allowed})
    where = f" of {count} clouds" if count > 1 else ""
    return (
        f"Auto chose {best.offer.description} at {clouds.capabilities(best.offer.platform).label}: "
        f"the cheapest of {kinds}{where} that fit{likely}."
    )


def _likely(found: Sequence[OfferForecast], offer: Offer) -> Decimal | None:
    same = (each for each in found if _kind(each.offer) == _kind(offer))
    likely = next((each.likely_usd for each in same), None)
    return _kept(likely)


def _kept(likely: Decimal | None) -> Decimal | None:
    return None if likely is None or likely >= MOST_LIKELY_USD else cents_up(likely)


def _nothing_fits(allowed: Sequence[OfferForecast]) -> InvalidInputError:
    need = next((each.need for each in allowed if each.need is not None), None)
    largest = max((each.offer.vram_gib or 0 for each in allowed), default=0)
    needed = f"{need.gib:.1f} GB" if need else "more memory"
    remedies = dict.fromkeys(
        remedy.title for each in allowed for remedy in each.remedies if remedy.settings
    )
    return InvalidInputError(
        f"The run needs {needed} of GPU memory; the largest card on offer has {largest} GB.",
        remedy=f"Choose a smaller model{''.join(f', or: {title}' for title in remedies)}.",
        param="instance_type",
        code="E_OOM",
    )
