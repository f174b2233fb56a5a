"""The first tab of a run in every state: progress, money, notes, the end, and what went wrong."""

from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.test import Client

from core.time import database_now
from deployments.models import Machine, Metric
from deployments.models.deployments import Status
from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.job.reading import read, shown


def test_a_run_in_training_shows_progress_money_phases_and_the_machine(
    user: User, reader: Client
) -> None:
    page = read(reader, scenes.training(user))

    assert "62 % step 177 of 285" in page
    assert "1.86 of 3" in page
    assert "spent of $2.50" in page
    assert "likely end $" in page
    assert "training stops at $2.38" in page
    assert "Lambda confirmed the machine" in page
    assert "1\N{MULTIPLICATION SIGN} A10 us-east-1 · $1.29 an hour" in page
    assert "Bring home about 1 min · $0.03" in page
    assert "step 177, loss" in page


def test_what_we_see_has_the_numbers_it_was_seen_in(user: User, reader: Client) -> None:
    page = read(reader, scenes.training(user))

    assert "What we see Loss is falling train 1.0" in page
    assert "No sign of overfitting eval 1.108, second fall in a row" in page
    assert "The card has room 13.3 of 22.5 GB in use" in page


def test_a_run_that_has_told_no_figure_leaves_nothing_to_say(user: User, reader: Client) -> None:
    assert "What we see Nothing to say yet." in read(reader, scenes.waiting(user))


def test_before_there_is_a_pace_the_time_left_is_not_known(user: User, reader: Client) -> None:
    deployment = scenes.training(user)
    run = deployment.machines.get().run
    Metric.objects.filter(job=deployment.job, step__gt=4).delete()
    run.step = 4
    run.save()

    page = read(reader, deployment)

    assert "Left not known yet after 5 steps" in page
    assert "likely end" not in page


def test_a_run_that_is_over_shows_the_adapter_the_cost_and_the_proof(
    user: User, reader: Client
) -> None:
    deployment = scenes.ended(user)
    (artifact,) = deployment.artifacts.all()

    page = shown(reader, deployment)

    assert "Nothing of this run bills any more" in page
    assert "The adapter is home and the machine is gone" in page
    assert "of $2.50, in 49 billed minutes" in page
    assert f'/files/{artifact.pk}/"' in page
    assert "Download adapter, 84 MB" in page
    assert "Second list, 33 s later: gone" in page
    assert "Cost by phase" in page
    assert "How to use it" in page
    assert "Checkpoints" in page.partition("Cost by phase")[2]
    assert "hx-trigger" not in page.partition("<main")[2]


def test_i20_a_machine_that_is_being_ended_still_bills(user: User, reader: Client) -> None:
    deployment = scenes.training(user)
    scenes.change(deployment, Status.TERMINATING, at=database_now(), message="Stop asked for.")

    page = read(reader, deployment)

    assert "Ending, still bills" in page
    assert "Proof, until then it bills" in page
    assert "Nothing of this run bills" not in page


def test_the_card_of_a_failure_says_what_happened_what_it_cost_and_leads_to_the_remedy(
    user: User, reader: Client
) -> None:
    page = read(reader, scenes.failed(user))

    parts = [
        "Nothing of this run bills any more",
        "The loss is not a finite number since step 61",
        "came home no adapter",
        "What it cost It cost $0.43. The machine is gone, nothing bills.",
        "What we do next Nothing. This run is over",
        "What you can do Lower the learning rate, or look at the rows near step 61.",
        "Duplicate with a lower rate",
        "E_NAN",
    ]
    places = [page.index(part) for part in parts]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("code", "button", "address"),
    [
        ("E_OOM", "Duplicate with smaller batches", "/new/?from="),
        ("E_AUTH", "Look after the key", "/vault/"),
        ("E_DATA", "Look at the data", "/datasets/"),
        ("E_TRAINING", "Read the log", "/logs/"),
        ("E_SOMETHING_NEW", "Train again with changes", "/new/?from="),
    ],
)
def test_the_first_button_of_a_failure_is_its_remedy(
    user: User, reader: Client, code: str, button: str, address: str
) -> None:
    deployment = scenes.failed(user)
    deployment.error = (deployment.error or {}) | {"code": code}
    deployment.save()

    page = shown(reader, deployment)

    filled = page[page.index('class="btn btn-fill"\n       id="remedy"') :].partition("</a>")[0]
    assert address in filled
    assert filled.endswith(f">{button}")
    assert page.count("btn btn-fill") == 2  # The other one is "New run" in the top bar.


