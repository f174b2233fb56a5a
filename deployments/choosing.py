"""Which machine a request gets: the one it names, or for "auto" what will likely cost least."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User

from core.errors import InvalidInputError
from datasets.models import Dataset
from deployments import estimate, forecasts, quotes
from deployments.costs import cents_up
from deployments.forecasts import OfferForecast
from deployments.providers.base import Offer
from deployments.quotes import AUTO, Quote, Wish

# A total of so much is no likely one, and no column holds it: a run without an end, by the budget.
MOST_LIKELY_USD = Decimal(10) ** 8


@dataclass(frozen=True)
class Choice:
    """What is rented and why. ``alternatives`` may be rented instead, at no higher hourly price.

    ``reason`` is "" for a machine that was named; ``likely_usd`` is None where it is not known.
    """

    wish: Wish
    quote: Quote
    alternatives: tuple[Wish, ...] = ()
    likely_usd: Decimal | None = None
    reason: str = ""


def choose(
    user: User,
    wish: Wish,
    *,
    recipe: Mapping[str, Any],
    dataset: Dataset,
    offers: Sequence[Offer],
) -> Choice:
    """Return what to rent for a wish.

    "auto" takes the cheapest likely total among the offers that fit, free ones first; while the
    model's size is not known, the cheapest by the hour. What else fits, and costs no more by the
    hour, may be taken instead.
    Raises: InvalidInputError naming what no offer matches, or E_OOM where nothing fits.
    """
    quote = quotes.choose(list(offers), wish)
    found = forecasts.for_offers(user, recipe=recipe, dataset=dataset, offers=offers)
    if wish.instance_type != AUTO or all(each.need is None for each in found):
        return Choice(wish, quote, likely_usd=_likely(found, quote.offer))
    return _auto(wish, list(offers), _allowed(found, wish))


def _auto(wish: Wish, offers: list[Offer], allowed: Sequence[OfferForecast]) -> Choice:
    free = [each for each in allowed if each.offer.available]
    best = forecasts.cheapest_that_fits(free) or forecasts.cheapest_that_fits(allowed)
    if best is None:
        raise _nothing_fits(allowed)
    chosen = replace(wish, instance_type=best.offer.instance_type)
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
    types = dict.fromkeys(
        each.offer.instance_type
        for each in allowed
        if each.verdict in (estimate.FITS, estimate.TIGHT)
        and each.offer.hourly_price_usd <= limit
        and each.offer.instance_type != chosen.instance_type
    )
    return tuple(replace(chosen, instance_type=name, max_hourly_price_usd=limit) for name in types)


def _reason(best: OfferForecast, allowed: Sequence[OfferForecast]) -> str:
    fitting = {each.offer.instance_type for each in allowed if each.can_run}
    total = best.cost_usd
    likely = f", likely {total.low} to {total.high} USD in all" if total else ""
    kinds = f"{len(fitting)} kinds" if len(fitting) != 1 else "the one kind"
    return f"Auto chose {best.offer.description}: the cheapest of {kinds} that fit{likely}."


def _likely(found: Sequence[OfferForecast], offer: Offer) -> Decimal | None:
    same = (each for each in found if each.offer.instance_type == offer.instance_type)
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
