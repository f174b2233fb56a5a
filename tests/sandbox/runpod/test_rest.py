"""REST v2 around the pods: key, errors, catalogue, keys, bill, quota."""

from decimal import Decimal
from typing import Any

import pytest
import requests

from tests.sandbox.client import WAIT_SECONDS, KeyPair, wait_until
from tests.sandbox.runpod.client import GPU, PodClient

NO_CAPACITY = (
    "There are no longer any instances available with the requested specifications. "
    "Please refresh and try again."
)


def test_no_key_and_a_wrong_key_are_401_problems(pods: PodClient) -> None:
    url = f"{pods.base_url}/account/ssh-keys"

    without = requests.get(url, timeout=WAIT_SECONDS)
    wrong = requests.get(url, headers={"Authorization": "Bearer no"}, timeout=WAIT_SECONDS)

    assert without.status_code == wrong.status_code == 401
    assert without.headers["Content-Type"].startswith("application/problem+json")
    assert without.json()["detail"] == "missing bearer token"
    assert wrong.json()["title"] == "Unauthorized"


def test_the_old_version_is_gone_and_unknown_paths_are_404(pods: PodClient) -> None:
    old = requests.get(f"{pods.client.sandbox.root_url}/v1/pods", timeout=WAIT_SECONDS)

    assert old.status_code == 401
    headers = pods.client.sandbox.authorization
    url = f"{pods.client.sandbox.root_url}/v1/pods"
    assert requests.get(url, headers=headers, timeout=WAIT_SECONDS).status_code == 410
    assert pods.send("GET", "/account/balance").status_code == 404
    assert pods.send("DELETE", "/pods").status_code == 405


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"name": None}, "$: missing property 'name'"),
        ({"image": None}, "$: missing property 'image'"),
        ({"colour": "green"}, "$: additional properties 'colour' not allowed"),
        ({"cloud": "ALL"}, "$.cloud: value must be one of SECURE, COMMUNITY"),
        ({"ports": ["53/udp"]}, "$.ports: items must match '^[0-9]+/(tcp|http)$'"),
        ({"disk": 0}, "$.disk: value must be an integer, 1 or more"),
        ({"env": {"A": 1}}, "$.env: value must be an object of strings"),
        ({"gpu": {"count": 1}}, "$.gpu: missing property 'id'"),
        ({"gpu": {"id": GPU, "count": 1, "bid": 1}}, "$.gpu: additional properties 'bid'"),
        ({"mounts": {"persistent": {"size": 5, "path": "/workspace"}}}, "$.mounts.persistent.size"),
    ],
)
def test_a_body_that_does_not_match_is_a_422_that_says_where(
    pods: PodClient, changes: dict[str, Any], error: str
) -> None:
    response = pods.try_create(**changes)

    assert response.status_code == 422
    assert response.json()["detail"] == "Request validation failed."
    assert any(told.startswith(error) for told in response.json()["errors"])


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        ({"gpu": {"id": GPU}}, NO_CAPACITY),
        ({"gpu": {"id": "NVIDIA B200", "count": 1}}, NO_CAPACITY),
        ({"gpu": {"id": GPU, "count": 9}}, NO_CAPACITY),
        ({"gpu": {"id": GPU, "count": 1, "minCudaVersion": "13.0"}}, NO_CAPACITY),
        ({"cloud": "COMMUNITY"}, NO_CAPACITY),
        ({"dataCenterIds": ["OC-AU-1"]}, NO_CAPACITY),
        ({"dataCenterIds": ["eu-ro-1"]}, NO_CAPACITY),
        ({"gpu": None}, "exactly one of gpu or cpu must be set"),
        ({"disk": None}, "You must provide a template id or pod configuration parameters"),
    ],
)
def test_F13_what_cannot_be_placed_is_a_400_and_rents_nothing(
    pods: PodClient, changes: dict[str, Any], detail: str
) -> None:
    before = len(pods.client.control("GET", "ledger")["entries"])

    response = pods.try_create(**changes)

    assert response.status_code == 400
    assert response.json()["detail"].startswith(detail)
    assert len(pods.client.control("GET", "ledger")["entries"]) == before


def test_a_pod_is_placed_on_a_host_whose_driver_is_new_enough(pods: PodClient) -> None:
    gpu = {"id": "NVIDIA RTX A4000", "count": 1}

    new = pods.create_running(gpu={**gpu, "minCudaVersion": "12.8"})
    old = pods.create_running(gpu={**gpu, "allowedCudaVersions": ["12.4"]})

    assert (new["cudaVersion"], new["dataCenterId"]) == ("12.8", "EU-RO-1")
    assert (old["cudaVersion"], old["dataCenterId"]) == ("12.4", "EU-SE-1")


def test_F12_too_little_credit_is_a_402(pods: PodClient) -> None:
    spent = sum(
        Decimal(entry["cost_cents"])
        for entry in pods.client.control("GET", "ledger")["entries"]
        if entry["cloud"] == "runpod"
    )
    pods.client.control("POST", "settings", {"runpod_credit_cents": float(spent) + 48})

    response = pods.try_create()

    assert response.status_code == 402
    assert response.json()["detail"].startswith("Your account balance is too low")


