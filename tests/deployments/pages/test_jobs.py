"""The page of one run in every state, its blocks, its long lists, and stopping it."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from core.time import database_now
from deployments.models import Deployment, Machine
from deployments.models.deployments import Desired, LaunchState, Status
from deployments.pages.jobs import BLOCKS
from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.test_wording import spoken


def address(deployment: Deployment, more: str = "") -> str:
    return f"/jobs/{deployment.job_id}/{more}"


def shown(reader: Client, deployment: Deployment, more: str = "") -> str:
    response = reader.get(address(deployment, more))
    assert response.status_code == 200
    return spoken(response.content.decode())


def words(page: str) -> str:
    """Return what a reader sees, without markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("<main")[2]).split())


def test_a_run_in_training_shows_progress_money_phases_and_the_machine(
    user: User, reader: Client
) -> None:
    page = words(shown(reader, scenes.training(user)))

    assert "62 % step 177 of 285" in page
    assert "1.86 of 3" in page
    assert "spent of $2.50" in page
    assert "likely end $" in page
    assert "training stops at $2.38" in page
    assert "Lambda confirmed the machine" in page
    assert "1\N{MULTIPLICATION SIGN} A10 us-east-1 · $1.29 an hour" in page
    assert "python 3.10.12, torch 2.13.0, trl 1.9.2, peft 0.19" in page
    assert "step 177, loss" in page


def test_the_windows_title_tells_the_state_first(user: User, reader: Client) -> None:
    data = scenes.dataset(user)
    titles = {
        "training": shown(reader, scenes.training(user, dataset=data)),
        "ended": shown(reader, scenes.ended(user, dataset=data)),
        "attention": shown(reader, scenes.needs_owner(user, dataset=data)),
        "waiting": shown(reader, scenes.waiting(user, dataset=data)),
    }

    found = {
        name: page[page.index("<title>") + 7 :].partition("<")[0] for name, page in titles.items()
    }

    assert re.fullmatch(r"62 % · loss 1\.\d{3} · Support answers v3 · Slipway", found["training"])
    assert found["ended"] == "Completed · $1.06 · Support answers v3 · Slipway"
    assert (
        found["attention"] == "Needs you · cannot end this machine · Support answers v3 · Slipway"
    )
    assert found["waiting"] == "Waiting for capacity · Support answers v3 · Slipway"


def test_a_run_that_is_over_shows_the_adapter_the_cost_and_the_proof(
    user: User, reader: Client
) -> None:
    deployment = scenes.ended(user)
    (artifact,) = deployment.artifacts.all()

    page = shown(reader, deployment)

    assert "Nothing of this run bills any more" in page
    assert "The adapter is home and the machine is gone" in page
    assert "of $2.50, in 49 billed minutes" in page
    assert f'href="/api/artifacts/{artifact.pk}/download"' in page
    assert "Download adapter, 84 MB" in page
    assert "Second list, 33 s later: gone" in page
    assert "Cost by phase" in page
    assert "hx-trigger" not in page.partition("<main")[2]


def test_i20_a_machine_that_is_being_ended_still_bills(user: User, reader: Client) -> None:
    deployment = scenes.training(user)
    scenes.change(deployment, Status.TERMINATING, at=database_now(), message="Stop asked for.")

    page = words(shown(reader, deployment))

    assert "Ending, still bills" in page
    assert "Proof, until then it bills" in page
    assert "Nothing of this run bills" not in page


def test_a_failure_is_told_in_the_order_happened_cost_next_and_what_to_do(
    user: User, reader: Client
) -> None:
    page = words(shown(reader, scenes.failed(user)))

    parts = [
        "This run failed",
        "What happened The loss is not a finite number since step 61.",
        "What it cost It cost $0.43. The machine is gone, nothing bills.",
        "What we do next Nothing. This run is over",
        "What you can do Lower the learning rate, or look at the rows near step 61. E_NAN",
    ]
    places = [page.index(part) for part in parts]
    assert places == sorted(places)


