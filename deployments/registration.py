"""What the vault and the datasets must know of deployments; they never import this app."""

from functools import partial

from django.db.models import QuerySet

from datasets.in_use import register_in_use
from datasets.models import Dataset
from deployments import clouds
from deployments.models import Deployment
from deployments.models.deployments import TERMINAL
from deployments.providers import PROVIDERS
from deployments.providers.base import ProviderError
from deployments.snapshot import watched_machines
from secrets_vault.kinds import CheckResult, register_kind
from secrets_vault.models import VaultEntry


def register() -> None:
    """Tell the apps below; called once by ``DeploymentsConfig.ready``."""
    for platform, provider in PROVIDERS.items():
        register_kind(
            platform,
            provider.capabilities.label,
            check=partial(check_key, platform),
            in_use_by=machines_under,
        )
    register_in_use(uses_of_dataset)


def check_key(platform: str, secret: str) -> CheckResult:
    """Ask the cloud once whether it takes this key."""
    try:
        clouds.provider_with_key(platform, secret).check_key()
    except ProviderError as error:
        known = None if error.retryable else False
        return CheckResult(ok=known, message=error.message, remedy=error.remedy)
    return CheckResult(ok=True)


def machines_under(entry: VaultEntry) -> list[object]:
    """Return what would be out of our reach without this key (F55)."""
    machines: list[object] = [
        {"machine": machine.name, "region": machine.region, "instance_id": machine.instance_id}
        for machine in watched_machines(entry.pk)
    ]
    strays = entry.strays.filter(gone_at__isnull=True)
    machines += [{"machine": each.name, "instance_id": each.instance_id} for each in strays]
    waiting = live_deployments().filter(vault_entry=entry)
    return machines or [{"deployment_id": str(pk)} for pk in waiting.values_list("pk", flat=True)]


def uses_of_dataset(dataset: Dataset) -> list[object]:
    """Return the configs and runs that still need the data (F7, I14)."""
    runs = live_deployments().filter(job__dataset=dataset).values_list("pk", "name")
    configs = dataset.training_configs.values_list("pk", "name")
    return [
        *({"deployment_id": str(pk), "name": name} for pk, name in runs),
        *({"training_config_id": str(pk), "name": name} for pk, name in configs),
    ]


def live_deployments() -> QuerySet[Deployment]:
    """Return the deployments that are not over."""
    return Deployment.objects.exclude(status__in=TERMINAL)
