"""Lambda's envelopes, keys, errors and catalogues, as clients meet them."""

import base64
import time

import pytest
import requests

from sandbox.rate_limits import REQUEST_SECONDS, TOLERANCE
from tests.sandbox.client import KEY_NAME, WAIT_SECONDS, Client, KeyPair
from tests.sandbox_cloud import SandboxHandle


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_without_a_key_the_answer_is_401_and_says_that_none_was_given(client: Client) -> None:
    response = requests.get(client.sandbox.base_url + "/instances", timeout=WAIT_SECONDS)

    assert response.status_code == 401
    assert response.json()["error"]["code"] == "global/invalid-api-key"
    assert response.json()["error"]["message"] == "No API key was provided."


def test_a_wrong_key_has_the_same_code_and_another_message(client: Client) -> None:
    response = requests.get(
        client.sandbox.base_url + "/instances",
        headers={"Authorization": "Bearer wrong"},
        timeout=WAIT_SECONDS,
    )

    assert response.status_code == 401
    error = response.json()["error"]
    assert error["code"] == "global/invalid-api-key"
    assert error["message"] == "API key was invalid, expired, or deleted."
    assert error["suggestion"]


@pytest.mark.parametrize("form", ["Bearer {key}", "{basic}", "Basic {key}"])
def test_bearer_and_both_forms_of_basic_open_the_api(client: Client, form: str) -> None:
    key = client.sandbox.api_key
    header = form.format(key=key, basic=basic(f"{key}:"))

    response = requests.get(
        client.sandbox.base_url + "/regions",
        headers={"Authorization": header},
        timeout=WAIT_SECONDS,
    )

    assert response.status_code == 200


@pytest.mark.parametrize("header", [b"Bearer \xff\xfe", b"Basic \xff", b"Bearer", b"Digest x"])
def test_a_header_that_is_no_key_at_all_is_401(client: Client, header: bytes) -> None:
    response = requests.get(
        client.sandbox.base_url + "/regions",
        headers={"Authorization": header},
        timeout=WAIT_SECONDS,
    )

    assert response.status_code == 401


def test_the_control_key_does_not_open_the_api(client: Client) -> None:
    response = requests.get(
        client.sandbox.base_url + "/regions",
        headers={"Authorization": f"Bearer {client.sandbox.control_key}"},
        timeout=WAIT_SECONDS,
    )

    assert response.status_code == 401


def test_a_body_is_read_as_json_whatever_its_content_type_says(client: Client) -> None:
    response = requests.post(
        client.sandbox.base_url + "/instance-operations/terminate",
        headers={
            **client.sandbox.authorization,
            "Content-Type": "application/x-www-form-urlencoded",
        },
        data='{"instance_ids": ["0000"]}',
        timeout=WAIT_SECONDS,
    )

    assert response.json()["error"]["code"] == "global/object-does-not-exist"


@pytest.mark.parametrize("body", ["{", "[]", "", '"text"'])
def test_a_body_that_is_no_json_object_is_an_invalid_parameter(client: Client, body: str) -> None:
    response = requests.post(
        client.sandbox.base_url + "/instance-operations/launch",
        headers=client.sandbox.authorization,
        data=body,
        timeout=WAIT_SECONDS,
    )

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "global/invalid-parameters"


def test_an_unknown_path_is_404_in_the_error_envelope(client: Client) -> None:
    response = client.get("/billing")

    assert response.status_code == 404
    assert response.json().keys() == {"error"}
    assert response.json()["error"]["code"] == "global/not-found"


def test_a_known_path_with_another_verb_is_405(client: Client) -> None:
    assert client.post("/instance-types", {}).status_code == 405


def test_the_types_are_an_object_by_name_with_price_specs_and_free_regions(client: Client) -> None:
    offers = client.get("/instance-types").json()["data"]

    a10 = offers["gpu_1x_a10"]
    assert a10["instance_type"] == {
        "name": "gpu_1x_a10",
        "description": "1x A10 (24 GB PCIe)",
        "gpu_description": "A10 (24 GB PCIe)",
        "price_cents_per_hour": 129,
        "specs": {"vcpus": 30, "memory_gib": 200, "storage_gib": 1400, "gpus": 1},
        "architecture": "x86_64",
    }
    assert {"name": "us-east-1", "description": "Virginia, USA"} in a10[
        "regions_with_capacity_available"
    ]
    assert offers["gpu_1x_gh200"]["instance_type"]["architecture"] == "arm64"


def test_a_type_that_is_sold_out_is_listed_without_regions(client: Client) -> None:
    offers = client.get("/instance-types").json()["data"]

    assert offers["gpu_8x_b200_sxm6"]["regions_with_capacity_available"] == []


