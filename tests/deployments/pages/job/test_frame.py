"""What every tab of a run has: the frame, tabs with addresses, blocks that refresh, owners."""

import re
import uuid
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.time import database_now
from deployments.models import Deployment
from deployments.models.deployments import LaunchState, Status
from deployments.pages.job import tabs
from deployments.pages.job.frame import BLOCKS
from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.job.reading import TABS, address, read, shown, words
from tests.deployments.pages.test_wording import spoken

MORE = ("files/use/", "stop/", "cancel/", "config.json", "cost.csv", "logs.txt", "logs/newer/")
EMPTY = ("waiting", "failed_before_boot", "cancelled", "ended", "failed", "preparing", "training")


@pytest.mark.parametrize("tab", TABS)
def test_each_tab_has_the_frame_an_address_and_marks_itself(
    user: User, reader: Client, tab: str
) -> None:
    deployment = scenes.training(user)

    page = shown(reader, deployment, tab)

    here = re.findall(r'<a href="([^"]+)"\s+id="tab-\w+"\s+aria-current="page"', page)
    # Changing the tab keeps the reader's place on the page.
    assert here == [address(deployment, tab) + ("#parts" if tab else "")]
    assert len(re.findall(r'id="tab-\w+"', page)) == len(TABS)
    told = words(page)
    assert "62 % step 177 of 285" in told
    assert "spent of $2.50" in told
    assert "Stop and save" in told


def test_tabs_tell_how_much_is_behind_them(user: User, reader: Client) -> None:
    deployment = scenes.training(user)

    page = read(reader, deployment)

    assert "Logs 10" in page
    assert "Events 6" in page
    assert "Checkpoints 3 Files Config Cost" in page


def test_what_nobody_counts_is_not_counted(
    user: User, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tabs, "COUNTED_TO", 9)
    deployment = scenes.training(user)

    with CaptureQueriesContext(connection) as captured:
        page = read(reader, deployment)

    assert "Logs 9+" in page
    counts = [q["sql"] for q in captured if "COUNT(*)" in q["sql"] and "log_lines" in q["sql"]]
    assert counts
    assert all("LIMIT 10)" in sql for sql in counts)


@pytest.mark.parametrize("scene", EMPTY)
@pytest.mark.parametrize("tab", [*TABS, "files/use/"])
def test_every_tab_answers_in_every_state_of_a_run(
    user: User, reader: Client, scene: str, tab: str
) -> None:
    page = shown(reader, getattr(scenes, scene)(user), tab)

    assert "None" not in words(page)


def test_the_windows_title_tells_the_state_first_and_the_tab_last(
    user: User, reader: Client
) -> None:
    data = scenes.dataset(user)
    training = scenes.training(user, dataset=data)
    titles = {
        "training": shown(reader, training),
        "logs": shown(reader, training, "logs/"),
        "ended": shown(reader, scenes.ended(user, dataset=data)),
        "attention": shown(reader, scenes.needs_owner(user, dataset=data)),
        "waiting": shown(reader, scenes.waiting(user, dataset=data)),
    }

    found = {
        name: page[page.index("<title>") + 7 :].partition("<")[0] for name, page in titles.items()
    }

    assert re.fullmatch(r"62 % · loss 1\.\d{3} · Support answers v3 · Slipway", found["training"])
    assert found["logs"].endswith("· Support answers v3 · Logs · Slipway")
    assert found["ended"] == "Completed · $1.06 · Support answers v3 · Slipway"
    assert (
        found["attention"] == "Needs you · cannot end this machine · Support answers v3 · Slipway"
    )
    assert found["waiting"] == "Waiting for capacity · Support answers v3 · Slipway"


@pytest.mark.parametrize("more", [*TABS, *MORE, *[f"blocks/{name}/" for name in BLOCKS]])
def test_t2_somebody_elses_run_is_not_found_like_one_that_never_was(user: User, more: str) -> None:
    deployment = scenes.preparing(user)
    stranger = signed_in(builders.make_user())

    theirs = stranger.get(address(deployment, more))
    nobodys = stranger.get(f"/jobs/{uuid.uuid4()}/{more}")

    assert (theirs.status_code, nobodys.status_code) == (404, 404)
    assert theirs.content == nobodys.content


def test_pages_with_data_are_kept_in_no_cache(user: User, reader: Client) -> None:
    response = reader.get(address(scenes.preparing(user)))

    assert response["Cache-Control"] == "no-store, private"


def test_a_job_that_was_never_started_has_no_page(user: User, reader: Client) -> None:
    job = builders.make_job(user)

    assert reader.get(f"/jobs/{job.pk}/").status_code == 404


