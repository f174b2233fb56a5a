"""Pods over REST v2: from the creation to the end."""

import base64

import paramiko
import pytest

from tests.sandbox.client import KeyPair, wait_until
from tests.sandbox.runpod.client import GPU, PodClient

NO_CONNECTION = paramiko.ssh_exception.NoValidConnectionsError


def test_a_new_pod_is_being_provisioned_and_has_no_runtime(pods: PodClient) -> None:
    pods.client.control("POST", "settings", {"boot_seconds": 600})

    pod = pods.create(ports=["22/tcp", "8888/http"])

    assert len(pod["id"]) == 14
    assert (pod["status"], pod["actions"]) == ("PROVISIONING", ["stop", "terminate"])
    assert (pod["runtime"], pod["ssh"]) == (None, {"proxy": None, "direct": None})
    assert (pod["gpu"]["id"], pod["gpu"]["count"], pod["cost"]) == (GPU, 1, 0.49)
    assert (pod["name"], pod["disk"], pod["cloud"]) == ("test-pod", 20, "SECURE")


def test_the_phases_of_the_document_come_in_their_order(pods: PodClient) -> None:
    pods.fault("launch", "boot_never_ends")
    pods.fault("launch", "never_placed")

    started, unplaced = pods.create(), pods.create()

    assert pods.wait_for(started["id"], "STARTING")["ssh"]["direct"] is None
    assert pods.pod(unplaced["id"])["status"] == "PROVISIONING"
    assert pods.create_running()["status"] == "RUNNING"


def test_a_pod_can_say_RUNNING_long_before_it_runs(pods: PodClient) -> None:
    pods.client.control("POST", "settings", {"runpod_early_running": True})
    pods.fault("launch", "boot_never_ends")

    pod = pods.create()

    assert (pod["status"], pod["runtime"], pod["ssh"]["direct"]) == ("RUNNING", None, None)


def test_root_logs_in_with_the_key_of_PUBLIC_KEY(pods: PodClient) -> None:
    pod = pods.create_running()

    shown = pods.run(pod, "whoami; id -u; echo $USER; nvidia-smi --query-gpu=name --format=csv")

    assert shown.stdout == "root\n0\nroot\nname\nNVIDIA L4\n"
    assert pod["ssh"]["direct"]["port"] > 1024
    with pytest.raises(paramiko.AuthenticationException), pods.ssh(pod, user="ubuntu"):
        pass
    with pytest.raises(paramiko.AuthenticationException), pods.ssh(pod, key=KeyPair.generate()):
        pass


def test_the_variables_lie_in_rp_environment_and_not_in_a_command_s_own(pods: PodClient) -> None:
    pod = pods.create_running()

    bare = pods.run(pod, 'echo "$COLOUR$RUNPOD_POD_ID"')
    read = pods.run(pod, '. /etc/rp_environment; echo "$COLOUR $RUNPOD_POD_ID $RUNPOD_DC_ID"')

    assert bare.stdout == "\n"
    assert read.stdout == f"green {pod['id']} {pod['dataCenterId']}\n"
    assert "PUBLIC_KEY" not in pods.run(pod, "cat /etc/rp_environment").stdout


def test_a_pod_can_end_itself_with_the_key_it_was_given_and_no_other_pod(pods: PodClient) -> None:
    pod, other = pods.create_running(), pods.create_running()
    end = "import os, sys, urllib.request as u; r = u.Request(sys.argv[1], method='DELETE', "
    end += "headers={'Authorization': 'Bearer ' + os.environ['RUNPOD_API_KEY']}); "
    end += "print(u.urlopen(r).status)"

    def ask(pod_id: str) -> str:
        url = f"{pods.base_url}/pods/{pod_id}"
        shown = pods.run(pod, f'. /etc/rp_environment; python3 -c "{end}" {url}')
        return shown.stdout + shown.stderr

    refused = ask(other["id"])
    ask_own = f"{pods.base_url}/pods/{pod['id']}"
    pods.run(pod, f'. /etc/rp_environment; setsid python3 -c "{end}" {ask_own} >/dev/null 2>&1 &')

    assert "HTTP Error 403" in refused
    wait_until(lambda: pods.send("GET", f"/pods/{pod['id']}").status_code == 404)
    assert pods.pod(other["id"])["status"] == "RUNNING"


def test_without_22_tcp_there_is_no_way_in(pods: PodClient) -> None:
    pod_id = pods.create(ports=["8888/http"])["id"]

    wait_until(lambda: pods.pod(pod_id)["runtime"] is not None)

    pod = pods.pod(pod_id)
    assert pod["ssh"]["direct"] is None
    assert [port["type"] for port in pod["runtime"]["ports"]] == ["http"]


def test_F30_the_log_tells_the_fingerprints_of_the_host_keys(pods: PodClient) -> None:
    pod = pods.create_running()

    events = pods.log_lines(pod["id"], until="Pod is ready to use", query="?source=container")

    printed = [event["line"] for event in events]
    for line in pods.client.truth(pod["id"])["host_keys"]:
        kind, blob = line.split()[:2]
        key = paramiko.PKey.from_type_string(kind, base64.b64decode(blob))
        assert any(key.fingerprint in told for told in printed)
    assert {event["source"] for event in events} == {"container"}


