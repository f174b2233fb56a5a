"""File systems, firewall and audit log, and what a launch makes of them."""

import secrets
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from sandbox.audit import PAGE_SIZE
from sandbox.file_systems import FILE_SYSTEMS_PER_ACCOUNT
from tests.sandbox.client import Client

RULE = {
    "protocol": "tcp",
    "port_range": [8888, 8889],
    "source_network": "10.0.0.0/8",
    "description": "Notebook",
}


@pytest.fixture
def name(client: Client) -> Iterator[str]:
    """A name of this test's own; what stands under it is gone afterwards."""
    name = f"t{secrets.token_hex(4)}"
    yield name

    for path in ("/file-systems", "/firewall-rulesets"):
        for row in client.get(path).json()["data"]:
            if row["name"].startswith(name):
                client.delete(f"{path.replace('file-s', 'files')}/{row['id']}")


def code(response: requests.Response) -> tuple[int, str]:
    return response.status_code, response.json()["error"]["code"]


def make_file_system(client: Client, name: str, region: str = "us-east-1") -> dict[str, Any]:
    response = client.post("/filesystems", {"name": name, "region": region})
    assert response.status_code == 200, response.text
    made: dict[str, Any] = response.json()["data"]
    return made


def make_ruleset(client: Client, name: str, region: str = "us-east-1") -> dict[str, Any]:
    body = {"name": name, "region": region, "rules": [RULE]}
    made: dict[str, Any] = client.post("/firewall-rulesets", body).json()["data"]
    return made


def test_a_file_system_is_made_listed_and_deleted(client: Client, name: str) -> None:
    made = make_file_system(client, name)

    listed = client.get("/file-systems").json()["data"]
    deleted = client.delete(f"/filesystems/{made['id']}").json()["data"]

    assert made in listed
    assert (made["mount_point"], made["is_in_use"]) == (f"/lambda/nfs/{name}", False)
    assert deleted == {"deleted_ids": [made["id"]]}
    assert code(client.delete(f"/filesystems/{made['id']}")) == (
        404,
        "global/object-does-not-exist",
    )


def test_file_systems_are_made_under_the_path_without_a_hyphen_only(
    client: Client, name: str
) -> None:
    response = client.post("/file-systems", {"name": name, "region": "us-east-1"})

    assert response.status_code == 405
    assert client.get("/filesystems").status_code == 405


@pytest.mark.parametrize("bad", ["", "1data", "my_data", "a" * 61, "a\n", None, 5])
def test_a_file_system_name_is_letters_first_then_digits_and_hyphens(
    client: Client, bad: object
) -> None:
    response = client.post("/filesystems", {"name": bad, "region": "us-east-1"})

    assert code(response) == (400, "global/invalid-parameters")


def test_a_file_system_needs_a_region_that_is_there(client: Client, name: str) -> None:
    response = client.post("/filesystems", {"name": name, "region": "moon-1"})

    assert code(response) == (400, "global/invalid-parameters")


def test_a_second_file_system_of_one_name_is_a_duplicate(client: Client, name: str) -> None:
    make_file_system(client, name)

    response = client.post("/filesystems", {"name": name, "region": "us-west-1"})

    assert code(response) == (400, "global/duplicate")


def test_an_account_holds_so_many_file_systems_and_no_more(client: Client, name: str) -> None:
    for number in range(FILE_SYSTEMS_PER_ACCOUNT):
        make_file_system(client, f"{name}-{number}")

    response = client.post("/filesystems", {"name": f"{name}-more", "region": "us-east-1"})

    assert code(response) == (400, "global/quota-exceeded")


def test_a_launch_shows_its_file_systems_where_they_are_mounted_and_holds_them(
    client: Client, name: str
) -> None:
    plain = make_file_system(client, name)
    moved = make_file_system(client, f"{name}-moved")
    mount = {"file_system_id": moved["id"], "mount_point": "/data/models"}

    machine_id = client.launch(
        file_system_names=[name, f"{name}-moved"], file_system_mounts=[mount]
    )

    instance = client.instance(machine_id)
    assert instance["file_system_names"] == [name, f"{name}-moved"]
    assert instance["file_system_mounts"] == [
        {"mount_point": plain["mount_point"], "file_system_id": plain["id"]},
        mount,
    ]
    assert code(client.delete(f"/filesystems/{plain['id']}")) == (
        400,
        "filesystems/filesystem-in-use",
    )
    client.terminate(machine_id)
    client.wait_for(machine_id, "terminated")
    assert client.delete(f"/filesystems/{plain['id']}").status_code == 200


