"""Restart and rename, as a client sees them and as the machine lives them."""

from pathlib import Path

import paramiko
import pytest
import requests

from tests.sandbox.client import Client, wait_until
from tests.sandbox.test_machines import is_running


def restart(client: Client, *machine_ids: str) -> requests.Response:
    return client.post("/instance-operations/restart", {"instance_ids": list(machine_ids)})


def test_F52_a_restart_ends_processes_and_connections_and_keeps_home_address_and_host_key(
    client: Client,
) -> None:
    before = client.launch_active()
    start = "echo kept > kept; setsid nohup sleep 300 >/dev/null 2>&1 </dev/null & echo $!"
    pid = int(client.run(before["ip"], start).stdout)

    answer = restart(client, before["id"])

    (restarted,) = answer.json()["data"]["restarted_instances"]
    assert (restarted["id"], restarted["status"]) == (before["id"], "active")
    wait_until(lambda: client.instance(before["id"])["actions"]["restart"]["available"])
    assert not is_running(pid)
    # The client pins the host key of before.
    assert client.run(before["ip"], "cat kept").stdout == "kept\n"


def test_while_a_machine_restarts_ssh_refuses_and_a_second_restart_is_a_conflict(
    client: Client,
) -> None:
    instance = client.launch_active()
    client.control("POST", "settings", {"boot_seconds": 60})

    restart(client, instance["id"])
    again = restart(client, instance["id"])

    assert again.status_code == 409
    assert again.json()["error"]["code"] == "global/conflict"
    action = client.instance(instance["id"])["actions"]["restart"]
    assert (action["available"], action["reason_code"]) == (False, "vm-action-in-progress")
    with (
        pytest.raises(paramiko.ssh_exception.NoValidConnectionsError),
        client.ssh(instance["ip"]),
    ):
        pass


def test_a_booting_machine_cannot_be_restarted(client: Client) -> None:
    client.control("POST", "settings", {"boot_seconds": 60})

    response = restart(client, client.launch())

    assert response.status_code == 409


def test_a_restart_of_an_unknown_machine_restarts_no_other(client: Client) -> None:
    instance = client.launch_active()
    pid = int(client.run(instance["ip"], "setsid sleep 300 >/dev/null 2>&1 & echo $!").stdout)

    response = restart(client, instance["id"], "0" * 32)

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "global/object-does-not-exist"
    assert is_running(pid)


def test_a_machine_terminated_while_it_restarts_is_gone(client: Client) -> None:
    instance = client.launch_active()
    home = Path(client.truth(instance["id"])["home"])

    restart(client, instance["id"])
    client.terminate(instance["id"])

    client.wait_for(instance["id"], "terminated")
    assert not home.exists()


def test_a_machine_gets_another_name_and_the_bill_keeps_the_first(client: Client) -> None:
    machine_id = client.launch(name="first")

    answer = client.post(f"/instances/{machine_id}", {"name": "second"})

    assert answer.json()["data"]["name"] == "second"
    assert client.instance(machine_id)["name"] == "second"
    assert client.bill(machine_id)["name"] == "first"


@pytest.mark.parametrize("name", ["n" * 65, 5, ["a"]])
def test_a_name_that_is_none_is_refused(client: Client, name: object) -> None:
    machine_id = client.launch(name="first")

    response = client.post(f"/instances/{machine_id}", {"name": name})

    assert response.status_code == 400
    assert client.instance(machine_id)["name"] == "first"


def test_a_renaming_without_a_name_changes_nothing_and_an_unknown_machine_is_404(
    client: Client,
) -> None:
    machine_id = client.launch(name="first")

    unchanged = client.post(f"/instances/{machine_id}", {})
    unknown = client.post(f"/instances/{'0' * 32}", {"name": "x"})

    assert unchanged.json()["data"]["name"] == "first"
    assert unknown.json()["error"]["code"] == "global/object-does-not-exist"


def test_an_image_is_chosen_by_family_or_id_and_must_fit_the_processor(client: Client) -> None:
    images = {
        (image["family"], image["architecture"]): image["id"]
        for image in client.get("/images").json()["data"]
    }
    arm = {"instance_type_name": "gpu_1x_gh200", "region_name": "us-east-3"}

    by_family = client.try_launch(image={"family": "lambda-stack-24-04"})
    by_id = client.try_launch(**arm, image={"id": images["lambda-stack-22-04", "arm64"]})
    wrong = client.try_launch(**arm, image={"id": images["lambda-stack-22-04", "x86_64"]})

    assert (by_family.status_code, by_id.status_code) == (200, 200)
    assert wrong.status_code == 400
    assert wrong.json()["error"]["message"].startswith("image: ")
