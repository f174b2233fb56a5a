"""The life of a machine as the API shows it."""

from tests.sandbox.client import Client, wait_until


def test_a_booting_machine_has_no_address_at_first(client: Client) -> None:
    client.control("POST", "settings", {"boot_seconds": 60})

    instance = client.instance(client.launch())

    assert instance["status"] == "booting"
    assert instance.keys().isdisjoint({"ip", "private_ip", "hostname", "jupyter_token"})
    assert instance["ssh_key_names"] == ["test-key"]
    assert instance["file_system_names"] == []
    assert instance["is_reserved"] is False
    assert instance["actions"]["terminate"] == {"available": True}
    assert instance["actions"]["restart"]["reason_code"] == "vm-has-not-launched"


def test_F27_the_address_comes_while_the_machine_is_still_booting(client: Client) -> None:
    client.fault("launch", "boot_never_ends")
    machine_id = client.launch()

    wait_until(lambda: "ip" in client.instance(machine_id))

    assert client.instance(machine_id)["status"] == "booting"


def test_an_active_machine_shows_its_address_its_type_and_its_secrets(client: Client) -> None:
    instance = client.launch_active()

    assert instance["ip"].startswith("127.")
    assert instance["hostname"] == instance["ip"]
    assert instance["instance_type"]["price_cents_per_hour"] == 129
    assert instance["region"] == {"name": "us-east-1", "description": "Virginia, USA"}
    # Live credentials, as in the field: a client must neither log nor keep them.
    assert instance["jupyter_token"] in instance["jupyter_url"]


def test_T21_addresses_are_random_and_never_in_127_0_0(client: Client) -> None:
    first, second = client.launch_active()["ip"], client.launch_active()["ip"]

    assert first != second
    assert not first.startswith("127.0.")
    assert not second.startswith("127.0.")


def test_terminate_answers_with_the_instances_it_ends(client: Client) -> None:
    client.control("POST", "settings", {"terminate_seconds": 60})
    machine_id = client.launch_active()["id"]

    (answer,) = client.terminate(machine_id).json()["data"]["terminated_instances"]

    assert (answer["id"], answer["status"]) == (machine_id, "terminating")
    assert answer["actions"]["terminate"]["reason_code"] == "vm-is-terminating"
    assert machine_id in client.listed_ids()


def test_a_booting_machine_can_be_terminated_and_never_becomes_active(client: Client) -> None:
    client.control("POST", "settings", {"boot_seconds": 60})
    machine_id = client.launch()

    client.terminate(machine_id)

    client.wait_for(machine_id, "terminated")
    assert client.truth(machine_id)["ip"] is None


def test_a_terminated_machine_leaves_the_list_first_and_is_unknown_later(client: Client) -> None:
    client.control("POST", "settings", {"terminated_visible_seconds": 0})
    machine_id = client.launch_active()["id"]

    client.terminate(machine_id)

    wait_until(lambda: machine_id not in client.listed_ids())
    assert client.instance(machine_id)["status"] == "terminated"
    client.control("POST", "settings", {"terminated_get_seconds": 0})
    response = client.get(f"/instances/{machine_id}")
    assert response.status_code == 404
    assert response.json()["error"]["code"] == "global/object-does-not-exist"


def test_a_terminated_machine_stays_in_the_list_for_the_time_set(client: Client) -> None:
    machine_id = client.launch_active()["id"]
    client.terminate(machine_id)
    client.wait_for(machine_id, "terminated")

    assert machine_id in client.listed_ids()


def test_terminating_twice_succeeds_and_is_billed_once(client: Client) -> None:
    machine_id = client.launch_active()["id"]

    first = client.terminate(machine_id)
    client.wait_for(machine_id, "terminated")
    ended = client.bill(machine_id)["terminated_at"]
    second = client.terminate(machine_id)

    assert (first.status_code, second.status_code) == (200, 200)
    assert client.bill(machine_id)["terminated_at"] == ended


def test_F66_terminating_an_unknown_machine_is_404_and_ends_no_other(client: Client) -> None:
    machine_id = client.launch_active()["id"]

    response = client.terminate(machine_id, "0" * 32)

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "global/object-does-not-exist"
    assert client.instance(machine_id)["status"] == "active"


def test_I15_the_request_log_says_which_machines_a_call_was_about(client: Client) -> None:
    machine_id = client.launch(name="ours-1")
    launched = client.last_request()

    client.terminate(machine_id)

    ended = client.last_request()
    assert (launched["operation"], launched["machine_names"]) == ("launch", ["ours-1"])
    assert (ended["operation"], ended["machine_ids"]) == ("terminate", [machine_id])