def test_the_log_goes_on_from_the_event_that_was_read_last(pods: PodClient) -> None:
    pod = pods.create_running()
    events = pods.log_lines(pod["id"], until="Pod is ready to use")
    seen = events[3]["ts"].replace("+", "%2B")

    rest = pods.log_lines(pod["id"], until="Pod is ready to use", query=f"?since={seen}")
    newest = pods.log_lines(pod["id"], until="Pod is ready to use", query="?tail=1")

    assert rest == events[3:]
    assert newest == events[-1:]


def test_a_deleted_pod_is_gone_at_once_and_ends_with_its_bill(pods: PodClient) -> None:
    pod = pods.create_running()

    first = pods.send("DELETE", f"/pods/{pod['id']}")
    second = pods.send("DELETE", f"/pods/{pod['id']}")

    assert (first.status_code, first.content) == (204, b"")
    assert second.status_code == 404
    assert pods.send("GET", f"/pods/{pod['id']}").json()["detail"] == "pod not found"
    assert pod["id"] not in pods.listed_ids()
    wait_until(lambda: pods.client.bill(pod["id"])["terminated_at"] is not None)
    with pytest.raises(NO_CONNECTION), pods.ssh(pod):
        pass


def test_a_stopped_pod_loses_its_disk_and_starts_again_on_another_port(pods: PodClient) -> None:
    pod = pods.create_running()
    pods.run(pod, "echo precious > file")

    stopped = pods.act(pod["id"], "stop").json()
    again = pods.act(pod["id"], "start").json()
    running = pods.wait_for_ssh(pod["id"])

    assert (stopped["status"], stopped["runtime"]) == ("EXITED", None)
    assert stopped["actions"] == ["start", "terminate"]
    assert again["status"] in ("PROVISIONING", "STARTING", "RUNNING")
    before, after = pod["ssh"]["direct"], running["ssh"]["direct"]
    assert after["host"] == before["host"]
    assert after["port"] != before["port"]
    assert pods.run(running, "ls; echo up").stdout == "up\n"


def test_a_restart_gives_another_port_on_the_same_address(pods: PodClient) -> None:
    pod = pods.create_running()
    port = pod["ssh"]["direct"]["port"]

    assert pods.act(pod["id"], "restart").status_code == 200
    wait_until(lambda: pods.wait_for_ssh(pod["id"])["ssh"]["direct"]["port"] != port)

    after = pods.wait_for_ssh(pod["id"])
    assert after["ssh"]["direct"]["host"] == pod["ssh"]["direct"]["host"]
    assert pods.run(after, "echo up").stdout == "up\n"


def test_an_action_that_does_not_fit_is_refused(pods: PodClient) -> None:
    pod = pods.create_running()

    assert pods.act(pod["id"], "start").status_code == 409
    assert pods.act(pod["id"], "resume").status_code == 422
    assert pods.act("0" * 14, "stop").status_code == 404
    pods.act(pod["id"], "stop")
    assert pods.act(pod["id"], "stop").status_code == 409
    assert pods.act(pod["id"], "terminate").status_code == 204


def test_a_locked_pod_cannot_be_stopped(pods: PodClient) -> None:
    pod = pods.create_running()

    edited = pods.send("PATCH", f"/pods/{pod['id']}", {"locked": True, "name": "renamed"}).json()

    assert (edited["locked"], edited["name"]) == (True, "renamed")
    assert pods.act(pod["id"], "stop").status_code == 409


def test_the_list_is_newest_first_and_comes_in_pages(pods: PodClient) -> None:
    ids = [pods.create()["id"] for _ in range(3)]

    first = pods.send("GET", "/pods?limit=2").json()
    cursor = first["pagination"]["nextCursor"]
    second = pods.send("GET", f"/pods?limit=2&cursor={cursor}").json()

    assert first["pagination"]["hasNextPage"] is True
    assert [pod["id"] for pod in first["pods"]] == [ids[2], ids[1]]
    assert [pod["id"] for pod in second["pods"]] == [ids[0]]
    assert second["pagination"] == {"nextCursor": None, "hasNextPage": False}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=some", "cursor=nonsense"])
def test_a_bad_page_is_refused(pods: PodClient, query: str) -> None:
    assert pods.send("GET", f"/pods?{query}").status_code == 422


def test_the_two_clouds_do_not_see_each_other_s_machines(pods: PodClient) -> None:
    pod_id, instance_id = pods.create()["id"], pods.client.launch()

    assert pods.client.get(f"/instances/{pod_id}").status_code == 404
    assert pods.send("GET", f"/pods/{instance_id}").status_code == 404
    assert instance_id not in pods.listed_ids()
    assert pod_id not in pods.client.listed_ids()
    machines = pods.client.control("GET", "machines")["machines"]
    clouds = {machine["id"]: machine["cloud"] for machine in machines}
    assert (clouds[pod_id], clouds[instance_id]) == ("runpod", "lambda")
