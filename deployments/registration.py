"""What the vault and the datasets must know of deployments; they never import this app."""

from collections.abc import Iterator
from functools import partial

from django.conf import settings
from django.db.models import Q, QuerySet

from core.errors import InvalidInputError
from core.time import database_now
from datasets.in_use import register_in_use
from datasets.models import Dataset
from deployments import clouds, own_hosts
from deployments.exports import hub
from deployments.models import CloudSnapshot, Deployment, Machine, Stray, TrainingConfig
from deployments.models.deployments import TERMINAL, may_rent_under
from deployments.pacer import DatabasePacer
from deployments.providers import PROVIDERS
from deployments.providers.base import ProviderError
from deployments.snapshot import watched_machines
from secrets_vault.kinds import CheckResult, Succession, register_kind
from secrets_vault.models import VaultEntry
from secrets_vault.redaction import scrub


def register() -> None:
    """Tell the apps below; called once by ``DeploymentsConfig.ready``."""
    for platform, provider in PROVIDERS.items():
        register_kind(
            platform,
            provider.capabilities.label,
            check=partial(check_key, platform),
            in_use_by=machines_under,
            succession=Succession(machines_shown_to, machines_missing, look_again),
            prepare=own_hosts.prepare if provider.capabilities.is_own else None,
        )
    register_kind(hub.PROVIDER, hub.LABEL, check=check_hub_token)
    register_in_use(uses_of_dataset)


def check_key(platform: str, secret: str) -> CheckResult:
    """Ask the cloud once whether it takes this key, and what credit the account has."""
    provider = clouds.provider_with_key(platform, secret)
    try:
        provider.check_key()
    except ProviderError as error:
        known = None if error.retryable else False
        return CheckResult(ok=known, message=error.message, remedy=error.remedy)
    balance = provider.balance_usd()
    told = "" if balance is None else f"The account's balance is ${balance:.2f}."
    return CheckResult(ok=True, message=told)


def check_hub_token(secret: str) -> CheckResult:
    """Ask the Hub once whose token this is."""
    try:
        name = hub.whoami(secret)
    except hub.HubError as error:
        known = None if error.retryable else False
        return CheckResult(ok=known, message=error.message, remedy=error.remedy)
    return CheckResult(ok=True, message=f"The Hub knows it as {name}.")


def machines_under(entry: VaultEntry) -> list[object]:
    """Return what would be out of our reach without this key (F55)."""
    machines: list[object] = [_told(machine) for machine in _machines(entry)]
    waiting = live_deployments().filter(may_rent_under(entry))
    return machines or [{"deployment_id": str(pk)} for pk in waiting.values_list("pk", flat=True)]


def machines_shown_to(entry: VaultEntry, secret: str) -> frozenset[str]:
    """Return the ids and names of all machines that the cloud shows to another key (F55).

    Raises: InvalidInputError when the cloud refuses the key, else ProviderError.
    """
    pacer = DatabasePacer(entry, timing=settings.TIMING)
    provider = clouds.provider_with_key(entry.provider, secret, pacer=pacer)
    try:
        instances = provider.list_all()
    except ProviderError as error:
        if error.retryable:
            raise
        raise InvalidInputError(
            scrub(error.message, [secret]),
            remedy=error.remedy,
            code="E_KEY_REFUSED",
            param="secret",
        ) from error
    return frozenset(text for each in instances for text in (each.instance_id, each.name))


def machines_missing(entry: VaultEntry, shown: frozenset[str]) -> list[object]:
    """Return what lives under an entry and is not among those ids and names; in a transaction.

    The deployments are locked until its end, so that none begins a launch meanwhile. Where one
    machine is shown, the account is the same, and a launch that is under way harms nothing.
    """
    live = live_deployments().filter(may_rent_under(entry)).select_for_update()
    now = database_now()
    at_work = [each.pk for each in live if each.lease_until is not None and each.lease_until > now]
    machines = list(_machines(entry))
    if not machines:
        return [{"deployment_id": str(pk)} for pk in at_work]
    return [_told(each) for each in machines if (each.instance_id or each.name) not in shown]


def look_again(entry: VaultEntry) -> None:
    """Have the account listed at once, now that there is a new key."""
    CloudSnapshot.objects.filter(vault_entry=entry).update(next_list_at=database_now())


def uses_of_dataset(dataset: Dataset) -> list[object]:
    """Return the configs and runs that still need the data (F7, I14)."""
    measured = str(dataset.pk)
    needed = Q(job__dataset=dataset) | Q(job__config__eval__dataset_id=measured)
    runs = live_deployments().filter(needed).values_list("pk", "name")
    needed = Q(dataset=dataset) | Q(eval__dataset_id=measured)
    configs = TrainingConfig.objects.filter(needed).values_list("pk", "name")
    return [
        *({"deployment_id": str(pk), "name": name} for pk, name in runs),
        *({"training_config_id": str(pk), "name": name} for pk, name in configs),
    ]


def live_deployments() -> QuerySet[Deployment]:
    """Return the deployments that are not over."""
    return Deployment.objects.exclude(status__in=TERMINAL)


def _machines(entry: VaultEntry) -> Iterator[Machine | Stray]:
    yield from watched_machines(entry.pk)
    yield from entry.strays.filter(gone_at__isnull=True)


def _told(machine: Machine | Stray) -> dict[str, str]:
    told = {"machine": machine.name, "instance_id": machine.instance_id}
    return told | {"region": machine.region} if isinstance(machine, Machine) else told