def test_a_long_message_of_a_failure_is_a_paragraph_and_no_title(
    user: User, reader: Client
) -> None:
    deployment = scenes.failed(user)
    deployment.error = (deployment.error or {}) | {"message": "Something " * 30}
    deployment.save()

    page = read(reader, deployment)

    assert "This run failed" in page
    assert "What happened Something Something" in page


def test_a_failure_without_a_machine_says_that_nothing_was_rented(
    user: User, reader: Client
) -> None:
    page = read(reader, scenes.failed_before_boot(user))

    assert "No machine was free" in page
    assert "Nothing: no machine was rented, nothing bills." in page
    assert "Cost by phase" not in page
    assert "Launches that came to nothing" in page


def test_f56_a_run_that_needs_its_owner_tells_two_ways_out_and_what_still_works(
    user: User, reader: Client
) -> None:
    deployment = scenes.needs_owner(user)
    (machine,) = deployment.machines.all()

    page = read(reader, deployment)

    assert "We cannot end this machine: Lambda refuses your key" in page
    assert "$1.29 an hour while this lasts" in page
    assert "Check the key in the vault" in page
    links = shown(reader, deployment)
    assert f'href="/vault/{deployment.vault_entry_id}/replace/"' in links
    assert "Or end the machine at Lambda yourself" in page
    assert machine.instance_id in page
    assert "Not confirmed by Lambda for 5 min" in page
    assert "not possible now" in page
    assert "What still works Training and log read" in page


def test_a_run_that_waits_tells_what_was_refused_and_what_it_may_cost(
    user: User, reader: Client
) -> None:
    page = read(reader, scenes.waiting(user))

    assert "none yet gpu_1x_a10, up to $1.29 an hour" in page
    assert "1 try; they cost nothing" in page
    assert "No A10 is free." in page
    assert "First point after step 1" in page


def test_a_practice_machine_is_not_blamed_for_its_card(user: User, reader: Client) -> None:
    deployment = scenes.training(user)
    run = deployment.machines.get().run
    run.environment = {"cpu_stand_in": True}
    run.save()

    page = read(reader, deployment)

    assert "The card has room" not in page


def test_where_steps_decide_the_epochs_of_the_recipe_are_not_told(
    user: User, reader: Client
) -> None:
    deployment = scenes.training(user)
    deployment.job.config["hyperparameters"]["max_steps"] = 285
    deployment.job.save()

    page = read(reader, deployment)

    assert "Epoch 1.86 Elapsed" in page
    assert "epoch 1" not in page


def test_a_machine_that_vanished_by_itself_has_a_proof_without_our_asking(
    user: User, reader: Client
) -> None:
    deployment = scenes.failed(user)
    Machine.objects.update(terminate_requested_at=None, terminate_accepted_at=None)

    page = read(reader, deployment)

    assert "It disappeared without our asking" in page
    assert "We asked Lambda to end it" not in page


def test_a_second_machine_has_a_strip_of_its_own_under_a_heading(
    user: User, reader: Client
) -> None:
    deployment = scenes.run(user)
    first = scenes.prepared(deployment)
    begin = deployment.created_at
    scenes.change(deployment, Status.RECOVERING, at=begin + timedelta(seconds=400), message="Lost.")
    scenes.gone(first, at=begin + timedelta(seconds=600))
    builders.make_machine(deployment, requested_at=begin + timedelta(seconds=602))

    page = read(reader, deployment)

    assert "Second machine, after the first was lost" in page
