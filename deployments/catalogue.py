"""What can be rented now, asked live under the user's own keys."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.contrib.auth.models import User
from django.core.cache import cache

from core.errors import InvalidInputError, SlipwayError
from core.time import database_now
from deployments import clouds
from deployments.providers import PROVIDERS
from deployments.providers.base import Offer
from secrets_vault.models import VaultEntry
from secrets_vault.services import entries_for

RECENT_SECONDS = 30.0


@dataclass(frozen=True)
class Catalogue:
    """The offers of every cloud that answered, cheapest first, and when they held.

    ``silent`` says in words which clouds did not answer.
    """

    offers: tuple[Offer, ...]
    as_of: datetime
    silent: tuple[str, ...] = ()


def cloud_keys(user: User, *, platform: str | None = None) -> list[VaultEntry]:
    """Return the user's keys of all clouds, or of the named one, in the order of their names."""
    return entries_for(user, [platform] if platform else list(PROVIDERS))


def live_offers(user: User, *, platform: str | None = None) -> Catalogue:
    """Ask the named cloud, or each one the user has a key for.

    One cloud that fails does not hide the others.
    Raises: InvalidInputError for an unknown platform or a missing key; ProviderError when none
    that was asked accepts the key and answers.
    """
    if platform is not None:
        clouds.provider_class(platform)
    keys = cloud_keys(user, platform=platform)
    if not keys:
        raise InvalidInputError(
            "Your vault holds no key for this.",
            remedy="Add your API key of a cloud to the vault.",
            code="E_NO_KEY",
            param="platform",
        )
    return ask(keys)


def ask(keys: Sequence[VaultEntry], *, needed: Collection[str] = ()) -> Catalogue:
    """Ask the clouds of these keys; one that is not ``needed`` may fail while another answers.

    Of several machines of a user's own one that answers is enough.
    Raises: ProviderError when a needed one, or every one, does not accept the key and answer.
    """
    as_of = database_now()
    offers: list[Offer] = []
    failures: list[SlipwayError] = []
    missing: dict[str, SlipwayError] = {}
    answered: set[str] = set()
    for entry in keys:
        try:
            offers += clouds.provider_for(entry).offers()
            answered.add(entry.provider)
        except SlipwayError as error:
            missing.setdefault(entry.provider, error)
            failures.append(error)
    for name in needed:
        if name in missing and name not in answered:
            raise missing[name]
    if len(failures) == len(keys):
        raise failures[0]
    offers.sort(key=lambda offer: (offer.hourly_price_usd, offer.instance_type, offer.region))
    silent = tuple(f"{error.message} {error.remedy}".strip() for error in failures)
    return Catalogue(offers=tuple(offers), as_of=as_of, silent=silent)


def recent_offers(user: User, *, max_age_seconds: float = RECENT_SECONDS) -> Catalogue:
    """Return ``live_offers``, or what it answered a moment ago: for pages that are turned often.

    Raises what ``live_offers`` does. What is started asks the cloud itself.
    """
    keys = cloud_keys(user)
    name = "offers-" + "-".join(f"{key.pk.hex}.{key.fingerprint}" for key in keys)
    kept: Catalogue | None = cache.get(name)
    if kept is not None:
        age = (database_now() - kept.as_of).total_seconds()
        if 0 <= age < max_age_seconds:
            return kept
    found = live_offers(user)
    cache.set(name, found, timeout=max_age_seconds)
    return found


def matching(
    offers: Iterable[Offer],
    *,
    min_vram_gib: int | None = None,
    max_hourly_usd: Decimal | None = None,
    available: bool | None = None,
) -> list[Offer]:
    """Return the offers within these limits; memory is that of one card, unknown is too little."""
    return [
        offer
        for offer in offers
        if (min_vram_gib is None or (offer.vram_gib or 0) >= min_vram_gib)
        and (max_hourly_usd is None or offer.hourly_price_usd <= max_hourly_usd)
        and (available is None or offer.available == available)
    ]