def test_a_file_system_of_another_region_is_refused_before_capacity(
    client: Client, name: str
) -> None:
    file_system = make_file_system(client, name, region="us-west-1")
    sold_out = {"instance_type_name": "gpu_8x_b200_sxm6"}
    mount = {"file_system_id": file_system["id"], "mount_point": "/data"}

    named = client.try_launch(**sold_out, file_system_names=[name])
    given = client.try_launch(**sold_out, file_system_mounts=[mount])

    assert code(named) == (404, "global/object-does-not-exist")
    assert name in named.json()["error"]["message"]
    assert "us-east-1" in named.json()["error"]["message"]
    assert code(given) == (400, "instance-operations/launch/file-system-in-wrong-region")


@pytest.mark.parametrize("point", ["/etc", "/data/../etc", "relative", "/data/" + "a" * 256])
def test_a_mount_point_outside_the_allowed_places_is_refused(client: Client, point: str) -> None:
    mount = {"file_system_id": "0" * 32, "mount_point": point}

    response = client.try_launch(file_system_mounts=[mount])

    assert response.json()["error"]["message"].startswith("file_system_mounts.mount_point: ")


def test_the_firewall_lets_ssh_and_icmp_in_until_its_rules_are_replaced(client: Client) -> None:
    before = client.get("/firewall-rules").json()["data"]

    replaced = client.put("/firewall-rules", {"data": [RULE]}).json()["data"]

    assert [(rule["protocol"], rule.get("port_range")) for rule in before] == [
        ("tcp", [22, 22]),
        ("icmp", None),
    ]
    assert replaced == client.get("/firewall-rules").json()["data"] == [RULE]
    assert client.get("/firewall-rulesets/global").json()["data"]["rules"] == [RULE]
    client.put("/firewall-rules", {"data": before})


@pytest.mark.parametrize(
    "change",
    [
        {"protocol": "sctp"},
        {"protocol": "icmp"},
        {"port_range": None},
        {"port_range": [22]},
        {"port_range": [23, 22]},
        {"port_range": [0, 22]},
        {"port_range": [True, 22]},
        {"source_network": "everywhere"},
        {"source_network": 1},
        {"description": "d" * 129},
    ],
)
def test_a_firewall_rule_that_makes_no_sense_changes_nothing(
    client: Client, change: dict[str, object]
) -> None:
    before = client.get("/firewall-rules").json()

    response = client.put("/firewall-rules", {"data": [RULE, {**RULE, **change}]})

    assert code(response) == (400, "global/invalid-parameters")
    assert response.json()["error"]["message"].startswith("data.1.")
    assert client.get("/firewall-rules").json() == before


def test_no_more_than_20_rules_are_taken(client: Client) -> None:
    response = client.put("/firewall-rules", {"data": [RULE] * 21})

    assert code(response) == (400, "global/invalid-parameters")


def test_an_address_alone_is_a_network_of_one(client: Client, name: str) -> None:
    body = {
        "name": name,
        "region": "us-east-1",
        "rules": [{**RULE, "source_network": "192.0.2.1"}],
    }

    made = client.post("/firewall-rulesets", body).json()["data"]

    assert made["rules"][0]["source_network"] == "192.0.2.1/32"


def test_a_ruleset_is_made_changed_and_deleted(client: Client, name: str) -> None:
    made = make_ruleset(client, name)
    path = f"/firewall-rulesets/{made['id']}"

    renamed = client.patch(path, {"name": f"{name}-2"}).json()["data"]
    emptied = client.patch(path, {"rules": []}).json()["data"]
    unchanged = client.patch(path, {"name": "n" * 65, "rules": [RULE]})

    assert made["instance_ids"] == []
    assert renamed == {**made, "name": f"{name}-2"}
    assert emptied == {**renamed, "rules": []}
    assert code(unchanged) == (400, "global/invalid-parameters")
    assert client.get(path).json()["data"] == emptied
    assert emptied in client.get("/firewall-rulesets").json()["data"]
    assert client.delete(path).json() == {"data": {}}
    assert code(client.get(path)) == (404, "global/object-does-not-exist")


