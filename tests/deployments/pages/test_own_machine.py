"""Adding a machine of one's own, through a real sshd: place, host key, then the private key."""

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from deployments.models import Deployment
from deployments.providers.ssh_host_sealed import read
from secrets_vault.models import VaultEntry
from secrets_vault.services import open_secret
from tests import builders
from tests.deployments.pages import scenes
from tests.own_host import LOOPBACK, OwnHost, running_own_host

ADD = "/vault/machine/"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnHost]:
    with running_own_host(tmp_path_factory.mktemp("own") / "h") as own:
        yield own


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    settings.SSH_NETWORKS = LOOPBACK


def place(machine: OwnHost, **changes: object) -> dict[str, object]:
    host = machine.host()
    given = {"name": "gpu-box", "address": host.address, "port": host.port, "user": host.user}
    return given | {"hourly_price": "0"} | changes


def login(machine: OwnHost, **changes: object) -> dict[str, object]:
    more = {
        "fingerprint": machine.fingerprint,
        "is_mine": "on",
        "private_key": machine.login_key.private_key,
    }
    return place(machine) | more | changes


def entries_of(user: User) -> list[VaultEntry]:
    return list(VaultEntry.objects.active().filter(user=user))


def test_the_fingerprint_is_shown_before_anything_is_sent_and_then_it_is_kept(
    user: User, reader: Client, machine: OwnHost
) -> None:
    logins_before = machine.log().count("Accepted publickey")
    asked = reader.post(ADD, place(machine)).content.decode()
    logins_then = machine.log().count("Accepted publickey")
    kept = reader.post(ADD, login(machine), follow=True).content.decode()

    assert machine.fingerprint in asked
    assert logins_then == logins_before
    (entry,) = entries_of(user)
    host = read(open_secret(entry))
    assert (entry.provider, entry.name, entry.status, entry.hint) == ("ssh", "gpu-box", "ok", "")
    assert host.host_key.split()[1] == machine.host_key.public_key.split()[1]
    assert "Your machine gpu-box works and is sealed." in kept
    assert "Own machine gpu-box" in kept
    assert "PRIVATE KEY" not in kept


def test_a_second_one_has_a_name_of_its_own(user: User, reader: Client, machine: OwnHost) -> None:
    builders.make_vault_entry(user, provider="ssh", secret=machine.host().sealed())

    same = reader.post(ADD, login(machine)).content.decode()
    reader.post(ADD, login(machine, name="other-box"))

    assert "You have a machine named gpu-box for Own machine already." in same
    assert sorted(entry.name for entry in entries_of(user)) == ["gpu-box", "other-box"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"is_mine": ""}, "Compare the fingerprint first"),
        ({"fingerprint": "SHA256:another"}, "E_HOSTKEY"),
        ({"private_key": "no key"}, "E_LOGIN_KEY"),
        ({"name": "Gpu Box"}, "small letters, digits and hyphens"),
        ({"address": "169.254.169.254"}, "E_HOST_ADDRESS"),
    ],
)
def test_what_cannot_be_used_is_refused_where_it_stands_and_the_key_is_not_sent_back(
    user: User, reader: Client, machine: OwnHost, changes: dict[str, object], told: str
) -> None:
    page = reader.post(ADD, login(machine, **changes)).content.decode()

    assert told in page
    assert machine.login_key.private_key.splitlines()[1] not in page
    assert entries_of(user) == []


def test_t11_this_servers_own_address_is_refused_unless_the_operator_allows_it(
    user: User, reader: Client, machine: OwnHost, settings: Settings
) -> None:
    settings.SSH_NETWORKS = ()

    page = reader.post(ADD, place(machine)).content.decode()

    assert "E_HOST_ADDRESS" in page
    assert machine.fingerprint not in page


def test_it_is_changed_under_its_name_and_shows_what_it_was(
    user: User, reader: Client, machine: OwnHost
) -> None:
    entry = builders.make_vault_entry(user, provider="ssh", secret=machine.host().sealed())
    change = f"/vault/{entry.pk}/machine/"

    shown = reader.get(f"/vault/{entry.pk}/replace/", follow=True).content.decode()
    renamed = reader.post(change, login(machine, name="other")).content.decode()
    reader.post(change, login(machine, hourly_price="0.25"))

    assert f'value="{machine.port}"' in shown
    assert "PRIVATE KEY-----\n" not in shown
    assert "This is other, and not gpu-box." in renamed
    entry.refresh_from_db()
    assert str(read(open_secret(entry)).hourly_price_usd) == "0.2500"


def test_another_users_machine_is_not_found(reader: Client, machine: OwnHost) -> None:
    entry = builders.make_vault_entry(provider="ssh", secret=machine.host().sealed())

    assert reader.get(f"/vault/{entry.pk}/machine/").status_code == 404


@pytest.mark.parametrize("scene", ["preparing", "training", "ended", "failed", "needs_owner"])
def test_every_page_of_a_run_that_costs_nothing_can_be_read(
    user: User, reader: Client, scene: str
) -> None:
    run = getattr(scenes, scene)(user)
    run.machines.update(platform="ssh", instance_type="gpu-box", region="own", hourly_price=0)
    run.machines.filter(billed_usd__isnull=False).update(billed_usd=0)
    Deployment.objects.filter(pk=run.pk).update(
        platform="ssh", max_hourly_price=0, budget_limit="0.01", estimated_cost=0
    )
    Deployment.objects.filter(pk=run.pk, actual_cost__isnull=False).update(actual_cost=0)

    for tab in ("", "charts/", "logs/", "events/", "checkpoints/", "files/", "config/", "cost/"):
        page = reader.get(f"/jobs/{run.job_id}/{tab}")
        assert page.status_code == 200, tab
    for address in ("/", "/machines/"):
        assert reader.get(address).status_code == 200
    told = reader.get(f"/jobs/{run.job_id}/").content.decode()
    assert "$0.00" in told
    assert "keeps billing" not in told