def test_a_failure_without_a_machine_says_that_nothing_was_rented(
    user: User, reader: Client
) -> None:
    deployment = scenes.waiting(user)
    error = {"code": "E_CAPACITY", "message": "No machine was free.", "remedy": "Wait longer."}
    scenes.finish(deployment, Status.FAILED, at=database_now(), error=error)

    page = words(shown(reader, deployment))

    assert "Nothing: no machine was rented, nothing bills." in page
    assert "No adapter came home, nothing was rented" in page
    assert "Cost by phase" not in page


def test_f56_a_run_that_needs_its_owner_tells_two_ways_out(user: User, reader: Client) -> None:
    deployment = scenes.needs_owner(user)
    (machine,) = deployment.machines.all()

    page = words(shown(reader, deployment))

    assert "We cannot end this machine: Lambda refuses your key" in page
    assert "$1.29 an hour while this lasts" in page
    assert "Check the key in the vault" in page
    assert "Or end the machine at Lambda yourself" in page
    assert machine.instance_id in page
    assert "Not confirmed by Lambda for 5 min" in page
    assert "not possible now" in page


def test_a_run_that_waits_tells_what_was_refused_and_what_it_may_cost(
    user: User, reader: Client
) -> None:
    page = words(shown(reader, scenes.waiting(user)))

    assert "none yet gpu_1x_a10, up to $1.29 an hour" in page
    assert "1 try; they cost nothing" in page
    assert "No A10 is free." in page
    assert "The first point comes after step 1." in page


def test_a_practice_machine_says_that_a_cpu_stands_in(user: User, reader: Client) -> None:
    deployment = scenes.preparing(user)
    run = deployment.machines.get().run
    run.environment = {"cpu_stand_in": True}
    run.heartbeat = {"gpus": [{"utilization_percent": 0}], "cpu_percent": 97.0}
    run.save()

    page = words(shown(reader, deployment))

    assert "a CPU stands in for the GPU" in page
    assert "CPU 97 %" in page
    assert "GPU use" not in page


def test_where_steps_decide_the_epochs_of_the_recipe_are_not_told(
    user: User, reader: Client
) -> None:
    deployment = scenes.training(user)
    deployment.job.config["hyperparameters"]["max_steps"] = 285
    deployment.job.save()

    page = words(shown(reader, deployment))

    assert "Epoch 1.86 Elapsed" in page
    assert "epoch 1" not in page


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

    for more in ("", "log/"):
        page = reader.get(address(deployment, more)).content.decode()
        assert "<script>alert" not in page
        assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize(
    "more",
    [
        "",
        "stop/",
        "loss/",
        "loss.csv",
        "log/",
        "log.txt",
        "events/",
        *[f"blocks/{n}/" for n in BLOCKS],
    ],
)
def test_t2_somebody_elses_run_is_not_found_like_one_that_never_was(user: User, more: str) -> None:
    deployment = scenes.preparing(user)
    stranger = signed_in(builders.make_user())

    theirs = stranger.get(address(deployment, more))
    nobodys = stranger.get(f"/jobs/{uuid.uuid4()}/{more}")

    assert (theirs.status_code, nobodys.status_code) == (404, 404)
    assert theirs.content == nobodys.content


def test_t2_somebody_elses_run_is_not_stopped(user: User) -> None:
    deployment = scenes.preparing(user)

    response = signed_in(builders.make_user()).post(address(deployment, "stop/"), {"save": "0"})

    deployment.refresh_from_db()
    assert response.status_code == 404
    assert deployment.desired == Desired.RUN


def test_pages_with_data_are_kept_in_no_cache(user: User, reader: Client) -> None:
    response = reader.get(address(scenes.preparing(user)))

    assert response["Cache-Control"] == "no-store, private"


