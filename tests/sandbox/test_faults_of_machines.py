"""Faults of a machine's life: what is launched, shown, found on it, and how it ends."""

import time
from typing import Any

import paramiko
import pytest
import requests

from tests.sandbox.client import Client, run, wait_until

NO_CONNECTION = paramiko.ssh_exception.NoValidConnectionsError


def test_F21_a_launch_can_answer_two_ids_and_rents_both(client: Client) -> None:
    client.fault("launch", "two_ids")

    ids = client.try_launch().json()["data"]["instance_ids"]

    assert len(set(ids)) == 2
    assert set(ids) <= set(client.listed_ids())
    assert all(client.bill(machine_id)["terminated_at"] is None for machine_id in ids)


def test_F21_a_launch_can_start_another_type_which_is_billed_as_what_it_is(client: Client) -> None:
    client.fault("launch", "wrong_type", instance_type="gpu_1x_a100")

    machine_id = client.launch(instance_type_name="gpu_1x_a10")

    assert client.instance(machine_id)["instance_type"]["name"] == "gpu_1x_a100"
    assert client.bill(machine_id)["price_cents_per_hour"] == 199


def test_F21_a_launch_can_start_in_another_region(client: Client) -> None:
    client.fault("launch", "wrong_region", region="us-west-1")

    machine_id = client.launch(region_name="us-east-1")

    assert client.instance(machine_id)["region"]["name"] == "us-west-1"


def test_a_wrong_machine_gives_back_the_place_that_was_taken(client: Client) -> None:
    before = client.control("GET", "capacity")["capacity"]
    client.fault("launch", "wrong_type")
    client.fault("launch", "two_ids")
    ids = [client.launch(), *client.try_launch().json()["data"]["instance_ids"]]

    client.terminate(*ids)

    wait_until(lambda: client.control("GET", "capacity")["capacity"] == before)


def test_F68_a_list_can_be_cut_short(client: Client) -> None:
    ids = [client.launch() for _ in range(3)]
    kept = client.listed_ids().index(ids[1])
    client.fault("list", "truncated_list", keep=kept)

    cut = client.listed_ids()

    assert ids[0] in cut
    assert not {ids[1], ids[2]} & set(cut)
    assert set(ids) <= set(client.listed_ids())


def test_F68_a_list_can_be_that_of_another_account(client: Client) -> None:
    client.launch()
    ours = set(client.listed_ids())
    client.fault("list", "foreign_list")

    foreign = client.get("/instances").json()["data"]

    assert foreign
    assert not {instance["id"] for instance in foreign} & ours
    own = client.get("/instances").json()["data"][0]
    assert foreign[0].keys() - {"ip"} <= own.keys()


def test_F68_a_list_can_be_stale(client: Client) -> None:
    client.control("POST", "settings", {"terminated_visible_seconds": 0})
    ended = client.launch_active()["id"]
    before = client.listed_ids()
    client.terminate(ended)
    client.wait_for(ended, "terminated")
    started = client.launch()
    client.fault("list", "stale_list")

    stale, fresh = client.listed_ids(), client.listed_ids()

    assert stale == before
    assert ended not in fresh
    assert started in fresh


def test_F27_a_machine_can_be_active_before_its_address_shows(client: Client) -> None:
    client.fault("launch", "ip_late", seconds=600)
    client.fault("launch", "ip_late", seconds=0.1)

    without, late = client.launch_active(), client.launch_active()

    assert "ip" not in without
    wait_until(lambda: "ip" in client.instance(late["id"]))
    assert client.run(client.instance(late["id"])["ip"], "echo up").stdout == "up\n"


def test_F27_an_address_can_change_and_the_host_key_stays(client: Client) -> None:
    before = _seen_before_its_address_changes(client)

    wait_until(lambda: client.instance(before["id"])["ip"] != before["ip"])

    after = client.instance(before["id"])
    assert client.run(after["ip"], "echo moved").stdout == "moved\n"
    with pytest.raises(NO_CONNECTION), client.ssh(before["ip"]):
        pass


def test_F50_a_machine_can_become_unhealthy_with_ssh_alive(client: Client) -> None:
    client.fault("launch", "unhealthy_later")

    instance = client.wait_for(client.launch(), "unhealthy")

    assert client.run(instance["ip"], "echo alive").stdout == "alive\n"
    assert client.bill(instance["id"])["terminated_at"] is None


def test_F48_a_machine_can_be_preempted_which_ends_it_and_its_bill(client: Client) -> None:
    client.fault("launch", "preempted")

    instance = client.wait_for(client.launch(), "preempted")

    wait_until(lambda: client.bill(instance["id"])["terminated_at"] is not None)
    assert client.instance(instance["id"])["status"] == "preempted"
    assert instance["id"] in client.listed_ids()
    assert client.terminate(instance["id"]).status_code == 200
    with pytest.raises(NO_CONNECTION), client.ssh(instance["ip"]):
        pass


def test_F67_a_machine_can_be_stuck_in_terminating_and_is_billed(client: Client) -> None:
    client.fault("terminate", "stuck_terminating")
    instance = client.launch_active()

    client.terminate(instance["id"])
    client.terminate(instance["id"])

    wait_until(lambda: not client.truth(instance["id"])["pids"])
    assert client.instance(instance["id"])["status"] == "terminating"
    assert client.bill(instance["id"])["terminated_at"] is None


def test_F67_a_machine_can_be_stuck_for_a_while_only(client: Client) -> None:
    client.fault("terminate", "stuck_terminating", seconds=0.2)
    machine_id = client.launch_active()["id"]

    client.terminate(machine_id)

    client.wait_for(machine_id, "terminated")


