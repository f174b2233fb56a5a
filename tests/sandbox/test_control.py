"""The control endpoints: who may call them, and what they change."""

import pytest
import requests

from tests.sandbox.client import WAIT_SECONDS, Client


def test_health_needs_no_key_and_says_nothing_else(client: Client) -> None:
    response = requests.get(client.sandbox.root_url + "/_sandbox/health", timeout=WAIT_SECONDS)

    assert response.json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "ledger"),
        ("GET", "machines"),
        ("GET", "requests"),
        ("GET", "faults"),
        ("POST", "faults"),
        ("DELETE", "faults"),
        ("POST", "prices"),
        ("POST", "capacity"),
        ("POST", "settings"),
        ("POST", "machines/0/vanish"),
    ],
)
def test_T21_nothing_else_opens_without_the_control_key(
    client: Client, method: str, path: str
) -> None:
    url = f"{client.sandbox.root_url}/_sandbox/{path}"

    without = requests.request(method, url, json={}, timeout=WAIT_SECONDS)
    with_api_key = requests.request(
        method, url, json={}, headers=client.sandbox.authorization, timeout=WAIT_SECONDS
    )

    assert (without.status_code, with_api_key.status_code) == (401, 401)


def test_the_control_key_also_comes_as_a_bearer_token(client: Client) -> None:
    response = requests.get(
        client.sandbox.root_url + "/_sandbox/ledger",
        headers={"Authorization": f"Bearer {client.sandbox.control_key}"},
        timeout=WAIT_SECONDS,
    )

    assert response.status_code == 200


def test_capacity_set_is_capacity_shown(client: Client) -> None:
    sold_out = {"instance_type": "gpu_1x_a100", "region": "us-east-1", "free": 0}

    shown = client.control("POST", "capacity", sold_out)["capacity"]

    assert "gpu_1x_a100" not in shown
    offers = client.get("/instance-types").json()["data"]
    assert offers["gpu_1x_a100"]["regions_with_capacity_available"] == []
    client.control("POST", "capacity", {**sold_out, "free": 4})


def test_settings_are_changed_and_shown(client: Client) -> None:
    changed = client.control("POST", "settings", {"boot_seconds": 3.5})["settings"]

    assert changed["boot_seconds"] == 3.5
    assert client.control("GET", "settings")["settings"] == changed


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("settings", {"colour": 1}),
        ("settings", {"boot_seconds": -1}),
        ("settings", {"boot_seconds": True}),
        ("settings", {"rate_limits": 1}),
        ("prices", {"instance_type": "unknown", "price_cents_per_hour": 1}),
        ("prices", {"instance_type": "gpu_1x_a10", "price_cents_per_hour": 1.5}),
        ("capacity", {"instance_type": "gpu_1x_a10", "region": "moon-1", "free": 1}),
        ("capacity", {"instance_type": "gpu_1x_a10", "region": "us-east-1", "free": -1}),
    ],
)
def test_a_change_that_makes_no_sense_is_refused(client: Client, path: str, body: object) -> None:
    with pytest.raises(requests.HTTPError) as refused:
        client.control("POST", path, body)

    assert refused.value.response.status_code == 400
    assert refused.value.response.json()["error"]


def test_an_unknown_machine_cannot_vanish(client: Client) -> None:
    with pytest.raises(requests.HTTPError) as refused:
        client.control("POST", "machines/unknown/vanish")

    assert refused.value.response.status_code == 404