@pytest.mark.parametrize("name", list(BLOCKS))
def test_each_block_answers_alone_with_the_words_it_has_on_the_page(
    user: User, reader: Client, name: str
) -> None:
    deployment = scenes.waiting(user)
    page = words(shown(reader, deployment))

    alone = shown(reader, deployment, f"blocks/{name}/")

    assert alone.lstrip().startswith(f'<div id="block-{name}"')
    # Figures tick, so only what stands before the first of them is compared.
    assert words("<main " + alone.partition("<title>")[0])[5:60].split("12 min")[0] in page


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


@pytest.mark.parametrize("name", list(BLOCKS))
def test_the_blocks_of_a_run_that_is_over_stop_asking(
    user: User, reader: Client, name: str
) -> None:
    response = reader.get(address(scenes.ended(user), f"blocks/{name}/?seen=anything"))

    assert response.status_code == 286
    assert "hx-get" not in response.content.decode()


def test_an_unknown_block_is_not_found(user: User, reader: Client) -> None:
    assert reader.get(address(scenes.waiting(user), "blocks/nonsense/")).status_code == 404


def test_the_page_asks_as_many_questions_for_a_long_run_as_for_a_short_one(user: User) -> None:
    data = scenes.dataset(user)
    deployment, long_one = scenes.training(user, dataset=data), scenes.training(user, dataset=data)
    machine = long_one.machines.get()
    for number in range(40):
        builders.make_event(long_one, message=f"event {number}")
        builders.make_log_line(machine)
    for number in range(5):
        builders.make_machine(
            long_one,
            launch_state=LaunchState.REFUSED,
            attempt=10 + number,
            requested_at=long_one.created_at - timedelta(seconds=9),
        )
    reader = signed_in(user)

    counts = []
    for each in (deployment, long_one):
        with CaptureQueriesContext(connection) as captured:
            reader.get(address(each))
        counts.append(len(captured))

    assert counts[0] == counts[1]
    assert counts[0] < 40


def test_the_loss_is_also_a_table_newest_first_and_a_csv(user: User, reader: Client) -> None:
    deployment = scenes.run(user)
    machine = scenes.prepared(deployment)
    values: list[tuple[str, int, Any]] = [
        ("train/loss", 1, 2.0),
        ("train/loss", 2, None),
        ("train/loss", 3, 1.0),
        ("eval/loss", 2, 1.5),
    ]
    for name, step, value in values:
        builders.make_metric(machine, name=name, step=step, value=value)

    page = words(shown(reader, deployment, "loss/"))
    table = reader.get(address(deployment, "loss.csv"))

    assert "3 1.000 1.444 2 not a number 1.500 1 2.000 2.000" in page
    assert table["Content-Disposition"].endswith('"support-answers-v3-loss.csv"')
    assert table.content.decode().splitlines() == [
        "step,train/loss,smoothed,eval/loss",
        "1,2.0,2.0,",
        "2,,,1.5",
        "3,1.0,1.444444,",
    ]


def test_the_log_is_searched_filtered_and_paged_and_never_cut(user: User, reader: Client) -> None:
    deployment = scenes.preparing(user)
    machine = deployment.machines.get()
    for number in range(502):
        level = "error" if number == 3 else "info"
        builders.make_log_line(machine, text=f"line {number}.", level=level)

    newest = shown(reader, deployment, "log/")
    older = shown(
        reader,
        deployment,
        "log/" + re.findall(r'href="(\?[^"]+)"', newest)[0].replace("&amp;", "&"),
    )
    errors = words(shown(reader, deployment, "log/?level=error"))
    found = words(shown(reader, deployment, "log/?q=LINE+77."))
    text = b"".join(reader.get(address(deployment, "log.txt")).streaming_content)  # type: ignore[attr-defined]

    assert "line 501." in newest
    assert "line 1." not in newest
    assert "line 1." in older
    assert "line 3." in errors
    assert "line 4." not in errors
    assert "1 line" in found
    assert len(text.splitlines()) == 502


