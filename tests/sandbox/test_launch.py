"""What a launch accepts, what it refuses, and in which order."""

from typing import Any

import pytest

from tests.sandbox.client import KEY_NAME, Client, cloud_config


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"region_name": None}, "region_name"),
        ({"region_name": 5}, "region_name"),
        ({"instance_type_name": None}, "instance_type_name"),
        ({"ssh_key_names": None}, "ssh_key_names"),
        ({"ssh_key_names": []}, "ssh_key_names"),
        ({"ssh_key_names": [KEY_NAME, "other"]}, "ssh_key_names"),
        ({"ssh_key_names": KEY_NAME}, "ssh_key_names"),
        ({"name": "n" * 65}, "name"),
        ({"hostname": "Upper"}, "hostname"),
        ({"hostname": "h" * 64}, "hostname"),
        ({"tags": [{"key": "Upper", "value": ""}]}, "tags.key"),
        ({"tags": [{"key": "k" * 56, "value": ""}]}, "tags.key"),
        ({"tags": [{"key": "key", "value": "v" * 129}]}, "tags.value"),
        ({"user_data": "#" * 1_000_001}, "user_data"),
        ({"quantity": 0}, "quantity"),
        ({"image": {}}, "image"),
        ({"file_system_mounts": [{}]}, "file_system_mounts.file_system_id"),
    ],
)
def test_F12_a_bad_parameter_is_named_in_the_message(
    client: Client, changes: dict[str, Any], field: str
) -> None:
    response = client.try_launch(**changes)

    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "global/invalid-parameters"
    assert error["message"].startswith(f"{field}: ")


@pytest.mark.parametrize(
    "changes",
    [
        {"ssh_key_names": ["unknown"]},
        {"instance_type_name": "gpu_9x_z1"},
        {"region_name": "moon-1"},
        {"image": {"family": "unknown"}},
        {"image": {"id": "unknown"}},
        {"file_system_names": ["unknown"]},
    ],
)
def test_a_thing_that_is_not_there_is_named_in_a_404(
    client: Client, changes: dict[str, Any]
) -> None:
    response = client.try_launch(**changes)

    assert response.status_code == 404
    error = response.json()["error"]
    assert error.keys() == {"code", "message", "suggestion"}
    assert error["code"] == "global/object-does-not-exist"


def test_a_file_system_is_looked_at_before_capacity(client: Client) -> None:
    response = client.try_launch(instance_type_name="gpu_8x_b200_sxm6", file_system_names=["data"])

    assert response.json()["error"]["code"] == "global/object-does-not-exist"
    assert response.json()["error"]["message"] == (
        "File system data does not exist in region us-east-1."
    )


def test_F13_a_sold_out_type_is_refused_for_capacity(client: Client) -> None:
    response = client.try_launch(instance_type_name="gpu_8x_b200_sxm6")

    assert response.status_code == 400
    error = response.json()["error"]
    assert error["code"] == "instance-operations/launch/insufficient-capacity"
    assert error["message"] == "Not enough capacity to fulfill launch request."


def test_nothing_is_rented_by_a_refused_launch(client: Client) -> None:
    before = client.control("GET", "ledger")["entries"]

    client.try_launch(instance_type_name="gpu_8x_b200_sxm6")
    client.try_launch(ssh_key_names=["unknown"])

    assert client.control("GET", "ledger")["entries"] == before


def test_a_quantity_of_one_is_let_pass_and_of_two_refused(client: Client) -> None:
    one, two = client.try_launch(quantity=1), client.try_launch(quantity=2)

    assert one.status_code == 200
    assert two.status_code == 400
    assert two.json()["error"]["message"] == "Requested too many instances."


def test_unknown_fields_are_ignored(client: Client) -> None:
    assert client.try_launch(colour="green").status_code == 200


def test_the_last_free_machine_is_sold_once_and_free_again_after_terminate(client: Client) -> None:
    offer = {"instance_type_name": "gpu_1x_a6000", "region_name": "us-south-1"}
    client.control(
        "POST", "capacity", {"instance_type": "gpu_1x_a6000", "region": "us-south-1", "free": 1}
    )

    machine_id = client.launch(**offer)
    refused = client.try_launch(**offer)
    client.terminate(machine_id)
    client.wait_for(machine_id, "terminated")
    again = client.try_launch(**offer)

    assert refused.json()["error"]["code"].endswith("insufficient-capacity")
    assert again.status_code == 200


def test_name_tags_and_hostname_come_back_and_user_data_never_does(client: Client) -> None:
    instance = client.launch_active(
        name="mine",
        hostname="headnode1",
        tags=[{"key": "install", "value": "a1"}],
        user_data=cloud_config(client.host_key),
    )

    assert instance["name"] == "mine"
    assert instance["hostname"] == "headnode1"
    assert instance["tags"] == [{"key": "install", "value": "a1"}]
    assert client.host_key.private.splitlines()[1] not in client.get("/instances").text


def test_two_machines_may_have_the_same_name(client: Client) -> None:
    first, second = client.launch(name="twin"), client.launch(name="twin")

    assert first != second
    assert {first, second} <= set(client.listed_ids())
