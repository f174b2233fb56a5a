"""The real client against the real sandbox cloud: HTTP, JSON and SSH as in the demo."""

import time
from collections.abc import Callable, Iterator
from decimal import Decimal

import pytest

from deployments.providers.base import (
    Endpoint,
    Instance,
    InstanceStatus,
    Launched,
    LaunchRequest,
    ProviderAuthError,
    ProviderUnavailableError,
    Refused,
    Unknown,
)
from deployments.providers.lambda_cloud import LambdaCloud
from deployments.remote import (
    KeyPair,
    SshAuthError,
    SshTarget,
    SshUnreachableError,
    connect,
    generate_key_pair,
)
from tests.deployments.providers.doubles import FreePacer, make_launch_request
from tests.sandbox_cloud import SandboxHandle, running_sandbox

SSH_PORT = 2222


@pytest.fixture(scope="module")
def one_sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxHandle]:
    with running_sandbox(tmp_path_factory.mktemp("sandbox")) as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(one_sandbox: SandboxHandle) -> Iterator[SandboxHandle]:
    yield one_sandbox
    one_sandbox.control("DELETE", "faults")
    for machine in cloud_of(one_sandbox).list_all():
        cloud_of(one_sandbox).terminate(machine.instance_id)


def cloud_of(sandbox: SandboxHandle, *, api_key: str | None = None) -> LambdaCloud:
    endpoint = Endpoint(sandbox.base_url, ssh_port=SSH_PORT, ssh_user="ubuntu")
    return LambdaCloud(api_key=api_key or sandbox.api_key, endpoint=endpoint, pacer=FreePacer())


def request_for(
    cloud: LambdaCloud, name: str, *, host_key: KeyPair, login: KeyPair
) -> LaunchRequest:
    offer = next(offer for offer in cloud.offers() if offer.available)
    return make_launch_request(
        name=name,
        instance_type=offer.instance_type,
        region=offer.region,
        ssh_key_name=cloud.ensure_ssh_key(login.public_key),
        host_private_key=host_key.private_key,
        host_public_key=host_key.public_key,
    )


def a_request(cloud: LambdaCloud, name: str) -> LaunchRequest:
    return request_for(
        cloud, name, host_key=generate_key_pair("host"), login=generate_key_pair("login")
    )


def seen(
    ask: Callable[[], Instance | None], *, when: Callable[[Instance | None], bool]
) -> Instance | None:
    """Ask until the answer is as awaited."""
    give_up = time.monotonic() + 20
    while not when(found := ask()):
        assert time.monotonic() < give_up, f"still {found}"
        time.sleep(0.05)
    return found


def test_a_machine_is_launched_found_listed_and_ended(sandbox: SandboxHandle) -> None:
    cloud = cloud_of(sandbox)

    launched = cloud.launch(a_request(cloud, "slipway-a1"))

    assert isinstance(launched, Launched)
    found = cloud.find("slipway-a1")
    assert found is not None
    assert found.instance_id == launched.instance_id
    assert launched.instance_id in [machine.instance_id for machine in cloud.list_all()]
    active = seen(
        lambda: cloud.get(launched.instance_id),
        when=lambda it: it is not None and it.status is InstanceStatus.ACTIVE,
    )
    assert active is not None
    assert active.ip is not None
    cloud.terminate(launched.instance_id)
    cloud.terminate(launched.instance_id)
    seen(
        lambda: cloud.find("slipway-a1"),
        when=lambda it: it is None or it.status is InstanceStatus.TERMINATED,
    )


def test_i12_the_machine_proves_itself_by_the_host_key_we_gave_it(sandbox: SandboxHandle) -> None:
    cloud = cloud_of(sandbox)
    host_key, login = generate_key_pair("host"), generate_key_pair("login")
    cloud.launch(request_for(cloud, "slipway-ssh", host_key=host_key, login=login))
    machine = seen(
        lambda: cloud.find("slipway-ssh"),
        when=lambda it: it is not None and it.status is InstanceStatus.ACTIVE,
    )
    assert machine is not None
    assert machine.ip is not None
    target = SshTarget(machine.ip, SSH_PORT, "ubuntu", login.private_key, host_key.public_key)

    with connect(target) as remote:
        remote.write("slipway/hello", b"hello\n", mode=0o600)
        result = remote.run("cat slipway/hello", timeout_seconds=10)

    assert (result.exit_status, result.stdout) == (0, "hello\n")
    stranger = SshTarget(
        machine.ip,
        SSH_PORT,
        "ubuntu",
        generate_key_pair("stranger").private_key,
        host_key.public_key,
    )
    with pytest.raises(SshAuthError), connect(stranger):
        pass
    cloud.terminate(machine.instance_id)
    seen(
        lambda: cloud.find("slipway-ssh"),
        when=lambda it: it is None or it.status is InstanceStatus.TERMINATED,
    )
    with pytest.raises(SshUnreachableError), connect(target):
        pass


