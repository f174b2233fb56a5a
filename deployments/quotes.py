"""Which offers a request allows, in which order and up to which hourly price (pure)."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from core.errors import InvalidInputError
from deployments.providers.base import Offer

AUTO = "auto"


@dataclass(frozen=True)
class Wish:
    """A kind of machine that a user accepts, at which cloud, and the most it may cost an hour."""

    instance_type: str = AUTO
    region: str = AUTO
    max_hourly_price_usd: Decimal | None = None
    platform: str = AUTO

    def allows(self, offer: Offer) -> bool:
        """Say whether the offer is of this kind.

        A machine with several GPUs is taken by its name alone: training on them was proven with
        processes on a CPU, not on GPUs.
        """
        limit = self.max_hourly_price_usd
        return (
            (offer.gpu_count == 1 or self.instance_type == offer.instance_type)
            and self.platform in (AUTO, offer.platform)
            and self.instance_type in (AUTO, offer.instance_type)
            and self.region in (AUTO, offer.region)
            and (limit is None or offer.hourly_price_usd <= limit)
        )


@dataclass(frozen=True)
class Quote:
    """The offer a user sees, and the price above which nothing is launched for them (F5, F13)."""

    offer: Offer
    max_hourly_price_usd: Decimal


def place_of(offer: Offer) -> tuple[str, str]:
    """Return the cloud and the region: two clouds may call theirs the same."""
    return offer.platform, offer.region


def allowed_offers(
    offers: Iterable[Offer],
    wishes: Sequence[Wish],
    *,
    avoided: Collection[tuple[str, str]] = (),
) -> list[Offer]:
    """Return the offers that a request allows, free or not, each once.

    In the order of the wishes, since a fallback is for when the wish before it is refused; within
    a wish the cheapest comes first. Before all come those outside the ``avoided`` places that cost
    no more than what would be first (F26): a bad machine is no consent to a dearer one.
    """
    cheapest_first = sorted(
        offers,
        key=lambda offer: (
            offer.hourly_price_usd,
            offer.instance_type,
            offer.region,
            offer.platform,
        ),
    )
    allowed: dict[Offer, None] = {}
    for wish in wishes:
        allowed.update(dict.fromkeys(offer for offer in cheapest_first if wish.allows(offer)))
    first = next(iter(allowed), None)
    if first is None or place_of(first) not in avoided:
        return list(allowed)
    elsewhere = [
        offer
        for offer in allowed
        if place_of(offer) not in avoided and offer.hourly_price_usd <= first.hourly_price_usd
    ]
    return list(dict.fromkeys([*elsewhere, *allowed]))


def choose(offers: list[Offer], wish: Wish) -> Quote:
    """Return the cheapest offer of a kind, a free one before a sold-out one.

    Clouds list a type only where it is free, so a type may be asked for in any region that exists:
    it is then waited for. Without a limit of the user's own, the price seen now is the limit:
    Slipway never moves to a dearer type by itself.
    Raises: InvalidInputError naming what no offer matches.
    """
    offers = [offer for offer in offers if wish.platform in (AUTO, offer.platform)]
    _check_type(offers, instance_type=wish.instance_type)
    _check_region(offers, region=wish.region)
    anywhere = allowed_offers(offers, [replace(wish, region=AUTO)])
    if not anywhere:
        raise _too_dear(offers, wish)
    free = [o for o in anywhere if o.available and wish.region in (AUTO, o.region)]
    offer = free[0] if free else replace(anywhere[0], region=wish.region, available=False)
    limit = wish.max_hourly_price_usd or offer.hourly_price_usd
    return Quote(offer=offer, max_hourly_price_usd=limit)


def _check_type(offers: list[Offer], *, instance_type: str) -> None:
    matching = [offer for offer in offers if offer.instance_type == instance_type]
    if instance_type != AUTO and not matching:
        known = sorted({offer.instance_type for offer in offers})
        raise InvalidInputError(
            f"The cloud offers no machine named {instance_type}.",
            remedy=f"Choose {AUTO} or one of: {', '.join(known)}.",
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


def _too_dear(offers: list[Offer], wish: Wish) -> InvalidInputError:
    dearer = allowed_offers(offers, [Wish(wish.instance_type)])
    if not dearer:
        return InvalidInputError(
            "The cloud offers no machine with one GPU now.",
            remedy="Try again later.",
            code="E_CAPACITY",
        )
    return InvalidInputError(
        f"Nothing is offered at {wish.max_hourly_price_usd} USD an hour or less.",
        remedy=f"The cheapest is {dearer[0].instance_type} at {dearer[0].hourly_price_usd:.2f}.",
        param="max_hourly_price",
    )
