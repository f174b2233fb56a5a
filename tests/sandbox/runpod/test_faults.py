"""Faults on RunPod's wire: the lies and losses of runpod-api.md section 6."""

import paramiko
import pytest
import requests

from tests.sandbox.client import wait_until
from tests.sandbox.runpod.client import PodClient

NO_CONNECTION = paramiko.ssh_exception.NoValidConnectionsError


def test_F17_a_create_can_act_and_lose_its_answer(pods: PodClient) -> None:
    pods.fault("launch", "drop_after_commit")

    with pytest.raises(requests.ConnectionError):
        pods.try_create(name="lost")

    listed = pods.send("GET", "/pods").json()["pods"]
    assert [pod["name"] for pod in listed] == ["lost"]


def test_F17_a_create_can_act_and_answer_502(pods: PodClient) -> None:
    pods.fault("launch", "status", status=502, commit=True, body="<html>Bad gateway</html>")

    response = pods.try_create()

    assert (response.status_code, response.headers["Content-Type"][:9]) == (502, "text/html")
    assert len(pods.listed_ids()) == 1


@pytest.mark.parametrize("status", [401, 402, 403, 422, 500, 503])
def test_a_status_comes_as_the_vendor_sends_it(pods: PodClient, status: int) -> None:
    pods.fault("list", "status", status=status)

    response = pods.send("GET", "/pods")

    assert response.status_code == response.json()["status"] == status
    assert response.headers["Content-Type"].startswith("application/problem+json")


def test_F14_too_many_requests_say_when_to_come_back(pods: PodClient) -> None:
    pods.fault("launch", "status", status=429, retry_after=2)

    response = pods.try_create()

    assert response.headers["Retry-After"] == "2"
    assert response.json()["detail"] == "rate limit exceeded for the minute window"


def test_F13_capacity_can_be_refused_though_the_catalogue_says_yes(pods: PodClient) -> None:
    pods.fault("launch", "capacity")

    assert pods.try_create().status_code == 400
    assert pods.try_create().status_code == 201


def test_F21_a_create_can_start_two_pods_and_answer_one(pods: PodClient) -> None:
    pods.fault("launch", "two_ids")

    answered = pods.create()["id"]

    assert len(pods.listed_ids()) == 2
    assert answered in pods.listed_ids()


def test_F21_a_create_can_start_another_gpu_elsewhere(pods: PodClient) -> None:
    pods.fault("launch", "wrong_type", instance_type="NVIDIA A40")
    pods.fault("launch", "wrong_region", region="OC-AU-1")

    other, elsewhere = pods.create_running(), pods.create_running()

    assert (other["gpu"]["id"], other["cost"]) == ("NVIDIA A40", 0.35)
    assert elsewhere["dataCenterId"] == "OC-AU-1"


def test_F18_a_pod_can_be_hidden_from_the_list(pods: PodClient) -> None:
    pods.fault("launch", "hide_from_list", seconds=600)

    pod_id = pods.create()["id"]

    assert pod_id not in pods.listed_ids()
    assert pods.pod(pod_id)["id"] == pod_id


def test_F68_a_list_can_be_empty_or_another_account_s(pods: PodClient) -> None:
    pod_id = pods.create()["id"]
    pods.fault("list", "empty_list")
    pods.fault("list", "foreign_list")

    assert pods.listed_ids() == []
    foreign = pods.send("GET", "/pods").json()["pods"]
    assert pod_id not in {pod["id"] for pod in foreign}
    assert foreign[0].keys() <= pods.pod(pod_id).keys()


def test_F65_a_terminate_can_be_a_lie(pods: PodClient) -> None:
    pod = pods.create_running()
    pods.fault("terminate", "ok_but_alive")

    response = pods.send("DELETE", f"/pods/{pod['id']}")

    assert response.status_code == 204
    assert pods.run(pods.pod(pod["id"]), "echo alive").stdout == "alive\n"


def test_F67_a_terminated_pod_can_stay_and_be_billed(pods: PodClient) -> None:
    pod = pods.create_running()
    pods.fault("terminate", "stuck_terminating")

    pods.send("DELETE", f"/pods/{pod['id']}")

    wait_until(lambda: not pods.client.truth(pod["id"])["pids"])
    assert pod["id"] in pods.listed_ids()
    assert pods.pod(pod["id"])["runtime"] is None
    assert pods.client.bill(pod["id"])["terminated_at"] is None


