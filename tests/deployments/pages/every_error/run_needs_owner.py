"""Runs that need their owner: what goes wrong is not over, and a machine may bill meanwhile."""

import shutil
from collections import namedtuple
from dataclasses import replace
from datetime import datetime
from decimal import Decimal

from deployments.models import Deployment
from deployments.models.deployments import Status
from deployments.providers.base import (
    ProviderAuthError,
    ProviderBusyError,
    ProviderRateLimitedError,
    ProviderUnavailableError,
)
from deployments.remote import RemoteError, RemoteFileMissingError, Result
from secrets_vault import sealing
from secrets_vault.models import VaultEntry
from tests.deployments.pages.every_error.run_ends import deploy, on_a_machine
from tests.deployments.pages.every_error.stage import FAST, HOSTILE, Provoke, Row, Shown, Stage
from tests.deployments.virtual import remote
from tests.deployments.virtual.agent import Agent, Plan

PLACE = "run, needs its owner"
FOREVER = Plan(exit_at=10_000)
DiskUsage = namedtuple("DiskUsage", ["total", "used", "free"])


class Altered(Agent):
    """An agent whose adapter is other bytes than its manifest tells."""

    def files(self, now: datetime) -> dict[str, bytes]:
        made = super().files(now)
        return {path: made[path][::-1] if "safetensors" in path else made[path] for path in made}


def needs_owner(stage: Stage, run: Deployment) -> Shown:
    """Live on until the run asks for its owner, in short steps."""
    stage.settings.TIMING = replace(FAST, poll_seconds=5, ssh_retry_seconds=5)
    return stage.page_of(stage.world.until(run, lambda found: bool(found.attention)))


def cloud_answers(error: Exception) -> Provoke:
    """Let the cloud answer every question for its offers so."""

    def provoke(stage: Stage) -> Shown:
        run = deploy(stage, wait_for_capacity_minutes=30)
        stage.always("offers", error)
        return needs_owner(stage, run)

    return provoke


def ssh_meets(error: Exception) -> Provoke:
    """Let every step over SSH fail while the machine is being prepared."""

    def provoke(stage: Stage) -> Shown:
        run, *_ = on_a_machine(stage, FOREVER, Status.PREPARING)
        stage.always("ssh", error)
        return needs_owner(stage, run)

    return provoke


def agent_does_not_start(stage: Stage) -> Shown:
    run, *_ = on_a_machine(stage, FOREVER, Status.PREPARING)

    def no_python(self: object, command: str, **options: object) -> Result:
        return Result(127, "", f"sh: python3: not found {HOSTILE}")

    stage.monkeypatch.setattr(remote.VirtualRemote, "run", no_python)
    return needs_owner(stage, run)


def data_is_lost(stage: Stage) -> Shown:
    run, *_ = on_a_machine(stage, FOREVER, Status.PREPARING)
    data = run.job.dataset
    (stage.settings.SLIPWAY_DATA_DIR / data.normalised_path).unlink()
    return needs_owner(stage, run)


def disk_here_is_full(stage: Stage) -> Shown:
    run, *_ = on_a_machine(stage, Plan(exit_at=1))
    stage.monkeypatch.setattr(
        shutil, "disk_usage", lambda path: DiskUsage(total=100, used=100, free=0)
    )
    return needs_owner(stage, run)


def adapter_arrives_altered(stage: Stage) -> Shown:
    run, _, at_cloud = on_a_machine(stage, Plan(exit_at=1))
    at_cloud.agent = Altered(Plan(exit_at=1), stage.world.clock.now)
    return needs_owner(stage, run)


def login_key_cannot_be_read(stage: Stage) -> Shown:
    run = deploy(stage, wait_for_capacity_minutes=30)
    path = stage.settings.SLIPWAY_DATA_DIR / "id_rsa"
    path.write_text("no key at all")
    stage.settings.LAMBDA_SSH_KEY_PATH = str(path)
    return needs_owner(stage, run)