def test_an_unknown_level_is_refused_in_words(user: User, reader: Client) -> None:
    response = reader.get(address(scenes.preparing(user), "log/?level=loud"))

    assert response.status_code == 400
    assert "There is no such level." in response.content.decode()


def test_all_events_are_on_a_page_of_their_own(user: User, reader: Client) -> None:
    deployment = scenes.preparing(user)
    for number in range(30):
        builders.make_event(deployment, message=f"event {number}.")

    on_the_run = words(shown(reader, deployment))
    all_of_them = words(shown(reader, deployment, "events/"))

    assert "All events" in on_the_run
    assert "event 1." not in on_the_run
    assert "event 1." in all_of_them
    assert all_of_them.index("event 29.") < all_of_them.index("event 0.")


def test_f24_the_stop_page_says_what_is_lost_and_kept_before_anything_happens(
    user: User, reader: Client
) -> None:
    deployment = scenes.training(user)

    page = words(shown(reader, deployment, "stop/"))

    assert "Lost: the 108 steps that are still to come. Kept: the adapter, all logs" in page
    assert "Lost: all 177 steps trained so far; the adapter does not come home." in page
    assert "Ending costs about $0.12 more" in page
    deployment.refresh_from_db()
    assert deployment.desired == Desired.RUN


@pytest.mark.parametrize(("pressed", "save"), [("1", True), ("0", False)])
def test_f24_stopping_is_a_wish_and_says_whether_to_save(
    user: User, reader: Client, pressed: str, save: bool
) -> None:
    deployment = scenes.training(user)

    response = reader.post(address(deployment, "stop/"), {"save": pressed}, follow=True)

    deployment.refresh_from_db()
    assert (deployment.desired, deployment.save_wanted) == (Desired.STOP, save)
    page = words(response.content.decode())
    assert "Asked to stop" in page
    assert "Stop run" not in page
    assert ("Do not wait for saving" in page) is save


def test_f24_whoever_has_asked_to_save_may_still_give_it_up(user: User, reader: Client) -> None:
    deployment = scenes.training(user)
    reader.post(address(deployment, "stop/"), {"save": "1"})

    page = words(shown(reader, deployment, "stop/"))
    reader.post(address(deployment, "stop/"), {"save": "0"})

    assert "End it without saving?" in page
    assert "Stop and save:" not in page
    assert "the adapter does not come home" in page
    deployment.refresh_from_db()
    assert not deployment.save_wanted
    assert reader.get(address(deployment, "stop/")).status_code == 302


def test_before_training_there_is_nothing_to_save(user: User, reader: Client) -> None:
    page = words(shown(reader, scenes.waiting(user), "stop/"))

    assert "Stop and save" not in page
    assert "Slipway stops looking for a machine." in page
    assert "Nothing bills." in page


def test_a_run_that_is_over_cannot_be_stopped(user: User, reader: Client) -> None:
    deployment = scenes.ended(user)

    assert reader.get(address(deployment, "stop/")).status_code == 302
    answer = reader.post(address(deployment, "stop/"), {"save": "1"}, follow=True)
    assert "This run is over already." in answer.content.decode()


def test_stopping_needs_the_forms_own_token(user: User) -> None:
    deployment = scenes.training(user)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)

    response = browser.post(address(deployment, "stop/"), {"save": "0"})

    deployment.refresh_from_db()
    assert response.status_code == 403
    assert "This form has gone stale" in response.content.decode()
    assert deployment.desired == Desired.RUN


def test_a_job_that_was_never_started_has_no_page(user: User, reader: Client) -> None:
    job = builders.make_job(user)

    assert reader.get(f"/jobs/{job.pk}/").status_code == 404


def test_a_machine_that_vanished_by_itself_has_a_proof_without_our_asking(
    user: User, reader: Client
) -> None:
    deployment = scenes.failed(user)
    Machine.objects.update(terminate_requested_at=None, terminate_accepted_at=None)

    page = words(shown(reader, deployment))

    assert "It disappeared without our asking" in page
    assert "We asked Lambda to end it" not in page
