"""Which offers a request allows, and up to which hourly price (pure)."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal

from core.errors import InvalidInputError
from deployments.providers.base import Offer

AUTO = "auto"


@dataclass(frozen=True)
class Quote:
    """The offer a user sees, and the price above which nothing is launched for them (F5, F13)."""

    offer: Offer
    max_hourly_price_usd: Decimal


def allowed_offers(
    offers: Iterable[Offer], *, instance_type: str, region: str, max_hourly_price: Decimal | None
) -> list[Offer]:
    """Return the offers a request allows, free or not, cheapest first; "auto" allows any.

    Training uses one GPU, so a machine with several is never rented: the rest would idle, billed.
    """
    return sorted(
        (
            offer
            for offer in offers
            if offer.gpu_count == 1
            and instance_type in (AUTO, offer.instance_type)
            and region in (AUTO, offer.region)
            and (max_hourly_price is None or offer.hourly_price_usd <= max_hourly_price)
        ),
        key=lambda offer: (offer.hourly_price_usd, offer.instance_type, offer.region),
    )


def choose(
    offers: list[Offer],
    *,
    instance_type: str,
    region: str,
    max_hourly_price: Decimal | None,
) -> Quote:
    """Return the cheapest allowed offer, a free one before a sold-out one.

    Clouds list a type only where it is free, so a type may be asked for in any region that exists:
    it is then waited for. Without a limit of the user's own, the price seen now is the limit:
    Slipway never moves to a dearer type by itself.
    Raises: InvalidInputError naming what no offer matches.
    """
    _check_type(offers, instance_type=instance_type)
    _check_region(offers, region=region)
    anywhere = allowed_offers(
        offers, instance_type=instance_type, region=AUTO, max_hourly_price=max_hourly_price
    )
    if not anywhere:
        raise _too_dear(offers, instance_type=instance_type, limit=max_hourly_price)
    free = [o for o in anywhere if o.available and region in (AUTO, o.region)]
    offer = free[0] if free else replace(anywhere[0], region=region, available=False)
    return Quote(offer=offer, max_hourly_price_usd=max_hourly_price or offer.hourly_price_usd)


def _check_type(offers: list[Offer], *, instance_type: str) -> None:
    matching = [offer for offer in offers if offer.instance_type == instance_type]
    if instance_type != AUTO and not matching:
        known = sorted({offer.instance_type for offer in offers if offer.gpu_count == 1})
        raise InvalidInputError(
            f"The cloud offers no machine named {instance_type}.",
            remedy=f"Choose {AUTO} or one of: {', '.join(known)}.",
            param="instance_type",
        )
    if matching and matching[0].gpu_count != 1:
        raise InvalidInputError(
            f"{instance_type} has {matching[0].gpu_count} GPUs; this version trains on one.",
            remedy="Choose a type with one GPU: the others would idle and still bill.",
            param="instance_type",
        )


def _check_region(offers: list[Offer], *, region: str) -> None:
    known = sorted({offer.region for offer in offers if offer.region})
    if region != AUTO and region not in known:
        raise InvalidInputError(
            f"No machine of any type is free in {region}, or there is no such region.",
            remedy=f"Choose {AUTO} or one of: {', '.join(known) or 'no region is free now'}.",
            param="region",
        )


def _too_dear(
    offers: list[Offer], *, instance_type: str, limit: Decimal | None
) -> InvalidInputError:
    dearer = allowed_offers(offers, instance_type=instance_type, region=AUTO, max_hourly_price=None)
    if not dearer:
        return InvalidInputError(
            "The cloud offers no machine with one GPU now.",
            remedy="Try again later.",
            code="E_CAPACITY",
        )
    return InvalidInputError(
        f"Nothing is offered at {limit} USD an hour or less.",
        remedy=f"The cheapest is {dearer[0].instance_type} at {dearer[0].hourly_price_usd:.2f}.",
        param="max_hourly_price",
    )