def key_is_refused(stage: Stage) -> Shown:
    run, *_ = on_a_machine(stage, FOREVER)
    stage.always("list", ProviderAuthError("Lambda refused the key."))
    return needs_owner(stage, run)


def key_does_not_open(stage: Stage) -> Shown:
    run, *_ = on_a_machine(stage, FOREVER)
    sealed = sealing.bind("secret", owner="somebody else", provider="lambda")
    VaultEntry.objects.filter(pk=run.vault_entry_id).update(api_key_encrypted=sealed)
    return needs_owner(stage, run)


def key_is_gone(stage: Stage) -> Shown:
    run, *_ = on_a_machine(stage, FOREVER)
    VaultEntry.objects.filter(pk=run.vault_entry_id).update(api_key_encrypted=None)
    return needs_owner(stage, run)


def does_not_end(stage: Stage) -> Shown:
    run, *_ = on_a_machine(stage, FOREVER)
    stage.always("terminate", "lie")
    stage.world.cancel(run, save=False)
    return needs_owner(stage, run)


def more_than_was_asked_for(stage: Stage) -> Shown:
    stage.world.cloud.fail("launch", "double")
    return needs_owner(stage, deploy(stage))


def price_changes(stage: Stage) -> Shown:
    run, _, at_cloud = on_a_machine(stage, FOREVER)
    at_cloud.listed_price = Decimal("9.99")
    return needs_owner(stage, run)


ROWS = (
    Row(
        "E_PROVIDER_UNREACHABLE",
        PLACE,
        cloud_answers(ProviderUnavailableError("Lambda's API fails.", remedy="We ask again.")),
        "Lambda's API fails",
    ),
    Row(
        "E_RATE_LIMITED_BY_PROVIDER",
        PLACE,
        cloud_answers(ProviderRateLimitedError("Lambda says that we ask too often.")),
        "ask too often",
    ),
    Row(
        "E_PROVIDER_BUSY",
        PLACE,
        cloud_answers(ProviderBusyError("Too many wait.", retry_after_seconds=1)),
        "Too many wait",
    ),
    Row("E_INTERNAL", PLACE, cloud_answers(KeyError(HOSTILE)), "did not expect"),
    Row("E_LOGIN_KEY", PLACE, login_key_cannot_be_read, "SSH login key"),
    Row("E_REMOTE", PLACE, ssh_meets(RemoteError(HOSTILE)), HOSTILE, bills=True),
    Row(
        "E_REMOTE_FILE",
        PLACE,
        ssh_meets(RemoteError("x could not be read.", code="E_REMOTE_FILE")),
        "could not be read",
        bills=True,
    ),
    Row(
        "E_REMOTE_FILE_MISSING",
        PLACE,
        ssh_meets(RemoteFileMissingError("There is no x on the machine.")),
        "There is no x",
        bills=True,
    ),
    Row("E_AGENT_START", PLACE, agent_does_not_start, "python3: not found", bills=True),
    Row("E_DATASET_LOST", PLACE, data_is_lost, "missing on the disk", bills=True),
    Row("E_DISK", PLACE, disk_here_is_full, "on Slipway's disk", bills=True),
    Row("E_CHECKSUM", PLACE, adapter_arrives_altered, "another sha256", bills=True),
    Row("E_AUTH", PLACE, key_is_refused, "Virtual refuses your key", bills=True),
    Row("E_SECRET_UNREADABLE", PLACE, key_does_not_open, "cannot be used", bills=True),
    Row("E_KEY_DELETED", PLACE, key_is_gone, "was deleted", bills=True),
    Row("E_CANNOT_END", PLACE, does_not_end, "may still bill", bills=True),
    Row("E_PRICE_CHANGED", PLACE, price_changes, "$9.99 an hour", bills=True),
    Row("E_STRAY_MACHINE", PLACE, more_than_was_asked_for, "more machines", bills=True),
)
