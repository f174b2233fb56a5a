"""What a deployment may rent now: the offers of its clouds, asked live, the best allowed first."""

from collections.abc import Iterable
from datetime import timedelta
from decimal import Decimal
from uuid import UUID

from core.errors import SlipwayError
from core.time import database_now
from deployments import clouds, quotes
from deployments.lifecycle import refusals
from deployments.models import CloudSnapshot, Deployment
from deployments.models.deployments import LaunchState
from deployments.providers.base import Offer, ProviderError
from deployments.quotes import Wish
from secrets_vault.models import VaultEntry

# For so long a cloud that did not answer is not waited for where another one may be rented at.
SILENT_FOR = timedelta(seconds=60)


def key_for(deployment: Deployment, offer: Offer) -> VaultEntry:
    """Return the key under which this deployment rents what is offered."""
    wanted = refusals.seller(offer.platform, offer.instance_type)
    return next(key for key in _keys(deployment) if _seller(key) == wanted)


def live_offers(deployment: Deployment) -> list[Offer]:
    """Ask the clouds of a deployment; one that fails does not hide another's offers.

    Raises: ProviderError when none of them answers; one that may pass goes before one that stays.
    """
    closed = refusals.closed(deployment.machines.all())
    silent = _silent()
    keys = [key for key in _keys(deployment) if _seller(key) not in closed]
    keys.sort(key=lambda key: key.pk in silent)
    offers: list[Offer] = []
    failures: list[SlipwayError] = []
    answered = False
    for key in keys:
        if answered and key.pk in silent:
            continue
        try:
            offers += clouds.provider_for(key).offers()
            answered = True
        # A key that does not open (F80) must not hide the other cloud either.
        except SlipwayError as error:
            note_silent(key)
            failures.append(error)
    if failures and not answered:
        raise next((error for error in failures if _may_pass(error)), failures[0])
    return offers


def _may_pass(error: SlipwayError) -> bool:
    return not isinstance(error, ProviderError) or error.retryable


def note_silent(key: VaultEntry) -> None:
    """Remember that the cloud did not answer; it costs the time of a launch each time."""
    until = database_now() + SILENT_FOR
    CloudSnapshot.objects.update_or_create(vault_entry=key, defaults={"passed_by_until": until})


def allowed(deployment: Deployment, offers: Iterable[Offer]) -> list[Offer]:
    """Return the free offers that were agreed to and not refused in this round, best first."""
    d = deployment
    refused = set(
        d.machines.filter(
            launch_state=LaunchState.REFUSED,
            requested_at__gte=d.round_started_at or d.created_at,
            refusal__reason=refusals.CAPACITY,
        ).values_list("platform", "instance_type", "region")
    )
    # F26: after a bad machine, other regions and clouds come first.
    bad_places = set(d.machines.filter(fault__isnull=False).values_list("platform", "region"))
    free = (offer for offer in offers if offer.available)
    ranked = quotes.allowed_offers(free, wishes(d), avoided=bad_places)
    return [o for o in ranked if (o.platform, o.instance_type, o.region) not in refused]


def wishes(deployment: Deployment) -> list[Wish]:
    """Return the kinds of machine that were agreed to, at the prices of that moment (F13)."""
    asked = deployment.config
    return [
        Wish(
            str(asked.get("instance_type", quotes.AUTO)),
            str(asked.get("region", quotes.AUTO)),
            deployment.max_hourly_price,
            deployment.platform,
        ),
        *(
            Wish(
                each["instance_type"],
                each["region"],
                Decimal(each["max_hourly_price"]),
                each["platform"],
            )
            for each in asked.get("fallbacks", ())
        ),
    ]


def _keys(deployment: Deployment) -> list[VaultEntry]:
    return [deployment.vault_entry, *deployment.other_keys.order_by("provider", "name")]


def _seller(key: VaultEntry) -> refusals.Seller:
    return refusals.seller(key.provider, key.name)


def _silent() -> frozenset[UUID]:
    rows = CloudSnapshot.objects.filter(passed_by_until__gt=database_now())
    return frozenset(rows.values_list("vault_entry", flat=True))