def test_F66_terminate_can_say_404_though_the_machine_lives(client: Client) -> None:
    machine_id = client.launch_active()["id"]
    client.fault("terminate", "status", status=404)

    response = client.terminate(machine_id)

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "global/object-does-not-exist"
    assert client.instance(machine_id)["status"] == "active"


def test_F56_a_key_can_be_refused_from_some_time_on(client: Client) -> None:
    client.fault("get", "status", status=401, times=None, after_seconds=600)
    client.fault("list", "status", status=401, times=None, after_seconds=0.05)

    wait_until(lambda: client.get("/instances").status_code == 401)

    assert client.get(f"/instances/{'0' * 32}").status_code == 404


def test_F72_a_price_can_change_while_a_machine_runs_whose_bill_stays(client: Client) -> None:
    machine_id = client.launch(instance_type_name="gpu_1x_a100")
    new_price = {"instance_type": "gpu_1x_a100", "price_cents_per_hour": 299}

    client.control("POST", "prices", new_price)

    assert client.instance(machine_id)["instance_type"]["price_cents_per_hour"] == 299
    assert client.bill(machine_id)["price_cents_per_hour"] == 199
    client.control("POST", "prices", {**new_price, "price_cents_per_hour": 199})


def test_F30_an_image_can_ignore_the_injected_host_key(client: Client) -> None:
    client.fault("launch", "host_key_ignored")

    instance = client.launch_active()

    with pytest.raises(paramiko.BadHostKeyException), client.ssh(instance["ip"]):
        pass
    (own,) = client.truth(instance["id"])["host_keys"]
    with client.ssh(instance["ip"], host_key=own) as ssh:
        assert run(ssh, "echo hello").stdout == "hello\n"


def test_F32_nvidia_smi_can_show_another_gpu_than_was_bought(client: Client) -> None:
    client.fault("launch", "gpu_other", instance_type="gpu_1x_rtx6000")

    shown = client.run(client.launch_active()["ip"], "nvidia-smi -L")

    assert "Quadro RTX 6000" in shown.stdout


def test_F31_nvidia_smi_can_fail(client: Client) -> None:
    client.fault("launch", "gpu_fails")

    shown = client.run(client.launch_active()["ip"], "nvidia-smi --query-gpu=name --format=csv")

    assert shown.status == 9
    assert "couldn't communicate with the NVIDIA driver" in shown.stdout


def test_F31_an_image_can_be_without_the_file_that_lets_a_cpu_stand_in(client: Client) -> None:
    client.fault("launch", "no_stand_in")

    shown = client.run(client.launch_active()["ip"], "ls -A")

    assert shown.stdout == ""


def test_F35_a_disk_can_be_full_for_sftp_and_for_who_asks_in_python(client: Client) -> None:
    client.fault("launch", "disk_full", bytes=1000)
    instance = client.launch_active()
    ask = "import shutil; print(shutil.disk_usage('.').free)"

    free = client.run(instance["ip"], f'python3 -c "{ask}"')

    assert free.stdout == "1000\n"
    with client.ssh(instance["ip"]) as ssh, ssh.open_sftp() as sftp:
        with sftp.open("fits", "wb") as file:
            file.write(b"x" * 1000)
        with sftp.open("too-much", "wb") as file, pytest.raises(OSError, match="No space left"):
            file.write(b"x")


def test_one_launch_can_meet_faults_of_several_stages(client: Client) -> None:
    for kind in ("no_stand_in", "gpu_fails", "unhealthy_later"):
        client.fault("launch", kind)

    instance = client.wait_for(client.launch(), "unhealthy")

    assert client.run(instance["ip"], "ls -A; nvidia-smi").status == 9


def test_a_fault_can_be_about_machines_of_some_name(client: Client) -> None:
    client.fault("launch", "capacity", named="-b7-", times=None)
    client.fault("terminate", "ok_but_alive", named="-a3-")

    assert client.try_launch(name="slw-b7-n0").status_code == 400
    spared, kept = client.launch(name="slw-c1-n0"), client.launch(name="slw-a3-n0")

    client.terminate(spared)
    client.terminate(kept)
    client.wait_for(spared, "terminated")
    assert client.wait_for(kept, "active")["id"] == kept


@pytest.mark.parametrize(
    "row",
    [
        {"on": "launch", "kind": "wrong_type", "instance_type": "gpu_9x_z1"},
        {"on": "launch", "kind": "wrong_region", "region": "moon-1"},
        {"on": "launch", "kind": "ip_late", "seconds": None},
        {"on": "list", "kind": "stuck_terminating"},
        {"on": "list", "kind": "truncated_list", "keep": -1},
        {"on": "list", "kind": "status", "after_seconds": "soon"},
        {"on": "list", "kind": "delay", "commit": "yes"},
        {"on": "ssh", "kind": "status"},
        {"on": "ssh", "kind": "ssh_cut", "machine": 5},
        {"on": "exec", "kind": "exec_unanswered", "contains": None},
        {"on": "launch", "kind": "signal", "signal": "NONSENSE"},
        {"on": "launch", "kind": "signal", "process": None},
        {"on": "launch", "kind": "capacity", "named": 7},
    ],
)
def test_a_row_about_nothing_there_is_refused(client: Client, row: object) -> None:
    with pytest.raises(requests.HTTPError) as refused:
        client.control("POST", "faults", row)

    assert refused.value.response.status_code == 400


def _seen_before_its_address_changes(client: Client) -> dict[str, Any]:
    """Return an active machine with its first address, however slow this computer is."""
    for seconds in (1, 5, 25, 125):
        client.fault("launch", "ip_changes", seconds=seconds)
        started = time.monotonic()
        instance = client.launch_active()
        if time.monotonic() - started < seconds:
            return instance
    raise AssertionError("A machine is not seen within two minutes of its launch.")
