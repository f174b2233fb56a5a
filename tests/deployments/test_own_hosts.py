"""Several machines of one's own: each is taken under its own name, and none hides another."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from deployments import catalogue, services
from deployments.lifecycle.advance import advance
from deployments.models import Deployment
from deployments.services import DeployRequest
from secrets_vault.models import VaultEntry
from secrets_vault.services import add_entry
from tests import builders
from tests.own_host import LOOPBACK, OwnHost, running_own_host

pytestmark = pytest.mark.django_db


@pytest.fixture
def machines(tmp_path: Path, settings: Settings) -> Iterator[tuple[OwnHost, OwnHost]]:
    settings.SSH_NETWORKS = LOOPBACK
    with running_own_host(tmp_path / "a") as first, running_own_host(tmp_path / "b") as second:
        yield first, second


@pytest.fixture
def user(machines: tuple[OwnHost, OwnHost]) -> User:
    found = builders.make_user()
    for machine, name in zip(machines, ("a-box", "b-box"), strict=True):
        add_entry(found, provider="ssh", secret=machine.host(name=name).sealed())
    return found


def deploy(user: User, instance_type: str) -> Deployment:
    request = DeployRequest(
        training_config_id=str(builders.make_config(user).pk),
        instance_type=instance_type,
        budget_limit=Decimal("1.00"),
    )
    return services.deploy(user, "ssh", request)


def key_of(deployment: Deployment) -> VaultEntry:
    return deployment.vault_entry


def test_each_is_taken_under_its_own_name(user: User, machines: tuple[OwnHost, OwnHost]) -> None:
    deployment = deploy(user, "b-box")

    for _ in range(2):
        advance(deployment.pk, may_block=True)

    (row,) = deployment.machines.all()
    assert (key_of(deployment).name, row.vault_entry.name) == ("b-box", "b-box")
    assert machines[1].taken.read_text(encoding="utf-8").strip() == row.name
    assert not machines[0].taken.exists()


def test_one_that_is_switched_off_hides_no_other(
    user: User, machines: tuple[OwnHost, OwnHost]
) -> None:
    machines[0].stop()

    found = catalogue.live_offers(user)
    deployment = deploy(user, "auto")

    assert [offer.instance_type for offer in found.offers] == ["b-box"]
    assert "a-box" in found.silent[0]
    assert key_of(deployment).name == "b-box"


def test_auto_takes_the_other_while_one_is_taken(
    user: User, machines: tuple[OwnHost, OwnHost]
) -> None:
    machines[0].taken.parent.mkdir()
    machines[0].taken.write_text("slwabc-somebody\n", encoding="utf-8")

    assert key_of(deploy(user, "auto")).name == "b-box"
