"""The machines page: what bills, what is not ours, what is forgotten, what is proven gone."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import responses
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.installation import installation_id
from core.time import database_now
from deployments.models import CloudSnapshot, Deployment, Stray, WorkerHeartbeat
from deployments.models.deployments import Status
from tests import builders
from tests.deployments.api.conftest import BASE_URL
from tests.deployments.pages import scenes
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.test_wording import spoken


def page_of(reader: Client, address: str = "/machines/") -> str:
    response = reader.get(address)
    assert response.status_code == 200
    return spoken(response.content.decode())


def listed(deployment: Deployment, *rows: Mapping[str, Any], ago: float = 4) -> None:
    """Let the account's newest list hold these machines."""
    usual: dict[str, Any] = {
        "status": "active",
        "ip": None,
        "region": "us-south-1",
        "instance_type": "gpu_1x_h100",
    }
    scenes.account_listed(deployment, ago=ago, instances=[usual | dict(row) for row in rows])


def stray(deployment: Deployment, **fields: Any) -> Stray:
    now = database_now()
    values = {
        "instance_id": "stray-1",
        "name": f"{installation_id()}-deadbeef-a1-n0-t17",
        "first_seen_at": now,
        "last_seen_at": now,
        "terminate_after": now + timedelta(minutes=15),
    } | fields
    return Stray.objects.create(vault_entry_id=deployment.vault_entry_id, **values)


def guard_looked(*, ago: timedelta) -> None:
    WorkerHeartbeat.objects.create(name="reap", beat_at=database_now() - ago)


def test_without_a_machine_nothing_bills_and_the_page_says_what_would_stand_here(
    user: User, reader: Client
) -> None:
    page = page_of(reader)

    assert "Nothing bills · Machines" in page
    assert "No account is connected" in page
    assert "No machine ended in the last 7 days" in page
    assert "Look now" not in page


def test_what_bills_stands_with_its_price_what_it_cost_and_when_it_ends(
    user: User, reader: Client
) -> None:
    run = scenes.training(user)

    page = page_of(reader)

    assert "1 machine, $1.29 an hour · Machines" in page
    assert "2.2 cents a minute. Every one has a run, a budget and an end." in page
    assert run.machines.get().name in page
    assert "Lambda, us-east-1" in page
    # 2.50 less the landing of 310 s at 1.29 an hour.
    assert "at $2.38, about" in page
    assert f'href="/jobs/{run.job_id}/cancel/"' in page
    assert "Read from Lambda 4 s ago" in page


def test_a_run_whose_hours_are_over_first_says_so(user: User, reader: Client) -> None:
    scenes.training(user, max_hours=Decimal("0.75"))

    assert "after 0.75 h, at" in page_of(reader)


def test_a_machine_that_ends_bills_until_it_is_proven_gone(user: User, reader: Client) -> None:
    run = scenes.training(user)
    now = database_now()
    scenes.change(run, Status.TERMINATING, at=now, message="Ending.")
    run.machines.update(end_wanted_at=now, terminate_requested_at=now, absent_since=now)

    page = page_of(reader)

    assert "bills until proven gone" in page
    assert "proof 1 of 2 at" in page
    assert "End now" not in page


def test_a_machine_we_cannot_end_is_said_to_be_so(user: User, reader: Client) -> None:
    scenes.needs_owner(user)

    page = page_of(reader)

    assert "1 machine cannot be ended now." in page
    assert "not until we can reach the account again" in page


def test_i15_machines_that_are_not_ours_are_shown_with_their_price_and_no_way_to_end_them(
    user: User, reader: Client
) -> None:
    run = scenes.ended(user)
    since = (database_now() - timedelta(days=2)).isoformat()
    told = {"description": "1x H100 (80 GB PCIe)", "hourly": "3.29", "seen_since": since}
    listed(run, {"instance_id": "f1", "name": "jupyter-nina", **told})

    page = page_of(reader)

    assert "jupyter-nina" in page
    assert "1\N{MULTIPLICATION SIGN} H100" in page
    assert "$3.29" in page
    assert "for 2 d" in page
    assert "End it at Lambda if you do not need it" in page
    assert "End now" not in page
    assert ">None" in page.replace("\n", "").replace(" ", "")


def test_F79_a_list_of_an_earlier_version_has_no_price_and_no_time(
    user: User, reader: Client
) -> None:
    listed(scenes.ended(user), {"instance_id": "f1", "name": "jupyter-nina"})

    page = page_of(reader)

    assert "not told" in page
    assert "not known yet" in page


def test_machines_of_ours_and_ended_ones_are_not_among_the_foreign(
    user: User, reader: Client
) -> None:
    run = scenes.training(user)
    ours = {"instance_id": "o", "name": f"{installation_id()}-0-a1-n0-t1"}
    builders.make_machine(run, name=ours["name"], gone_at=database_now())
    over = {"instance_id": "t", "name": "long-over", "status": "terminated"}
    listed(run, ours, over)

    page = page_of(reader)

    assert "shows no machine that is not ours" in page
    assert "long-over" not in page


