"""Asking a cloud for what does not exist, once nothing of the proof lives any more."""

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

from core.installation import installation_id
from deployments import costs
from deployments.management.proof.report import Fact
from deployments.models import Machine
from deployments.providers.base import InstanceStatus, Offer, Provider, ProviderError
from deployments.providers.probes import Probes, Refusal
from deployments.remote import generate_key_pair
from deployments.snapshot import watched_machines
from secrets_vault.models import VaultEntry

TOPIC = "refusals"
# A launch that is not refused is ended at once; this much of it must be affordable beforehand.
MISTAKE_SECONDS = 600
PAUSE_SECONDS = 2.0


@dataclass(frozen=True)
class Asking:
    """What is needed to ask: the account, the machine that was rented, and the money left."""

    entry: VaultEntry
    provider: Provider
    probes: Probes
    offer: Offer | None
    ssh_key_name: str
    usd_left: Decimal
    provoke_rate_limit: bool


def ask(asking: Asking) -> Iterator[Fact]:
    """Tell how each impossible request is refused; a probe that is not answered is told too."""
    for what, questions in (
        ("reads", _reads),
        ("SSH key", _key_name),
        ("launches", _launches),
        ("rate limit", _rate_limit),
    ):
        try:
            yield from questions(asking)
        except ProviderError as error:
            yield Fact(TOPIC, what, f"not answered: {error.message}")


def _reads(asking: Asking) -> Iterator[Fact]:
    for refusal in asking.probes.refused_reads():
        yield Fact(TOPIC, refusal.asked, refusal.answer)


def _key_name(asking: Asking) -> Iterator[Fact]:
    other = generate_key_pair("slipway-proof").public_key
    refusal = asking.probes.refused_key_name(asking.ssh_key_name, other)
    yield Fact(TOPIC, refusal.asked, refusal.answer)


def _launches(asking: Asking) -> Iterator[Fact]:
    offer = asking.offer
    if offer is None or asking.usd_left < _price_of_a_mistake(offer):
        yield Fact(TOPIC, "launches", "not asked: too little is left of the limit")
        return
    for refusal in asking.probes.refused_launches(
        # Our prefix: should we be killed now, the sweeps end it (F69).
        name=f"{installation_id()}-proof-{secrets.token_hex(4)}",
        instance_type=offer.instance_type,
        region=offer.region,
        ssh_key_name=asking.ssh_key_name,
    ):
        yield Fact(TOPIC, refusal.asked, _settled(asking.provider, refusal))
        if refusal.launched_ids:
            return


def _settled(provider: Provider, refusal: Refusal) -> str:
    if not refusal.launched_ids:
        return refusal.answer
    end(provider, refusal.launched_ids)
    return f"{refusal.answer}: NOT refused; the machine was ended and proven gone"


def end(provider: Provider, instance_ids: Sequence[str]) -> None:
    """End machines that no row knows; returns when two good lists show none of them (D3)."""
    absent_since: float | None = None
    while True:
        try:
            if absent_since is None:
                for instance_id in instance_ids:
                    provider.terminate(instance_id)
            listed = {
                instance.instance_id
                for instance in provider.list_all()
                if instance.status != InstanceStatus.TERMINATED
            }
        except ProviderError:
            # I13: no knowledge; ask again.
            time.sleep(PAUSE_SECONDS)
            continue
        now = time.monotonic()
        if listed & set(instance_ids):
            absent_since = None
        elif absent_since is None:
            absent_since = now
        elif now - absent_since >= settings.TIMING.proof_interval_seconds:
            return
        time.sleep(min(PAUSE_SECONDS, settings.TIMING.poll_seconds))


def _rate_limit(asking: Asking) -> Iterator[Fact]:
    living: list[Machine] = list(watched_machines(asking.entry.pk))
    if not asking.provoke_rate_limit:
        value = "not provoked (--provoke-rate-limit)"
    elif living:
        # An account that is slowed down could not end its machines.
        value = "not provoked: machines live under this key"
    else:
        value = asking.probes.burst()
    yield Fact("rate limit", "asked without a pause", value)


def _price_of_a_mistake(offer: Offer) -> Decimal:
    return costs.rent(offer.hourly_price_usd, seconds=MISTAKE_SECONDS, quantum_seconds=60)
