"""The contract over HTTP and SSH: every provider against its own wire of the sandbox, with faults.

A provider is found at the path that its vendor's address has, so a new one needs nothing here.
"""

import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from deployments.providers import PROVIDERS, rented
from deployments.providers.base import (
    Endpoint,
    Instance,
    InstanceStatus,
    Launched,
    LaunchRequest,
    Provider,
    ProviderAuthError,
    ProviderUnavailableError,
    Refused,
    Unknown,
)
from deployments.remote import (
    KeyPair,
    SshTarget,
    connect,
    fingerprint_of,
    generate_key_pair,
    shown_host_key,
)
from tests.deployments.providers.doubles import FreePacer, make_launch_request
from tests.sandbox_cloud import SandboxHandle, running_sandbox

SANDBOX_SSH_PORT = 2222


@pytest.fixture(scope="module")
def one_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture(params=sorted(rented()))
def platform(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def sandbox(one_sandbox: SandboxHandle, platform: str) -> Iterator[SandboxHandle]:
    yield one_sandbox
    one_sandbox.control("DELETE", "faults")
    cloud = cloud_of(one_sandbox, platform)
    for machine in cloud.list_all():
        cloud.terminate(machine.instance_id)


def cloud_of(sandbox: SandboxHandle, platform: str, *, api_key: str = "") -> Provider:
    vendor = PROVIDERS[platform].default_endpoint()
    endpoint = Endpoint(
        sandbox.root_url + urlsplit(vendor.base_url).path,
        ssh_port=SANDBOX_SSH_PORT,
        ssh_user=vendor.ssh_user,
    )
    return PROVIDERS[platform](
        api_key=api_key or sandbox.api_key, endpoint=endpoint, pacer=FreePacer()
    )


def request_for(cloud: Provider, name: str, *, host_key: KeyPair, login: KeyPair) -> LaunchRequest:
    offers = [each for each in cloud.offers() if each.available and each.gpu_count == 1]
    offer = min(offers, key=lambda each: each.hourly_price_usd)
    return make_launch_request(
        name=name,
        instance_type=offer.instance_type,
        region=offer.region,
        ssh_key_name=cloud.ensure_ssh_key(login.public_key),
        login_public_key=login.public_key,
        host_private_key=host_key.private_key,
        host_public_key=host_key.public_key,
    )


def a_request(cloud: Provider, name: str) -> LaunchRequest:
    return request_for(
        cloud, name, host_key=generate_key_pair("host"), login=generate_key_pair("login")
    )


def seen(
    ask: Callable[[], Instance | None], *, when: Callable[[Instance | None], bool]
) -> Instance | None:
    """Ask until the answer is as awaited."""
    give_up = time.monotonic() + 60
    while not when(found := ask()):
        assert time.monotonic() < give_up, f"still {found}"
        time.sleep(0.1)
    return found


def is_active(machine: Instance | None) -> bool:
    return machine is not None and machine.status is InstanceStatus.ACTIVE


def is_gone(machine: Instance | None) -> bool:
    return machine is None or machine.status is InstanceStatus.TERMINATED


def test_a_machine_lives_is_known_lets_us_in_and_ends(
    sandbox: SandboxHandle, platform: str
) -> None:
    cloud = cloud_of(sandbox, platform)
    host_key, login = generate_key_pair("host"), generate_key_pair("login")
    request = request_for(cloud, "slipway-a1", host_key=host_key, login=login)

    launched = cloud.launch(request)

    assert isinstance(launched, Launched)
    machine = seen(lambda: cloud.find("slipway-a1"), when=is_active)
    assert machine is not None
    assert (machine.instance_id, machine.ip is None) == (launched.instance_id, False)
    assert machine.instance_type == request.instance_type
    assert machine.region in ("", request.region)
    assert machine.hourly_price_usd is not None
    assert says_hello(cloud, machine, host_key=host_key, login=login) == "hello\n"
    cloud.terminate(launched.instance_id)
    cloud.terminate(launched.instance_id)
    seen(lambda: cloud.find("slipway-a1"), when=is_gone)


def says_hello(cloud: Provider, machine: Instance, *, host_key: KeyPair, login: KeyPair) -> str:
    """Log in to a machine whose host key we gave it, or that the cloud tells, and talk to it."""
    vendor = cloud.default_endpoint()
    host, port = machine.ip or "", machine.ssh_port or SANDBOX_SSH_PORT
    pinned = host_key.public_key
    if not cloud.capabilities.injects_host_key:
        pinned = shown_host_key(host, port)
        assert fingerprint_of(pinned) in cloud.host_key_fingerprints(machine.instance_id)
    target = SshTarget(host, port, vendor.ssh_user, login.private_key, pinned)
    with connect(target) as remote:
        remote.write("slipway/hello", b"hello\n", mode=0o600)
        return remote.run("cat slipway/hello", timeout_seconds=20).stdout


def test_what_is_on_offer_is_priced_as_its_machines_are(
    sandbox: SandboxHandle, platform: str
) -> None:
    cloud = cloud_of(sandbox, platform)
    request = a_request(cloud, "slipway-priced")
    offered = {
        offer.hourly_price_usd
        for offer in cloud.offers()
        if offer.instance_type == request.instance_type
    }

    cloud.launch(request)

    machine = seen(lambda: cloud.find("slipway-priced"), when=lambda it: it is not None)
    assert machine is not None
    assert machine.hourly_price_usd in offered


@pytest.mark.parametrize(
    ("fault", "starts"),
    [
        ({"kind": "drop_after_commit"}, True),
        ({"kind": "drop_before_commit"}, False),
        ({"kind": "garbage"}, True),
        ({"kind": "status", "status": 502, "body": "<html>", "commit": True}, True),
        ({"kind": "status", "status": 500}, False),
    ],
)
def test_f16_f17_a_launch_without_a_good_answer_is_unknown_and_settled_by_its_name(
    sandbox: SandboxHandle, platform: str, fault: dict[str, object], starts: bool
) -> None:
    cloud = cloud_of(sandbox, platform)
    name = f"slipway-{fault['kind']}-{fault.get('status', '')}"
    request = a_request(cloud, name)
    sandbox.control("POST", "faults", {"on": "launch", **fault})

    result = cloud.launch(request)

    assert isinstance(result, Unknown)
    assert (cloud.find(name) is not None) == starts


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ({"kind": "capacity"}, "capacity"),
        ({"kind": "status", "status": 429, "retry_after": 13}, "rate_limited"),
        ({"kind": "status", "status": 401}, "auth"),
    ],
)
def test_f11_f13_f15_a_launch_the_cloud_turns_down_is_refused_and_starts_nothing(
    sandbox: SandboxHandle, platform: str, fault: dict[str, object], reason: str
) -> None:
    cloud = cloud_of(sandbox, platform)
    name = f"slipway-refused-{reason}"
    request = a_request(cloud, name)
    sandbox.control("POST", "faults", {"on": "launch", **fault})

    result = cloud.launch(request)

    assert isinstance(result, Refused)
    assert result.reason == reason
    assert result.retry_after_seconds == fault.get("retry_after")
    assert cloud.find(name) is None


def test_f12_a_region_that_does_not_exist_is_refused(sandbox: SandboxHandle, platform: str) -> None:
    cloud = cloud_of(sandbox, platform)
    request = a_request(cloud, "slipway-moon")

    result = cloud.launch(
        make_launch_request(
            instance_type=request.instance_type,
            region="moon-1",
            ssh_key_name=request.ssh_key_name,
        )
    )

    assert isinstance(result, Refused)
    assert result.reason in ("invalid", "capacity")


def test_f58_i13_a_list_that_fails_is_an_error(sandbox: SandboxHandle, platform: str) -> None:
    cloud = cloud_of(sandbox, platform)
    for fault in ({"kind": "status", "status": 503}, {"kind": "garbage"}, {"kind": "status"}):
        sandbox.control("POST", "faults", {"on": "list", **fault})

        with pytest.raises(ProviderUnavailableError):
            cloud.list_all()


def test_a_wrong_key_is_refused_and_the_right_one_passes(
    sandbox: SandboxHandle, platform: str
) -> None:
    cloud_of(sandbox, platform).check_key()

    with pytest.raises(ProviderAuthError):
        cloud_of(sandbox, platform, api_key="wrong").check_key()
