"""Every fault of the script, as a client sees it and as the cloud knows it."""

import pytest
import requests

from tests.sandbox.client import Client, wait_until

NO_ANSWER = (requests.ConnectionError, requests.exceptions.ChunkedEncodingError)


def test_F17_drop_after_commit_rents_a_machine_and_says_nothing(client: Client) -> None:
    client.control("POST", "settings", {"boot_seconds": 60})
    client.fault("launch", "drop_after_commit")

    with pytest.raises(NO_ANSWER):
        client.try_launch(name="lost-answer")

    listed = client.get("/instances").json()["data"]
    assert [instance["status"] for instance in listed if instance["name"] == "lost-answer"] == [
        "booting"
    ]


def test_drop_before_commit_rents_nothing_and_says_nothing(client: Client) -> None:
    client.fault("launch", "drop_before_commit")

    with pytest.raises(NO_ANSWER):
        client.try_launch(name="never-arrived")

    assert client.last_request()["status"] is None
    entries = client.control("GET", "ledger")["entries"]
    assert "never-arrived" not in [entry["name"] for entry in entries]


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_F16_a_5xx_before_commit_rents_nothing(client: Client, status: int) -> None:
    client.fault("launch", "status", status=status)

    response = client.try_launch(name=f"before-{status}")

    assert response.status_code == status
    assert response.json()["error"]["code"] == "global/internal-error"
    assert f"before-{status}" not in str(client.control("GET", "ledger"))


def test_F16_a_502_after_commit_rents_a_machine_all_the_same(client: Client) -> None:
    client.fault(
        "launch", "status", status=502, body="<html><h1>Bad gateway</h1></html>", commit=True
    )

    response = client.try_launch(name="behind-a-502")

    assert response.status_code == 502
    assert response.headers["Content-Type"].startswith("text/html")
    assert "behind-a-502" in client.get("/instances").text


def test_F15_a_429_is_the_edges_plain_text_with_retry_after_when_asked(client: Client) -> None:
    client.fault("launch", "status", status=429, retry_after=7)

    response = client.try_launch()

    assert response.status_code == 429
    assert response.text == "error code: 1015"
    assert response.headers["Retry-After"] == "7"


def test_F22_a_redirect_can_be_played(client: Client) -> None:
    client.fault("list", "status", status=301, body="", headers={"Location": "/elsewhere"})

    response = requests.get(
        client.sandbox.base_url + "/instances",
        headers=client.sandbox.authorization,
        allow_redirects=False,
        timeout=10,
    )

    assert response.status_code == 301
    assert response.headers["Location"] == "/elsewhere"


def test_F56_a_401_body_is_the_real_one(client: Client) -> None:
    client.fault("get", "status", status=401)

    response = client.get("/instances/" + "0" * 32)

    assert response.json()["error"]["code"] == "global/invalid-api-key"


def test_a_body_given_as_json_is_sent_as_json(client: Client) -> None:
    body = {"error": {"code": "global/quota-exceeded", "message": "Quota exceeded."}}
    client.fault("launch", "status", status=400, body=body)

    assert client.try_launch().json() == body


def test_F13_capacity_is_refused_so_many_times_and_then_free(client: Client) -> None:
    client.fault("launch", "capacity", times=2)

    codes = [client.try_launch().status_code for _ in range(3)]

    assert codes == [400, 400, 200]


def test_F16_garbage_is_a_200_with_half_an_answer_after_acting(client: Client) -> None:
    client.fault("launch", "garbage")

    response = client.try_launch(name="half-told")

    assert response.status_code == 200
    with pytest.raises(requests.exceptions.JSONDecodeError):
        response.json()
    assert "half-told" in client.get("/instances").text


def test_a_delay_outlasts_an_impatient_client_that_can_find_its_machine(client: Client) -> None:
    client.fault("launch", "delay", seconds=60, commit=True)
    key_names = [key["name"] for key in client.get("/ssh-keys").json()["data"]]

    with pytest.raises(requests.ReadTimeout):
        requests.post(
            client.sandbox.base_url + "/instance-operations/launch",
            headers=client.sandbox.authorization,
            json={
                "region_name": "us-east-1",
                "instance_type_name": "gpu_1x_a10",
                "ssh_key_names": key_names[:1],
                "name": "slow-answer",
            },
            timeout=0.3,
        )

    wait_until(lambda: "slow-answer" in client.get("/instances").text)


def test_a_delay_before_commit_only_takes_time(client: Client) -> None:
    client.fault("list", "delay", seconds=0.2)

    response = client.get("/instances")

    assert response.status_code == 200
    assert response.elapsed.total_seconds() >= 0.2


def test_F25_a_boot_that_never_ends_stays_booting_and_can_be_terminated(client: Client) -> None:
    client.fault("launch", "boot_never_ends")
    stuck = client.launch(name="stuck")
    client.launch_active(name="launched-later")

    assert client.instance(stuck)["status"] == "booting"
    client.terminate(stuck)
    client.wait_for(stuck, "terminated")


