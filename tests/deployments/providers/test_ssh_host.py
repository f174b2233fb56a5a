"""A machine of the user's own, over Debian's sshd: the contract as far as it fits, and its lock."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from deployments.providers.base import (
    Endpoint,
    InstanceStatus,
    Launched,
    LaunchRequest,
    LaunchResult,
    ProviderAuthError,
    ProviderBusyError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
    Refused,
    Unknown,
)
from deployments.providers.ssh_host import Networks, SshHost
from deployments.providers.ssh_host_sealed import Host
from deployments.remote import generate_key_pair
from tests.deployments.providers.doubles import FreePacer, FullPacer, make_launch_request
from tests.own_host import LOOPBACK, OwnHost, running_own_host

AGENT = "import time, subprocess, sys; subprocess.Popen(['sleep', '600']); time.sleep(600)"


@pytest.fixture(scope="module")
def one_machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnHost]:
    with running_own_host(tmp_path_factory.mktemp("own") / "h") as machine:
        yield machine


@pytest.fixture
def machine(one_machine: OwnHost) -> Iterator[OwnHost]:
    yield one_machine
    one_machine.taken.unlink(missing_ok=True)


def cloud_of(
    machine: OwnHost,
    *,
    host: Host | None = None,
    pacer: FreePacer | FullPacer | None = None,
    networks: Networks = LOOPBACK,
) -> SshHost:
    return SshHost(
        api_key=(host or machine.host()).sealed(),
        endpoint=Endpoint("", ssh_port=22, ssh_user="", networks=networks),
        pacer=pacer or FreePacer(),
    )


def a_request(name: str, **changes: object) -> LaunchRequest:
    return make_launch_request(
        **{"name": name, "instance_type": "gpu-box", "region": "own", **changes}
    )


def test_what_is_on_offer_is_the_machine_itself_at_its_owners_price(machine: OwnHost) -> None:
    (offer,) = cloud_of(machine, host=machine.host(price="0.12")).offers()

    assert (offer.platform, offer.instance_type, offer.region) == ("ssh", "gpu-box", "own")
    assert (offer.gpu_name, offer.gpu_count, offer.vram_gib) == ("NVIDIA RTX A6000", 1, 48)
    assert str(offer.hourly_price_usd) == "0.1200"
    assert offer.available
    assert offer.vcpus > 0
    assert offer.memory_gib > 0


def test_it_is_taken_found_by_its_name_and_let_go_of_twice(machine: OwnHost) -> None:
    cloud = cloud_of(machine)

    launched = cloud.launch(a_request("slipway-a1"))

    assert launched == Launched("slipway-a1")
    found = cloud.find("slipway-a1")
    assert found is not None
    assert cloud.list_all() == [found] == [cloud.get("slipway-a1")]
    assert (found.status, found.ip, found.ssh_port) == (
        InstanceStatus.ACTIVE,
        "127.0.0.1",
        machine.port,
    )
    assert not cloud.offers()[0].available
    cloud.terminate("slipway-a1")
    cloud.terminate("slipway-a1")
    assert cloud.list_all() == []
    assert cloud.offers()[0].available


def test_one_run_at_a_time_the_second_is_told_who_has_it(machine: OwnHost) -> None:
    cloud = cloud_of(machine)
    cloud.launch(a_request("slipway-a1"))

    second = cloud.launch(a_request("slipway-a2"))

    assert isinstance(second, Refused)
    assert (second.reason, second.error.code) == ("capacity", "E_CAPACITY")
    assert "slipway-a1" in second.error.message
    assert second.error.message.endswith("Nothing was started.")
    cloud.terminate("slipway-a2")
    assert cloud.find("slipway-a1") is not None


def test_of_eight_that_want_it_at_once_one_gets_it(machine: OwnHost) -> None:
    results: list[LaunchResult] = []

    def want(number: int) -> None:
        results.append(cloud_of(machine).launch(a_request(f"slipway-{number}")))

    wanting = [threading.Thread(target=want, args=(number,)) for number in range(8)]
    for thread in wanting:
        thread.start()
    for thread in wanting:
        thread.join()

    (won,) = [result for result in results if isinstance(result, Launched)]
    assert machine.taken.read_text().strip() == won.instance_id
    assert sum(isinstance(result, Refused) for result in results) == 7


def test_the_lock_outlives_a_machine_that_is_switched_off(machine: OwnHost) -> None:
    cloud = cloud_of(machine)
    cloud.launch(a_request("slipway-a1"))

    machine.stop()
    with pytest.raises(ProviderUnavailableError, match="gpu-box"):
        cloud.list_all()
    turned_down = cloud.launch(a_request("slipway-a2"))
    machine.start()

    assert isinstance(turned_down, Refused)
    assert (turned_down.reason, turned_down.error.retryable) == ("unreachable", True)
    assert cloud.find("slipway-a1") is not None
    assert isinstance(cloud.launch(a_request("slipway-a2")), Refused)


def test_letting_go_ends_the_runs_processes_and_removes_its_folder_and_nothing_else(
    machine: OwnHost,
) -> None:
    cloud = cloud_of(machine)
    cloud.launch(a_request("slipway-a1"))
    mine, others = (machine.home / "slipway" / name for name in ("slipway-a1", "slipway-b1"))
    agents = [start_agent(folder) for folder in (mine, others)]

    cloud.terminate("slipway-a1")

    assert agents[0].wait(60) == -9
    assert agents[1].poll() is None
    assert not mine.exists()
    assert (others / "agent.py").exists()
    assert {process.cwd() for process in machine.living()} == {str(others)}
    cloud.terminate("slipway-b1")
    agents[1].wait(60)
    assert machine.living() == []


def start_agent(folder: Path) -> "subprocess.Popen[bytes]":
    folder.mkdir(parents=True)
    (folder / "agent.py").write_text(AGENT, encoding="utf-8")
    agent = subprocess.Popen(
        [sys.executable, "agent.py"],
        cwd=folder,
        start_new_session=True,
        env={"SLIPWAY_CHILD_OF": str(folder), "PATH": "/usr/bin:/bin"},
    )
    assert agent.poll() is None
    return agent


def test_f30_a_changed_host_key_is_refused_by_name_and_nothing_is_sent(tmp_path: Path) -> None:
    with running_own_host(tmp_path / "h") as machine:
        cloud, known = cloud_of(machine), machine.fingerprint
        machine.change_host_key()
        asks: list[Callable[[], object]] = [
            cloud.offers,
            cloud.list_all,
            cloud.check_key,
            lambda: cloud.terminate("slipway-1"),
        ]
        for ask in asks:
            with pytest.raises(ProviderRefusedError) as caught:
                ask()
            assert caught.value.code == "E_HOSTKEY"
            assert all(
                each in caught.value.message for each in ("gpu-box", known, machine.fingerprint)
            )
            assert not caught.value.retryable

        result = cloud.launch(a_request("slipway-a1"))

        assert isinstance(result, Refused)
        assert (result.reason, result.error.code) == ("other", "E_HOSTKEY")
        assert "Accepted publickey" not in machine.log()


def test_f11_a_key_that_the_machine_refuses_is_an_error_everywhere(machine: OwnHost) -> None:
    stranger = replace(machine.host(), private_key=generate_key_pair("stranger").private_key)
    cloud = cloud_of(machine, host=stranger)

    result = cloud.launch(a_request("slipway-a1"))

    assert isinstance(result, Refused)
    assert (result.reason, result.error.code) == ("auth", "E_AUTH")
    for ask in (cloud.check_key, cloud.list_all, cloud.offers):
        with pytest.raises(ProviderAuthError) as caught:
            ask()
        assert caught.value.remedy


@pytest.mark.parametrize("says", ["garbage", "[]", '{"held": "a b"}'])
def test_i13_an_answer_that_cannot_be_read_is_an_error_and_never_an_empty_list(
    machine: OwnHost, says: str
) -> None:
    program = machine.folder / "bin" / "python3"
    whole = program.read_text(encoding="utf-8")
    program.write_text(f"#!/bin/sh\ncat >/dev/null\necho '{says}'\n", encoding="utf-8")
    try:
        with pytest.raises(ProviderUnavailableError):
            cloud_of(machine).list_all()
        # F17: it may have been taken, so only the list can tell.
        assert isinstance(cloud_of(machine).launch(a_request("slipway-a1")), Unknown)
    finally:
        program.write_text(whole, encoding="utf-8")


def test_a_machine_without_a_gpu_is_not_offered(machine: OwnHost) -> None:
    program = machine.folder / "bin" / "nvidia-smi"
    whole = program.read_text(encoding="utf-8")
    program.write_text("#!/bin/sh\nexit 9\n", encoding="utf-8")
    try:
        with pytest.raises(ProviderRefusedError) as caught:
            cloud_of(machine).offers()
    finally:
        program.write_text(whole, encoding="utf-8")
    assert caught.value.code == "E_NO_GPU"
    assert "gpu-box" in caught.value.message


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "::1",
        "localhost",
        "169.254.169.254",
        "fe80::1",
        "0",
        "::",
        "10.1.2.3",
        "192.168.1.7",
        "64:ff9b::a01:203",
    ],
)
def test_t22_addresses_that_are_not_public_are_refused_unless_the_operator_lists_them(
    machine: OwnHost, address: str
) -> None:
    host = replace(machine.host(), address=address)

    with pytest.raises(ProviderRefusedError) as caught:
        cloud_of(machine, host=host, networks=()).list_all()

    assert caught.value.code == "E_HOST_ADDRESS"


@pytest.mark.parametrize("address", ["169.254.169.254", "224.0.0.1"])
def test_t22_a_network_that_is_listed_opens_no_other(machine: OwnHost, address: str) -> None:
    with pytest.raises(ProviderRefusedError):
        cloud_of(machine, host=replace(machine.host(), address=address)).list_all()


def test_another_type_or_region_is_refused(machine: OwnHost) -> None:
    for changes in ({"instance_type": "gpu_1x_a10"}, {"region": "us-east-1"}):
        result = cloud_of(machine).launch(a_request("slipway-a1", **changes))
        assert isinstance(result, Refused)
        assert result.reason == "invalid"
    assert not machine.taken.exists()


def test_d9_every_request_is_announced_to_the_pacer_and_none_is_sent_without_room(
    machine: OwnHost,
) -> None:
    pacer = FreePacer()
    cloud = cloud_of(machine, pacer=pacer)
    cloud.launch(a_request("slipway-a1"))
    cloud.list_all()
    cloud.terminate("slipway-a1")
    cloud.offers()

    assert pacer.kinds == ["launch", "list", "terminate", "other"]
    full = cloud_of(machine, pacer=FullPacer())
    result = full.launch(a_request("slipway-a2"))
    assert isinstance(result, Refused)
    assert (result.reason, result.retry_after_seconds) == ("rate_limited", 7)
    with pytest.raises(ProviderBusyError):
        full.list_all()


def test_no_key_of_anybody_else_is_added(machine: OwnHost) -> None:
    cloud = cloud_of(machine)

    assert cloud.ensure_ssh_key("ssh-ed25519 AAAA slipway") == ""
    with pytest.raises(ProviderError, match="laptop"):
        cloud.ssh_public_key("laptop")


def test_i17_no_words_hold_the_private_key(machine: OwnHost) -> None:
    host = machine.host()

    assert "PRIVATE KEY" not in repr(host)
    assert "PRIVATE KEY" not in repr(cloud_of(machine).login())
