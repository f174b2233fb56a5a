"""RunPod's client: what its JSON means to us, and what it is asked."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from deployments.providers import runpod_shapes as shapes
from deployments.providers.base import (
    Endpoint,
    InstanceStatus,
    Launched,
    ProviderRefusedError,
    ProviderUnavailableError,
    Refused,
    Unknown,
)
from deployments.providers.http import Answer
from deployments.providers.runpod import RunPod, cuda_floor
from tests.deployments.providers.doubles import API_KEY, FreePacer, make_launch_request
from tests.deployments.providers.runpod_double import (
    FINGERPRINT,
    NO_CAPACITY,
    RTX_4090,
    RunPodDouble,
    a_card,
    a_pod,
    events,
    problem,
    said,
)

S = InstanceStatus
OTHER = "SHA256:" + "B" * 43


@pytest.fixture
def cloud() -> Iterator[RunPodDouble]:
    double = RunPodDouble()
    with double.answering():
        yield double


def client(cloud: RunPodDouble, **endpoint: Any) -> RunPod:
    return RunPod(
        api_key=API_KEY,
        endpoint=Endpoint(cloud.base_url, ssh_port=22, ssh_user="root", **endpoint),
        pacer=FreePacer(),
    )


def a_request(**changes: object) -> Any:
    return make_launch_request(**{"instance_type": f"1x {RTX_4090}", "region": "US-KS-2"} | changes)


def offers_of(*cards: object, side: str = shapes.SECURE) -> list[Any]:
    answer = Answer(200, is_json=True, content={"gpus": list(cards)})
    return shapes.offers(answer, cloud=side, disk_gb=0)


def test_a_launch_says_everything_that_runpod_must_know_and_nothing_else(
    cloud: RunPodDouble,
) -> None:
    request = a_request(
        login_public_key="ssh-ed25519 AAAAlogin slipway\n",
        authorized_keys=("ssh-ed25519 AAAAlaptop laptop",),
    )

    client(cloud, disk_gb=80).launch(request)

    assert cloud.bodies[-1] == {
        "name": "slipway-1",
        "image": "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
        "gpu": {"id": RTX_4090, "count": 1, "minCudaVersion": "12.8"},
        "cloud": "SECURE",
        "disk": 80,
        "ports": ["22/tcp"],
        "env": {"PUBLIC_KEY": "ssh-ed25519 AAAAlogin slipway\nssh-ed25519 AAAAlaptop laptop"},
        "dataCenterIds": ["US-KS-2"],
    }


def test_no_private_key_ever_reaches_runpod(cloud: RunPodDouble) -> None:
    client(cloud).launch(a_request())

    assert "PRIVATE" not in json.dumps(cloud.bodies)


def test_several_cards_of_the_community_are_asked_for_by_the_types_name(
    cloud: RunPodDouble,
) -> None:
    name = f"4x {RTX_4090} (community)"

    client(cloud).launch(a_request(instance_type=name, region=shapes.ANYWHERE))

    body = cloud.bodies[-1]
    assert (body["gpu"]["count"], body["cloud"]) == (4, "COMMUNITY")
    assert "dataCenterIds" not in body


def test_a_type_that_is_none_is_refused_without_asking(cloud: RunPodDouble) -> None:
    result = client(cloud).launch(a_request(instance_type="gpu_1x_a10"))

    assert isinstance(result, Refused)
    assert (result.reason, cloud.calls) == ("invalid", [])


@pytest.mark.parametrize(
    ("answer", "reason", "code"),
    [
        (problem(400, NO_CAPACITY), "capacity", "E_CAPACITY"),
        (
            problem(400, "This machine does not have the resources to deploy your pod. Please"),
            "capacity",
            "E_CAPACITY",
        ),
        (problem(402, "Your account balance is too low to rent a pod."), "quota", "E_ACCOUNT"),
        (problem(400, "Your account balance is too low to rent a pod."), "quota", "E_ACCOUNT"),
        (problem(402, "whatever"), "quota", "E_ACCOUNT"),
        (problem(400, "request could not be processed"), "invalid", "E_PROVIDER"),
        (problem(422, "Request validation failed.", errors=["$.gpu"]), "invalid", "E_PROVIDER"),
        (problem(403, "access denied"), "auth", "E_AUTH"),
        ((401, {}, "Unauthorized"), "auth", "E_AUTH"),
        (problem(429, "rate limit exceeded for the minute window"), "rate_limited", None),
    ],
)
def test_f11_f12_f13_a_launch_is_refused_where_runpod_itself_says_so(
    cloud: RunPodDouble, monkeypatch: pytest.MonkeyPatch, answer: Any, reason: str, code: str | None
) -> None:
    monkeypatch.setattr(cloud, "answer", lambda request: answer)

    result = client(cloud).launch(a_request())

    assert isinstance(result, Refused)
    assert result.reason == reason
    assert code is None or result.error.code == code


@pytest.mark.parametrize(
    "answer",
    [
        problem(408, "timeout"),
        problem(409, "conflict"),
        problem(425, "too early"),
        problem(500, NO_CAPACITY),
        (429, {}, "error code: 1015"),
        (400, {}, json.dumps({"error": NO_CAPACITY})),
        (402, {}, "<html>pay the proxy</html>"),
        said({"id": None}, status=201),
        said([], status=201),
    ],
)
def test_d2_a_launch_is_unknown_in_every_doubt(
    cloud: RunPodDouble, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(cloud, "answer", lambda request: answer)

    assert isinstance(client(cloud).launch(a_request()), Unknown)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, S.ACTIVE),
        ({"status": "PROVISIONING", "runtime": None, "ssh": None}, S.BOOTING),
        ({"status": "STARTING", "runtime": None}, S.BOOTING),
        # Both were seen: RUNNING from the creation on, and before SSH has a port.
        ({"runtime": None, "ssh": {"proxy": None, "direct": None}}, S.BOOTING),
        ({"ssh": {"direct": None}, "runtime": {"uptime": 1, "ports": None}}, S.BOOTING),
        ({"status": "EXITED"}, S.PREEMPTED),
        ({"status": "ERROR"}, S.UNHEALTHY),
        ({"status": "TERMINATED"}, S.TERMINATED),
        ({"status": "HIBERNATING"}, S.UNKNOWN),
        ({"status": None}, S.UNKNOWN),
    ],
)
def test_f25_a_pod_is_active_once_its_container_runs_and_ssh_has_a_port(
    changes: dict[str, object], status: InstanceStatus
) -> None:
    assert shapes.instance(a_pod(**changes)).status == status


def test_f27_the_address_is_that_of_ssh_with_its_port() -> None:
    pod = shapes.instance(a_pod())
    from_ports = shapes.instance(a_pod(ssh={"direct": None}))
    odd = {"host": "not an address", "port": 1}

    assert (pod.ip, pod.ssh_port) == ("198.51.100.7", 34446)
    assert (from_ports.ip, from_ports.ssh_port) == ("198.51.100.7", 34446)
    assert shapes.instance(a_pod(ssh={"direct": odd})).ip is None
    assert shapes.instance(a_pod(ssh={"direct": odd})).ssh_port is None


def test_i8_a_pod_costs_its_card_and_its_disk_and_never_less() -> None:
    # 0.69 and 100 GB at 0.10 a month of 730 hours: 0.703698...
    assert shapes.instance(a_pod()).hourly_price_usd == Decimal("0.7037")
    # Recorded: an exited pod goes on showing a price that nobody asks for.
    assert shapes.instance(a_pod(status="EXITED")).hourly_price_usd is None
    assert shapes.instance(a_pod(cost=0)).hourly_price_usd is None


def test_a_pod_that_cannot_be_told_from_others_spoils_the_list() -> None:
    for broken in (None, {}, {"id": 7}, a_pod(id="../..")):
        with pytest.raises(ProviderUnavailableError):
            shapes.instance(broken)


def test_i13_all_pages_of_the_list_are_read(cloud: RunPodDouble) -> None:
    cloud.page_pods = 2
    cloud.machines = [a_pod(id=f"pod{n}") for n in range(5)]

    listed = client(cloud).list_all()

    assert [pod.instance_id for pod in listed] == [f"pod{n}" for n in range(5)]
    assert len(cloud.calls) == 3


@pytest.mark.parametrize(
    "paging",
    [{"hasNextPage": True}, {"hasNextPage": True, "nextCursor": "always the same"}],
)
def test_i13_a_list_that_does_not_end_is_an_error(
    cloud: RunPodDouble, monkeypatch: pytest.MonkeyPatch, paging: dict[str, object]
) -> None:
    page = said({"pods": [a_pod()], "pagination": paging})
    monkeypatch.setattr(cloud, "answer", lambda request: page)

    with pytest.raises(ProviderUnavailableError):
        client(cloud).list_all()


def test_a_list_without_pages_is_whole(
    cloud: RunPodDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud, "answer", lambda request: said({"pods": [a_pod()]}))

    assert len(client(cloud).list_all()) == 1


def test_f66_only_runpods_own_404_says_that_a_pod_is_not_there(
    cloud: RunPodDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    client(cloud).terminate("nobody")
    assert client(cloud).get("nobody") is None
    monkeypatch.setattr(cloud, "answer", lambda request: (404, {}, "<html>no such page</html>"))

    with pytest.raises(ProviderUnavailableError):
        client(cloud).terminate("nobody")
    with pytest.raises(ProviderUnavailableError):
        client(cloud).get("nobody")


def test_offers_are_those_of_both_clouds_and_every_data_centre_with_stock(
    cloud: RunPodDouble,
) -> None:
    offers = client(cloud, disk_gb=73).offers()

    single = [o for o in offers if o.gpu_count == 1 and o.available]
    assert {(o.instance_type, o.region): o.hourly_price_usd for o in single} == {
        (f"1x {RTX_4090}", "US-KS-2"): Decimal("0.70"),
        (f"1x {RTX_4090} (community)", "US-KS-2"): Decimal("0.35"),
    }
    assert all("minCudaVersion=12.8" in call for call in cloud.calls)
    # Where one is free several may be: they are named by people, and the launch tells.
    several = {(o.instance_type, o.region, o.available) for o in offers if o.gpu_count > 1}
    assert several == {
        *((f"{n}x {RTX_4090}", "US-KS-2", True) for n in (2, 4, 8)),
        *((f"{n}x {RTX_4090} (community)", "US-KS-2", True) for n in (2, 4)),
    }


def test_a_card_that_is_sold_out_is_still_shown() -> None:
    [offer, *_] = offers_of(a_card(availability="NONE", dataCenters=None))

    assert (offer.region, offer.available, offer.vram_gib) == ("", False, 24)
    assert offer.description == "1x RTX 4090 (24 GB, Secure Cloud)"


def test_stock_without_a_data_centre_is_stock_anywhere() -> None:
    card = a_card(dataCenters=None)

    [offer, *_] = offers_of(card, side=shapes.COMMUNITY)

    assert (offer.region, offer.available) == (shapes.ANYWHERE, True)
    assert shapes.instance(a_pod(cloud="COMMUNITY", dataCenterId="CZ-1")).region == ""


@pytest.mark.parametrize(
    "changes",
    [
        {"manufacturer": "AMD"},
        {"id": "Tesla V100-SXM2-32GB"},
        {"id": None},
        {"secure": False},
        {"price": {"secure": 0}},
        {"price": {"secure": "dear"}},
        {"price": None},
    ],
)
def test_a_card_we_cannot_use_or_price_is_not_offered(changes: dict[str, object]) -> None:
    assert offers_of(a_card(), a_card(**changes)) == offers_of(a_card())


def test_a_catalogue_of_nothing_we_can_read_is_an_error() -> None:
    with pytest.raises(ProviderUnavailableError):
        offers_of({"title": "renamed"})


@pytest.mark.parametrize(
    ("image", "floor"),
    [
        ("runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404", "12.8"),
        ("runpod/pytorch:2.4.0-py3.11-cuda12.4.1-devel-ubuntu22.04", "12.4"),
        ("nvidia/cuda:latest", ""),
    ],
)
def test_the_image_says_how_new_the_hosts_driver_must_be(image: str, floor: str) -> None:
    assert cuda_floor(image) == floor


def test_t7_the_pods_log_tells_its_host_keys(cloud: RunPodDouble) -> None:
    cloud.machines = [a_pod(id="pod1")]
    cloud.log = [
        "RSA key fingerprint:",
        f"3072 {FINGERPRINT} root@pod1 (RSA)",
        f"256 {OTHER} root@pod1 (ED25519)",
        "Accepted publickey for root from 203.0.113.1 port 1 ssh2: ED25519 SHA256:" + "C" * 43,
    ]

    assert client(cloud).host_key_fingerprints("pod1") == {
        FINGERPRINT,
        OTHER,
    }
    assert "tail=5000" in cloud.calls[-1]


def test_t7_what_is_not_the_pods_own_log_line_tells_nothing(
    cloud: RunPodDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = f"256 {FINGERPRINT} root@pod1 (ED25519)"
    for text in (
        events([line], source="system"),
        "data: {not json\n\n",
        f"data: {line}\n",
        events([f"echo {line}"]),
        "",
    ):
        monkeypatch.setattr(cloud, "answer", lambda request, text=text: (200, {}, text))

        assert client(cloud).host_key_fingerprints("pod1") == frozenset()


def test_the_bill_is_the_sum_of_its_records(cloud: RunPodDouble) -> None:
    cloud.bills = [
        {"podId": "pod1", "totalAmount": 0.25},
        {"podId": "pod1", "totalAmount": 0.1},
        {"podId": "another", "totalAmount": 7},
    ]
    since = datetime(2026, 6, 1, 12, tzinfo=UTC)

    assert client(cloud).billed_usd("pod1", since=since) == Decimal("0.35")
    assert client(cloud).billed_usd("pod2", since=since) is None
    assert "startTime=2026-06-01T12%3A00%3A00Z" in cloud.calls[-1]


@pytest.mark.parametrize(
    ("balance", "shown"), [(12.5, Decimal("12.5")), (None, None), ("much", None)]
)
def test_the_balance_is_what_graphql_says_or_nothing(
    cloud: RunPodDouble, balance: object, shown: Decimal | None
) -> None:
    cloud.balance = balance

    assert client(cloud).balance_usd() == shown


def test_a_retired_graphql_shows_no_balance(
    cloud: RunPodDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cloud, "answer", lambda request: (410, {}, "gone"))

    assert client(cloud).balance_usd() is None


def test_a_registered_key_is_known_by_its_comment(cloud: RunPodDouble) -> None:
    cloud.keys = ["ssh-ed25519 AAAAone one", "ssh-ed25519 AAAAtwo my laptop"]

    assert client(cloud).ssh_public_key("my laptop") == "ssh-ed25519 AAAAtwo my laptop"
    with pytest.raises(ProviderRefusedError):
        client(cloud).ssh_public_key("laptop")


def test_a_launched_pod_is_the_one_that_was_named(cloud: RunPodDouble) -> None:
    result = client(cloud).launch(a_request())

    assert result == Launched(cloud.machines[0]["id"])