def test_f17_a_lost_launch_answer_is_unknown_and_the_machine_is_found_by_name(
    sandbox: SandboxHandle,
) -> None:
    cloud = cloud_of(sandbox)
    request = a_request(cloud, "slipway-lost")
    sandbox.control("POST", "faults", {"on": "launch", "kind": "drop_after_commit"})

    result = cloud.launch(request)

    assert isinstance(result, Unknown)
    assert cloud.find("slipway-lost") is not None
    assert [m.name for m in cloud.list_all()].count("slipway-lost") == 1


def test_f17_a_launch_lost_on_its_way_looks_the_same_and_starts_nothing(
    sandbox: SandboxHandle,
) -> None:
    cloud = cloud_of(sandbox)
    request = a_request(cloud, "slipway-never")
    sandbox.control("POST", "faults", {"on": "launch", "kind": "drop_before_commit"})

    result = cloud.launch(request)

    assert isinstance(result, Unknown)
    assert cloud.find("slipway-never") is None


@pytest.mark.parametrize("kind", ["garbage", "status"])
def test_f16_a_broken_answer_after_the_launch_is_unknown_too(
    sandbox: SandboxHandle, kind: str
) -> None:
    cloud = cloud_of(sandbox)
    name = f"slipway-{kind}"
    request = a_request(cloud, name)
    values = {"status": 502, "body": "<html>", "commit": True} if kind == "status" else {}
    sandbox.control("POST", "faults", {"on": "launch", "kind": kind, **values})

    assert isinstance(cloud.launch(request), Unknown)
    assert cloud.find(name) is not None


def test_f13_a_launch_without_capacity_is_refused_and_starts_nothing(
    sandbox: SandboxHandle,
) -> None:
    cloud = cloud_of(sandbox)
    request = a_request(cloud, "slipway-full")
    sandbox.control("POST", "faults", {"on": "launch", "kind": "capacity"})

    result = cloud.launch(request)

    assert isinstance(result, Refused)
    assert result.reason == "capacity"
    assert cloud.find("slipway-full") is None


def test_f15_the_edges_429_is_a_refusal_with_a_waiting_time(sandbox: SandboxHandle) -> None:
    cloud = cloud_of(sandbox)
    request = a_request(cloud, "slipway-often")
    fault = {"on": "launch", "kind": "status", "status": 429, "body": "error code: 1015"}
    sandbox.control("POST", "faults", {**fault, "retry_after": 13})

    result = cloud.launch(request)

    assert isinstance(result, Refused)
    assert (result.reason, result.retry_after_seconds) == ("rate_limited", 13)


def test_f12_a_region_that_does_not_exist_is_refused(sandbox: SandboxHandle) -> None:
    cloud = cloud_of(sandbox)
    login = cloud.ensure_ssh_key(generate_key_pair("login").public_key)

    result = cloud.launch(make_launch_request(region="moon-1", ssh_key_name=login))

    assert isinstance(result, Refused)
    assert result.reason in ("invalid", "capacity")


def test_a_wrong_key_is_refused_and_the_right_one_passes(sandbox: SandboxHandle) -> None:
    cloud_of(sandbox).check_key()

    with pytest.raises(ProviderAuthError):
        cloud_of(sandbox, api_key="wrong").check_key()


def test_f58_a_list_that_fails_is_an_error(sandbox: SandboxHandle) -> None:
    sandbox.control("POST", "faults", {"on": "list", "kind": "status", "status": 503})
    sandbox.control("POST", "faults", {"on": "list", "kind": "garbage"})

    for _ in range(2):
        with pytest.raises(ProviderUnavailableError):
            cloud_of(sandbox).list_all()


def test_the_sandboxs_catalogue_is_read_whole(sandbox: SandboxHandle) -> None:
    offers = {offer.instance_type: offer for offer in cloud_of(sandbox).offers()}

    assert offers["gpu_1x_a10"].hourly_price_usd == Decimal("1.29")
    assert offers["gpu_1x_a10"].vram_gib == 24
    assert offers["gpu_1x_gh200"].architecture == "arm64"
    assert offers["gpu_8x_h100_sxm5"].gpu_count == 8


def test_t19_the_login_key_is_registered_once_and_comes_back(sandbox: SandboxHandle) -> None:
    cloud, login = cloud_of(sandbox), generate_key_pair("slipway")

    name = cloud.ensure_ssh_key(login.public_key)

    assert cloud.ensure_ssh_key(login.public_key.removesuffix(" slipway")) == name
    assert cloud.ssh_public_key(name).split()[:2] == login.public_key.split()[:2]