def test_F26_an_unhealthy_machine_never_becomes_active_and_is_billed(client: Client) -> None:
    client.fault("launch", "unhealthy")

    machine_id = client.launch()

    client.wait_for(machine_id, "unhealthy")
    assert client.bill(machine_id)["terminated_at"] is None


def test_F49_a_machine_vanishes_some_time_after_it_became_active(client: Client) -> None:
    client.fault("launch", "vanish", seconds=600)
    client.fault("launch", "vanish", seconds=0.1)

    later, machine_id = client.launch_active()["id"], client.launch()

    wait_until(lambda: machine_id not in client.listed_ids())
    assert client.get(f"/instances/{machine_id}").status_code == 404
    wait_until(lambda: client.bill(machine_id)["terminated_at"] is not None)
    assert client.truth(machine_id)["has_vanished"] is True
    assert client.instance(later)["status"] == "active"


def test_F28_the_control_endpoint_makes_a_machine_vanish_with_its_processes(
    client: Client,
) -> None:
    instance = client.launch_active()
    client.run(instance["ip"], "setsid nohup sleep 300 >/dev/null 2>&1 </dev/null &")

    client.control("POST", f"machines/{instance['id']}/vanish")

    assert instance["id"] not in client.listed_ids()
    wait_until(lambda: client.bill(instance["id"])["terminated_at"] is not None)
    assert client.truth(instance["id"])["pids"] == []


def test_F18_a_launched_machine_shows_in_the_list_late(client: Client) -> None:
    client.fault("launch", "hide_from_list", seconds=600)
    client.fault("launch", "hide_from_list", seconds=0.1)

    hidden, late = client.launch(), client.launch()

    wait_until(lambda: late in client.listed_ids())
    assert hidden not in client.listed_ids()
    assert client.instance(hidden)["id"] == hidden


def test_F65_terminate_answers_ok_and_the_machine_lives(client: Client) -> None:
    machine_id = client.launch_active()["id"]
    client.fault("terminate", "ok_but_alive")

    answer = client.terminate(machine_id)

    (instance,) = answer.json()["data"]["terminated_instances"]
    assert instance["status"] == "terminating"
    assert client.instance(machine_id)["status"] == "active"
    client.terminate(machine_id)
    client.wait_for(machine_id, "terminated")


def test_F68_a_list_can_be_empty_by_mistake(client: Client) -> None:
    machine_id = client.launch()
    client.fault("list", "empty_list")

    first, second = client.listed_ids(), client.listed_ids()

    assert first == []
    assert machine_id in second


def test_faults_act_one_call_after_the_other_in_the_order_they_were_posted(client: Client) -> None:
    client.fault("list", "status", status=500)
    client.fault("list", "status", status=503)

    codes = [client.get("/instances").status_code for _ in range(3)]

    assert codes == [500, 503, 200]


def test_a_fault_can_let_some_calls_pass_and_then_act_until_it_is_cleared(client: Client) -> None:
    client.fault("list", "status", status=503, times=None, skip=2)

    codes = [client.get("/instances").status_code for _ in range(5)]
    client.control("DELETE", "faults")

    assert codes == [200, 200, 503, 503, 503]
    assert client.get("/instances").status_code == 200


def test_a_fault_on_everything_acts_on_any_call_and_on_no_other_operation(client: Client) -> None:
    client.fault("ssh-keys", "status", status=500)
    client.fault("*", "status", status=503)

    codes = [client.get(path).status_code for path in ("/regions", "/ssh-keys", "/regions")]

    assert codes == [503, 500, 200]


def test_the_request_log_shows_which_fault_acted(client: Client) -> None:
    client.fault("list", "status", status=503)
    (fault,) = client.control("GET", "faults")["faults"]

    client.get("/instances")

    assert client.last_request()["faults"] == [f"status#{fault['id']}"]
    assert client.control("GET", "faults")["faults"][0]["used"] == 1


@pytest.mark.parametrize(
    "row",
    [
        {"on": "launch", "kind": "unknown"},
        {"on": "lunch", "kind": "status"},
        {"on": "list", "kind": "capacity"},
        {"on": "list", "kind": "status", "colour": "green"},
        {"on": "list", "kind": "status", "status": "503"},
        {"on": "list", "kind": "status", "headers": []},
        {"on": "list", "kind": "status", "times": -1},
        {"on": "list", "kind": "status", "skip": True},
        {"on": "list", "kind": "delay", "seconds": -1},
        {"kind": "status"},
        [],
    ],
)
def test_a_row_that_says_nothing_sensible_is_refused(client: Client, row: object) -> None:
    with pytest.raises(requests.HTTPError) as refused:
        client.control("POST", "faults", row)

    assert refused.value.response.status_code == 400
    assert client.control("GET", "faults")["faults"] == []