def test_F26_a_container_can_end_in_an_error(pods: PodClient) -> None:
    pods.fault("launch", "unhealthy")

    pod = pods.wait_for(pods.create()["id"], "ERROR")

    assert (pod["runtime"], pod["actions"]) == (None, ["start", "terminate"])
    assert pods.act(pod["id"], "start").status_code == 200


def test_F27_an_address_can_come_late(pods: PodClient) -> None:
    pods.fault("launch", "ip_late", seconds=600)

    pod_id = pods.create()["id"]

    wait_until(lambda: pods.pod(pod_id)["runtime"] is not None)
    assert pods.pod(pod_id)["runtime"]["ports"] == []
    assert pods.pod(pod_id)["ssh"]["direct"] is None


def test_F27_the_old_port_can_be_shown_after_a_restart(pods: PodClient) -> None:
    pods.fault("launch", "stale_port", seconds=600)
    pod = pods.create_running()

    pods.act(pod["id"], "restart")
    wait_until(lambda: pods.pod(pod["id"])["runtime"] is None)
    shown = pods.wait_for_ssh(pod["id"])

    assert shown["ssh"]["direct"] == pod["ssh"]["direct"]
    with pytest.raises(NO_CONNECTION), pods.ssh(shown):
        pass


def test_F27_the_old_port_can_be_shown_after_a_start_and_then_the_new_one(pods: PodClient) -> None:
    pods.fault("launch", "stale_port", seconds=0.5)
    pod = pods.create_running()
    old = pods.pod(pod["id"])["ssh"]["direct"]

    pods.act(pod["id"], "stop")
    pods.act(pod["id"], "start")
    wait_until(lambda: pods.wait_for_ssh(pod["id"])["ssh"]["direct"] != old)

    assert pods.run(pods.pod(pod["id"]), "echo up").stdout == "up\n"


def test_F27_the_port_can_change_by_itself(pods: PodClient) -> None:
    pod = pods.create_running()
    happening = {"kind": "ip_changes"}

    pods.client.control("POST", f"machines/{pod['id']}/happen", happening)

    moved = pods.wait_for_ssh(pod["id"])
    assert moved["ssh"]["direct"] != pod["ssh"]["direct"]
    assert pods.run(moved, "echo moved").stdout == "moved\n"


def test_F48_a_preempted_pod_is_stopped_and_may_find_its_host_full(pods: PodClient) -> None:
    pod = pods.create_running()

    pods.client.control("POST", f"machines/{pod['id']}/happen", {"kind": "preempted"})
    pods.fault("action", "capacity")
    refused = pods.act(pod["id"], "start")

    assert pods.pod(pod["id"])["status"] == "EXITED"
    assert refused.status_code == 400
    assert refused.json()["detail"].startswith("There are not enough free GPUs on the host")
    assert pods.act(pod["id"], "start").status_code == 200
    pods.wait_for_ssh(pod["id"])


def test_F49_a_pod_can_vanish_without_a_word(pods: PodClient) -> None:
    pod = pods.create_running()

    pods.client.control("POST", f"machines/{pod['id']}/vanish")

    assert pods.send("GET", f"/pods/{pod['id']}").status_code == 404
    assert pod["id"] not in pods.listed_ids()


def test_F30_a_log_can_be_without_fingerprints(pods: PodClient) -> None:
    pods.fault("launch", "log_without_host_keys")
    pod = pods.create_running()

    events = pods.log_lines(pod["id"], until="Pod is ready to use")

    assert not [event for event in events if "SHA256:" in event["line"]]


def test_a_fault_can_be_about_one_cloud(pods: PodClient) -> None:
    pods.client.fault("launch", "capacity", cloud="lambda")

    assert pods.try_create().status_code == 201
    assert pods.client.try_launch().status_code == 400


def test_what_a_fault_names_has_to_exist(pods: PodClient) -> None:
    with pytest.raises(requests.HTTPError):
        pods.client.fault("launch", "capacity", cloud="moon")
    with pytest.raises(requests.HTTPError):
        pods.client.fault("launch", "wrong_type", instance_type="NVIDIA Z1")