def test_images_come_once_per_region(client: Client) -> None:
    regions = client.get("/regions").json()["data"]
    images = client.get("/images").json()["data"]

    stack = [
        image
        for image in images
        if image["family"] == "lambda-stack-22-04" and image["architecture"] == "x86_64"
    ]
    assert [image["region"] for image in stack] == regions


def test_an_added_ssh_key_is_listed_as_it_was_sent(client: Client) -> None:
    key = KeyPair.generate()

    added = client.post("/ssh-keys", {"name": "added", "public_key": f"{key.public} me@here"})

    assert added.json()["data"] in client.get("/ssh-keys").json()["data"]
    assert added.json()["data"]["public_key"] == f"{key.public} me@here"
    client.delete(f"/ssh-keys/{added.json()['data']['id']}")


def test_a_generated_ssh_key_shows_its_private_half_once(client: Client) -> None:
    made = client.post("/ssh-keys", {"name": "generated"}).json()["data"]

    assert made["private_key"].startswith("-----BEGIN RSA PRIVATE KEY-----")
    listed = [key for key in client.get("/ssh-keys").json()["data"] if key["id"] == made["id"]]
    assert listed == [
        {"id": made["id"], "name": "generated", "public_key": made["public_key"]},
    ]
    client.delete(f"/ssh-keys/{made['id']}")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"name": KEY_NAME, "public_key": KeyPair.generate().public}, "name"),
        ({"name": "x", "public_key": "ssh-ed25519 no-key"}, "public_key"),
        ({"name": "x" * 65, "public_key": "ssh-ed25519 AA"}, "name"),
        ({"public_key": "ssh-ed25519 AA"}, "name"),
        ({"name": "x", "public_key": "a" * 4097}, "public_key"),
    ],
)
def test_F23_a_taken_name_or_an_unreadable_key_is_refused(
    client: Client, body: dict[str, str], field: str
) -> None:
    response = client.post("/ssh-keys", body)

    assert response.status_code == 400
    assert response.json()["error"]["code"] == "global/invalid-parameters"
    assert response.json()["error"]["message"].startswith(f"{field}: ")


def test_an_ssh_key_can_be_deleted_once(client: Client) -> None:
    key = client.post("/ssh-keys", {"name": "short", "public_key": KeyPair.generate().public})
    path = f"/ssh-keys/{key.json()['data']['id']}"

    first, second = client.delete(path), client.delete(path)

    assert first.json() == {"data": {}}
    assert second.status_code == 404
    assert second.json()["error"]["code"] == "global/not-found"


def test_an_ssh_key_of_a_running_machine_cannot_be_deleted(client: Client) -> None:
    client.launch()
    keys = client.get("/ssh-keys").json()["data"]
    (key_id,) = [key["id"] for key in keys if key["name"] == KEY_NAME]

    response = client.delete(f"/ssh-keys/{key_id}")

    assert response.status_code == 400
    assert response.json()["error"]["message"] == "Key is currently in use, cannot delete"


def test_with_rate_limits_the_second_request_of_a_second_is_a_429_in_plain_text(
    client: Client,
) -> None:
    client.control("POST", "settings", {"rate_limits": True})

    first, second = _two_within_a_second(client)

    assert first.status_code == 200
    assert second.status_code == 429
    assert second.headers["Content-Type"].startswith("text/plain")
    assert second.text == "error code: 1015"


def test_the_request_log_names_the_key_by_fingerprint_only(running_cloud: SandboxHandle) -> None:
    requests.get(
        running_cloud.base_url + "/regions",
        headers={"Authorization": "Bearer some-secret-key"},
        timeout=WAIT_SECONDS,
    )

    log = running_cloud.control("GET", "requests")["requests"]

    # SHA-256 of the key, 16 digits.
    assert log[-1]["key"] == "89194b5d73be3582"
    assert (log[-1]["method"], log[-1]["path"]) == ("GET", "/api/v1/regions")
    assert (log[-1]["operation"], log[-1]["status"]) == ("regions", 401)
    assert "some-secret-key" not in str(log)
    assert running_cloud.api_key not in str(log)


def _two_within_a_second(client: Client) -> tuple[requests.Response, requests.Response]:
    """Return the answers of two requests that reached the cloud within a second."""
    given_up = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < given_up:
        started = time.monotonic()
        answers = client.get("/instances"), client.get("/instances")
        if time.monotonic() - started < REQUEST_SECONDS * TOLERANCE:
            return answers
        # The pace of before must not count against the next two.
        time.sleep(REQUEST_SECONDS)
    raise AssertionError("This computer is too slow for two requests a second.")
