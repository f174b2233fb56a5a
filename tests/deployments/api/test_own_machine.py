"""``ssh`` over REST: one's own machine is added by its confirmed host key, then deployed to."""

from collections.abc import Iterator

import pytest
from pytest_django.fixtures import Settings
from rest_framework.test import APIClient

from secrets_vault.models import VaultEntry
from tests import builders
from tests.own_host import LOOPBACK, OwnHost, running_own_host

pytestmark = pytest.mark.django_db
ENTRIES = "/api/vault/entries"
DEPLOY = "/api/training/deploy/ssh"


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnHost]:
    with running_own_host(tmp_path_factory.mktemp("own") / "h") as own:
        yield own


@pytest.fixture(autouse=True)
def loopback(settings: Settings) -> None:
    settings.SSH_NETWORKS = LOOPBACK


def parts(machine: OwnHost, **changes: object) -> dict[str, object]:
    host = machine.host()
    return {
        "name": host.name,
        "address": host.address,
        "port": host.port,
        "user": host.user,
        "private_key": host.private_key,
        **changes,
    }


def test_the_host_key_is_confirmed_by_its_fingerprint_and_the_machine_is_deployed_to(
    machine: OwnHost,
) -> None:
    user = builders.make_user()
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {builders.make_token(user)}")
    config = builders.make_config(user)

    unconfirmed = client.post(
        ENTRIES, {"provider": "ssh", "parts": parts(machine)}, format="json"
    ).json()["error"]
    (told,) = unconfirmed["details"]
    added = client.post(
        ENTRIES,
        {"provider": "ssh", "parts": parts(machine, host_key=told["fingerprint"])},
        format="json",
    )
    asked = {"training_config_id": str(config.pk), "instance_type": "gpu-box"}
    answer = client.post(DEPLOY, {**asked, "budget_limit": "1.00"}, format="json")

    assert (unconfirmed["code"], unconfirmed["param"]) == ("E_HOSTKEY_UNCONFIRMED", "host_key")
    assert told["fingerprint"] == machine.fingerprint
    assert (added.status_code, added.json()["name"]) == (201, "gpu-box")
    assert machine.login_key.private_key.splitlines()[1] not in added.content.decode()
    deployment = answer.json()
    assert answer.status_code == 202
    assert (deployment["platform"], deployment["instance_type"]) == ("ssh", "gpu-box")
    assert deployment["cost"]["accrued"] == "0.00"
    shown = client.get(DEPLOY, {"deployment_id": deployment["deployment_id"]}).json()
    assert (shown["status"], shown["machines"]) == ("queued", [])
    stopped = client.delete(f"{DEPLOY}?deployment_id={deployment['deployment_id']}")
    assert stopped.status_code == 202


@pytest.mark.parametrize(
    ("changes", "param", "code"),
    [
        ({"host_key": "SHA256:another"}, "host_key", "E_HOSTKEY"),
        ({"private_key": "no key"}, "private_key", "E_LOGIN_KEY"),
        ({"address": "169.254.169.254"}, "address", "E_HOST_ADDRESS"),
        ({"hourly_price": "-1"}, "hourly_price", "E_INVALID"),
        ({"port": "70000"}, "port", "E_INVALID"),
        ({"user": "a b"}, "user", "E_INVALID"),
        ({"colour": "red"}, "colour", "E_INVALID"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_part(
    machine: OwnHost, changes: dict[str, object], param: str, code: str
) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {builders.make_token()}")

    answer = client.post(
        ENTRIES, {"provider": "ssh", "parts": parts(machine, **changes)}, format="json"
    )

    error = answer.json()["error"]
    assert answer.status_code in (400, 409)
    assert error["param"] == param
    assert error["code"].startswith(code)
    assert machine.login_key.private_key.splitlines()[1] not in answer.content.decode()
    assert not VaultEntry.objects.exists()


@pytest.mark.parametrize("given", [{}, {"secret": "x", "parts": {"name": "gpu-box"}}])
def test_a_secret_or_its_parts_are_given_not_both(given: dict[str, object]) -> None:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {builders.make_token()}")

    answer = client.post(ENTRIES, {"provider": "ssh", **given}, format="json")

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "secret")