@pytest.mark.parametrize("name", list(BLOCKS))
def test_each_block_answers_alone(user: User, reader: Client, name: str) -> None:
    run = scenes.training(user)
    builders.make_push(builders.make_artifact(run.machines.get()))

    alone = shown(reader, run, f"blocks/{name}/")

    assert alone.lstrip().startswith(f'<div id="block-{name}"')


def test_a_block_that_is_unchanged_is_answered_with_nothing_and_keeps_its_place(
    user: User, reader: Client
) -> None:
    deployment = scenes.training(user)
    url = reader.get(address(deployment, "blocks/side/")).context["block"].url

    unchanged = reader.get(url)
    builders.make_log_line(deployment.machines.get(), text="step 178, loss 1.1")
    changed = reader.get(url)

    assert unchanged.status_code == 204
    assert changed.status_code == 200
    assert "step 178" in changed.content.decode()


def test_only_a_new_status_word_is_announced(user: User, reader: Client) -> None:
    deployment = scenes.training(user)
    url = reader.get(address(deployment, "blocks/state/")).context["block"].url
    # The same word, another text: the name has changed.
    Deployment.objects.update(name="Renamed")
    renamed = reader.get(url).content.decode()
    scenes.change(deployment, Status.COLLECTING, at=database_now(), message="Saving.")

    landed = reader.get(url).content.decode()

    assert "announce-status" not in renamed
    assert 'id="announce-status"' in landed
    assert "Bringing home" in landed


def test_a_refresh_keeps_the_tab_in_the_windows_title(user: User, reader: Client) -> None:
    deployment = scenes.training(user)

    figures = reader.get(address(deployment, "blocks/figures/?on=cost")).content.decode()
    side = reader.get(address(deployment, "blocks/side/")).content.decode()

    assert "· Cost · Slipway</title>" in figures
    assert "<title>" not in side


@pytest.mark.parametrize("name", list(BLOCKS))
def test_the_blocks_of_a_run_that_is_over_stop_asking(
    user: User, reader: Client, name: str
) -> None:
    response = reader.get(address(scenes.ended(user), f"blocks/{name}/?seen=anything"))

    assert response.status_code == 286
    # The meter that comes along goes on: a run may start elsewhere.
    assert "hx-get" not in response.content.decode().partition('<a class="burn')[0]


def test_an_unknown_block_is_not_found(user: User, reader: Client) -> None:
    assert reader.get(address(scenes.waiting(user), "blocks/nonsense/")).status_code == 404


@pytest.mark.parametrize("tab", [*TABS, "files/use/", "cancel/"])
def test_a_tab_asks_as_many_questions_for_a_long_run_as_for_a_short_one(
    user: User, tab: str
) -> None:
    data = scenes.dataset(user)
    short, long_one = scenes.training(user, dataset=data), scenes.training(user, dataset=data)
    machine = long_one.machines.get()
    builders.make_artifact(short.machines.get())
    builders.make_artifact(machine)
    for number in range(30):
        builders.make_event(long_one, message=f"event {number}")
        builders.make_log_line(machine)
        builders.make_checkpoint(machine, step=200 + number)
    for number in range(5):
        builders.make_machine(
            long_one,
            launch_state=LaunchState.REFUSED,
            attempt=10 + number,
            requested_at=long_one.created_at - timedelta(seconds=9),
        )
    reader = signed_in(user)

    counts = []
    for each in (short, long_one):
        with CaptureQueriesContext(connection) as captured:
            reader.get(address(each, tab))
        counts.append(len(captured))

    assert counts[0] == counts[1]
    assert counts[0] <= 40


def test_t3_what_a_machine_tells_is_shown_as_text_and_never_as_markup(
    user: User, reader: Client
) -> None:
    deployment = scenes.preparing(user)
    machine = deployment.machines.get()
    hostile = "<script>alert(1)</script>"
    builders.make_log_line(machine, text=hostile, source=hostile[:20])
    machine.run.environment = {"gpu": {"name": hostile}, "versions": {"python": hostile}}
    machine.run.heartbeat = {
        "gpus": [{"memory_used_mib": hostile}],
        "cpu_percent": "x",
        "cpu_count": hostile,
    }
    machine.run.phase_detail = hostile
    machine.run.save()
    Deployment.objects.filter(pk=deployment.pk).update(name=hostile)

    for more in (*TABS, "cancel/"):
        page = reader.get(address(deployment, more)).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page


def test_i20_the_meter_never_says_otherwise_than_the_end_card(user: User, reader: Client) -> None:
    run = scenes.ended(user)

    polled = spoken(reader.get(address(run, "blocks/state/")).content.decode())

    assert "Nothing of this run bills any more" in polled
    assert re.search(r'id="burn"[^>]*hx-swap-oob="true"[^>]*>.*Nothing bills', polled, re.DOTALL)