def test_the_global_ruleset_takes_rules_and_no_name(client: Client) -> None:
    before = client.get("/firewall-rulesets/global").json()["data"]

    changed = client.patch("/firewall-rulesets/global", {"name": "mine", "rules": [RULE]})

    assert changed.json()["data"] == {**before, "rules": [RULE]}
    client.patch("/firewall-rulesets/global", {"rules": before["rules"]})


def test_a_ruleset_that_a_machine_uses_is_not_deleted(client: Client, name: str) -> None:
    ruleset = make_ruleset(client, name)
    path = f"/firewall-rulesets/{ruleset['id']}"

    machine_id = client.launch(firewall_rulesets=[{"id": ruleset["id"]}])

    assert client.instance(machine_id)["firewall_rulesets"] == [{"id": ruleset["id"]}]
    assert client.get(path).json()["data"]["instance_ids"] == [machine_id]
    assert code(client.delete(path)) == (400, "firewall-rulesets/firewall-ruleset-in-use")
    client.terminate(machine_id)
    client.wait_for(machine_id, "terminated")
    assert client.delete(path).status_code == 200


def test_a_ruleset_of_another_region_or_of_nobody_is_refused_at_launch(
    client: Client, name: str
) -> None:
    ruleset = make_ruleset(client, name, region="us-west-1")

    foreign = client.try_launch(firewall_rulesets=[{"id": ruleset["id"]}])
    unknown = client.try_launch(firewall_rulesets=[{"id": "0" * 32}])

    assert code(foreign) == (400, "global/invalid-parameters")
    assert code(unknown) == (404, "global/object-does-not-exist")


def test_a_write_on_a_ruleset_may_answer_409(client: Client, name: str) -> None:
    client.fault("firewall-rulesets", "status", status=409)

    response = client.post("/firewall-rulesets", {"name": name, "region": "us-east-1", "rules": []})

    assert code(response) == (409, "global/internal-error")


def test_the_audit_log_names_what_was_done_with_the_key_as_a_fingerprint(client: Client) -> None:
    machine_id = client.launch()
    client.terminate(machine_id)

    events = _all_events(client, "?resource_type=instance")

    ours = [event for event in events if machine_id in event["resource_lrns"][0]]
    assert [event["action"] for event in ours] == ["launch", "terminate"]
    assert ours[0]["additional_details"] == {"instance_type": "gpu_1x_a10", "region": "us-east-1"}
    assert client.sandbox.api_key not in str(events)


def test_the_audit_log_comes_in_pages_and_between_two_times(client: Client, name: str) -> None:
    made = make_file_system(client, name)
    for _ in range(PAGE_SIZE):
        client.patch("/firewall-rulesets/global", {})

    first = client.get("/audit-events").json()
    second = client.get(f"/audit-events?page_token={first['page_token']}").json()
    later = client.get("/audit-events?start=2999-01-01T00:00:00Z").json()
    since = _all_events(client, f"?start={made['created'].replace('+', '%2B')}")

    assert len(first["data"]) == PAGE_SIZE
    assert first["data"][-1]["event_id"] not in str(second["data"])
    assert later == {"data": [], "page_token": None}
    assert made["id"] in since[0]["resource_lrns"][0]


@pytest.mark.parametrize("query", ["start=yesterday", "end=1", "page_token=x", "page_token=ZnJvbQ"])
def test_an_audit_query_that_makes_no_sense_is_refused(client: Client, query: str) -> None:
    assert code(client.get(f"/audit-events?{query}")) == (400, "global/invalid-parameters")


def _all_events(client: Client, query: str) -> list[dict[str, Any]]:
    page = client.get(f"/audit-events{query}").json()
    events = list(page["data"])
    while page["page_token"]:
        page = client.get(f"/audit-events{query}&page_token={page['page_token']}").json()
        events += page["data"]
    return events
