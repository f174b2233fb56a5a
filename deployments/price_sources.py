"""Where the compared prices are from: each cloud's own catalogue, and when it was asked."""

from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from django.contrib.auth.models import User

from deployments import catalogue, clouds, prices
from deployments.prices import CardPrices
from deployments.providers import PROVIDERS, rented


@dataclass(frozen=True)
class Source:
    """One cloud: ``as_of`` is None where the user has no key, or it did not answer."""

    platform: str
    label: str
    address: str
    has_key: bool
    as_of: datetime | None


@dataclass(frozen=True)
class Comparison:
    """All cards, the clouds they are compared at, and where the figures are from."""

    rows: tuple[CardPrices, ...]
    platforms: tuple[str, ...]
    sources: tuple[Source, ...]
    as_of: datetime
    silent: tuple[str, ...]


def compare(user: User) -> Comparison:
    """Compare what the clouds offer under the user's keys; what was read a moment ago serves.

    Raises: what ``catalogue.live_offers`` does.
    """
    found = catalogue.recent_offers(user)
    rows = prices.by_card(found.offers)
    keys = {entry.provider for entry in catalogue.cloud_keys(user)}
    answered = {offer.platform for offer in found.offers}
    return Comparison(
        rows=rows,
        platforms=tuple(prices.clouds_in(rows)),
        sources=tuple(
            Source(
                platform=name,
                label=PROVIDERS[name].capabilities.label,
                address=urlsplit(clouds.endpoint(name).base_url).netloc,
                has_key=name in keys,
                as_of=found.as_of if name in answered else None,
            )
            for name in rented()
        ),
        as_of=found.as_of,
        silent=found.silent,
    )