def test_f69_a_machine_with_our_name_that_no_row_knows_is_forgotten(
    user: User, reader: Client
) -> None:
    listed(scenes.ended(user), {"instance_id": "x", "name": f"{installation_id()}-gone-a1"})

    page = page_of(reader)

    assert "1, being ended" in page
    assert "No run of ours knows it; the second guard ends it after a grace of 15 min" in page


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "Will be ended at"),
        ({"terminated_at": "now"}, "still in the account's list"),
        ({"terminated_at": "now", "absent_since": "now"}, "Proof 1 of 2 at"),
        ({"absent_since": "now", "gone_at": "now"}, "Proven gone"),
    ],
)
def test_f18_a_stray_is_followed_until_it_is_proven_gone(
    user: User, reader: Client, fields: dict[str, str], words: str
) -> None:
    run = scenes.ended(user)
    stray(run, **dict.fromkeys(fields, database_now()))

    page = page_of(reader)

    assert words in page.replace("&#x27;", "'")
    assert ("1, being ended" in page) == ("gone_at" not in fields)


@pytest.mark.parametrize(
    ("ago", "words"),
    [
        (None, "The second guard has never looked: set up its timer."),
        (timedelta(minutes=2), "Second guard looked 2 min"),
        (timedelta(hours=3), "is its timer running?"),
    ],
)
def test_d7_the_page_says_when_the_second_guard_looked(
    user: User, reader: Client, ago: timedelta | None, words: str
) -> None:
    if ago is not None:
        guard_looked(ago=ago)

    assert words in page_of(reader)


def test_d3_what_is_proven_gone_stands_with_its_three_times_and_its_cost(
    user: User, reader: Client
) -> None:
    scenes.ended(user, name="Support answers v2")
    scenes.ended(user, name="Long ago", begin=database_now() - timedelta(days=9))

    page = page_of(reader)

    assert "Support answers v2" in page
    assert "Proven gone" in page
    assert "49 min" in page
    assert "$1.06" in page
    assert "Long ago" not in page


def test_f58_a_cloud_that_does_not_answer_is_named_with_the_time(
    user: User, reader: Client
) -> None:
    scenes.account_listed(scenes.training(user), failed_since=database_now(), error={"code": "E"})

    assert "Lambda has not told its list since" in page_of(reader)


def test_t2_nobody_elses_machines_are_shown(user: User, reader: Client) -> None:
    other = scenes.training(builders.make_user(), name="Not yours")
    listed(other, {"instance_id": "f", "name": "their-notebook"})
    stray(other)
    scenes.ended(other.user, name="Not yours either")

    page = page_of(reader)

    assert "Not yours" not in page
    assert "their-notebook" not in page
    assert "deadbeef" not in page
    assert "No machine ended in the last 7 days" in page


def test_many_machines_cost_as_many_questions_as_few(user: User) -> None:
    data = scenes.dataset(user)
    reader = signed_in(user)

    def questions() -> int:
        with CaptureQueriesContext(connection) as captured:
            assert reader.get("/machines/").status_code == 200
        return len(captured)

    def lives(number: int) -> None:
        run = scenes.training(user, name=f"Live {number}", dataset=data)
        scenes.ended(user, name=f"Over {number}", dataset=data)
        stray(run, instance_id=f"stray-{number}")
        foreign = {"instance_id": f"f{number}", "name": f"note-{number}"}
        listed(run, foreign, {"instance_id": f"u{number}", "name": f"{installation_id()}-{number}"})

    lives(0)
    # The installation's name is made once.
    questions()
    few = questions()
    for number in range(1, 4):
        lives(number)

    assert questions() == few
    assert few <= 29


def test_the_page_refreshes_itself_and_an_unchanged_one_is_answered_with_nothing(
    user: User, reader: Client
) -> None:
    page = reader.get("/machines/").content.decode()
    url = reader.get("/machines/rows/").context["block"].url

    assert 'hx-get="/machines/rows/?seen=' in page
    assert 'hx-trigger="every 30s"' in page
    assert reader.get(url).status_code == 204


def test_looking_asks_the_cloud_for_a_fresh_list_at_most_once_a_minute(
    user: User, reader: Client, cloud: responses.RequestsMock
) -> None:
    builders.make_vault_entry(user)
    machine = {"id": "0" * 32, "name": "notebook", "status": "active", "region": {"name": "r"}}
    cloud.get(f"{BASE_URL}/instances", json={"data": [machine]})

    first = spoken(reader.post("/machines/look/", follow=True).content.decode())
    # The next minute of the clock may have begun between the two.
    for _ in range(2):
        again = spoken(reader.post("/machines/look/", follow=True).content.decode())

    assert "Read 1 account just now." in first
    assert "notebook" in first
    assert "read less than a minute ago" in again


def test_a_look_that_fails_says_why_and_keeps_the_last_list(
    user: User, reader: Client, cloud: responses.RequestsMock
) -> None:
    builders.make_vault_entry(user)
    cloud.get(f"{BASE_URL}/instances", status=500, json={})

    page = spoken(reader.post("/machines/look/", follow=True).content.decode())

    assert "has not told its list since" in page
    assert CloudSnapshot.objects.get().listed_at is None


def test_looking_without_a_key_leads_to_the_vault(user: User, reader: Client) -> None:
    response = reader.post("/machines/look/")

    assert response.status_code == 400
    assert "Add your API key" in response.content.decode()
    assert reader.get("/machines/look/").status_code == 405


def test_the_burn_meter_leads_here(user: User, reader: Client) -> None:
    assert 'href="/machines/"' in reader.get("/burn/").content.decode()


def test_a_region_is_shown_by_its_name_beside_its_code(user: User, reader: Client) -> None:
    run = scenes.preparing(user)
    run.machines.update(region_description="Virginia, USA")

    for address in ("/machines/", f"/jobs/{run.job_id}/", f"/jobs/{run.job_id}/events/"):
        assert "Virginia, USA (us-east-1)" in reader.get(address).content.decode()