def test_the_last_gpus_are_sold_once_and_free_again_after_the_end(pods: PodClient) -> None:
    offer = {"instance_type": "NVIDIA H100 PCIe", "region": "US-KS-2", "free": 2}
    pods.client.control("POST", "capacity", offer)
    gpu = {"id": "NVIDIA H100 PCIe", "count": 2}

    pod_id = pods.create(gpu=gpu)["id"]
    refused = pods.try_create(gpu=gpu)
    pods.send("DELETE", f"/pods/{pod_id}")

    assert refused.json()["detail"] == NO_CAPACITY
    wait_until(lambda: pods.try_create(gpu=gpu).status_code == 201)


def test_the_catalogue_tells_prices_and_stock_by_data_center(pods: PodClient) -> None:
    query = "include=AVAILABILITY&product=POD&cloud=SECURE&count=1"

    gpus = pods.send("GET", f"/catalog/gpus?{query}").json()["gpus"]

    by_id = {gpu["id"]: gpu for gpu in gpus}
    rtx_4090 = by_id["NVIDIA GeForce RTX 4090"]
    assert rtx_4090["price"] == {"secure": 0.74, "community": 0.34}
    assert (rtx_4090["memory"], rtx_4090["maxCount"]) == (24, {"secure": 8, "community": 8})
    assert [center["id"] for center in rtx_4090["dataCenters"]] == ["EU-RO-1", "US-TX-3"]
    assert by_id["NVIDIA B200"]["availability"] == "NONE"
    assert by_id["NVIDIA A40"]["community"] is False


@pytest.mark.parametrize("query", ["include=AVAILABILITY", "product=POD", "countryCodes=FR"])
def test_stock_and_its_filters_need_each_other(pods: PodClient, query: str) -> None:
    assert pods.send("GET", f"/catalog/gpus?{query}").status_code == 400


def test_stock_is_that_of_secure_cloud_unless_asked_otherwise(pods: PodClient) -> None:
    def level(query: str) -> str:
        path = f"/catalog/gpus?include=AVAILABILITY&product=POD{query}"
        gpus = pods.send("GET", path).json()["gpus"]
        return next(str(gpu["availability"]) for gpu in gpus if gpu["name"] == "RTX 3090")

    assert (level(""), level("&cloud=COMMUNITY")) == ("NONE", "MEDIUM")


def test_data_centers_can_be_asked_for_by_region_with_their_stock(pods: PodClient) -> None:
    query = "include=GPU_AVAILABILITY&regions=ASIA,OCEANIA"

    centers = pods.send("GET", f"/catalog/datacenters?{query}").json()["dataCenters"]

    assert [center["id"] for center in centers] == ["AP-JP-1", "OC-AU-1"]
    assert centers[0]["gpuAvailability"][0]["id"] == "NVIDIA H100 80GB HBM3"
    assert "gpuAvailability" not in centers[1]


def test_start_ssh_brings_the_account_s_keys_into_a_pod(pods: PodClient) -> None:
    key = KeyPair.generate()
    try:
        pods.send("PUT", "/account/ssh-keys", {"keys": [key.public]})
        pod = pods.create_running(env=None, startSsh=True)
    finally:
        pods.send("PUT", "/account/ssh-keys", {"keys": []})

    assert pods.send("PUT", "/account/ssh-keys", {"keys": ["nonsense"]}).status_code == 422
    with pods.ssh(pod, key=key):
        pass


def test_a_bill_is_by_the_second_and_has_the_disks(pods: PodClient) -> None:
    mounts = {"persistent": {"size": 100, "path": "/workspace"}}
    pod = pods.create_running(disk=50, mounts=mounts)
    pods.send("DELETE", f"/pods/{pod['id']}")
    wait_until(lambda: pods.client.bill(pod["id"])["terminated_at"] is not None)

    (record,) = pods.send("GET", f"/billing/pods?podId={pod['id']}").json()["records"]

    bill = pods.client.bill(pod["id"])
    seconds = bill["billed_seconds"]
    assert bill["quantum_seconds"] == 1
    assert record["podId"] == pod["id"]
    assert record["gpuAmount"] == pytest.approx(0.49 * seconds / 3600)
    assert record["diskAmount"] == pytest.approx(150 * 0.10 / 730 / 3600 * seconds)
    assert record["totalAmount"] == pytest.approx(float(bill["cost_cents"]) / 100)


def test_the_quota_is_told_and_kept(pods: PodClient) -> None:
    pods.client.control("POST", "settings", {"rate_limits": True})

    answers = [pods.send("GET", "/account/ssh-keys") for _ in range(61)]

    assert answers[-1].status_code == 429
    assert answers[-1].headers["Retry-After"] == "60"
    assert answers[-1].headers["RateLimit"].startswith('"minute";r=0;t=')
    assert answers[-1].headers["RateLimit-Policy"].startswith('"minute";q=60;w=60')
