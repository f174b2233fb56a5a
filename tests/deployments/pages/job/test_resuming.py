"""Going on with a run from its page: from where, on which machine, for how much."""

import re
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import responses
from django.contrib.auth.models import User
from django.test import Client

from deployments import checkpoints, forecasts
from deployments.models import Checkpoint, Deployment, Draft, TrainingJob
from deployments.models.deployments import Status
from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.job.reading import address, read, shown, words
from tests.deployments.pages.test_wording import spoken

pytestmark = pytest.mark.usefixtures("cloud")
A10 = "lambda|gpu_1x_a10|us-east-1|1.29"


@pytest.fixture
def run(user: User) -> Deployment:
    """Return a run that was cancelled at step 40 of 285."""
    return scenes.cancelled(user)


@pytest.fixture
def home(run: Deployment) -> Checkpoint:
    """Return its checkpoint at step 32, which is home."""
    return builders.make_checkpoint_at_home(run.machines.get(), step=32)


def sent(reader: Client, run: Deployment, home: Checkpoint, **changes: Any) -> Any:
    """Press the button with what the form proposes, and these changes."""
    page = shown(reader, run, "resume/")
    place = re.search(r'<option value="([^"]+a10[^"]+)"', page)
    assert place is not None
    given = {
        "nonce": str(uuid4()),
        "checkpoint": str(home.pk),
        "num_train_epochs": "3.0",
        "save_steps": "",
        "machine": place[1],
        "budget_limit": "2.00",
        "max_hours": "6",
    }
    return reader.post(address(run, "resume/"), given | changes)


def test_a_run_that_is_over_offers_to_resume_from_its_checkpoint_at_home(
    reader: Client, run: Deployment, home: Checkpoint
) -> None:
    page = shown(reader, run)

    assert f'href="{address(run, "resume/")}"' in page
    assert "Resume from checkpoint 32" in words(page)


def test_without_a_checkpoint_at_home_nothing_is_offered(reader: Client, run: Deployment) -> None:
    assert "Resume from" not in read(reader, run)

    response = reader.get(address(run, "resume/"))

    assert response.status_code == 409
    assert "E_NO_CHECKPOINT" in spoken(response.content.decode())


def test_the_page_says_from_where_what_is_left_and_for_how_much(
    reader: Client, run: Deployment, home: Checkpoint
) -> None:
    page = read(reader, run, "resume/")

    assert "Resume from checkpoint 32?" in page
    assert "253 steps of 285 are left. On 1\N{MULTIPLICATION SIGN} A10 that likely costs $" in page
    assert "1\N{MULTIPLICATION SIGN} A10, Lambda, Virginia, $1.29 an hour, likely $" in page
    assert "H100" not in page
    assert Deployment.objects.count() == 1


def test_with_the_steps_as_they_were_the_run_itself_goes_on(
    reader: Client, run: Deployment, home: Checkpoint
) -> None:
    response = sent(reader, run, home)

    assert response["Location"] == address(run)
    found = Deployment.objects.get(resume_from=home)
    assert (found.job, found.budget_limit, found.max_hours) == (run.job, Decimal(2), Decimal(6))
    assert found.config["instance_type"] == "gpu_1x_a10"
    assert found.max_hourly_price == Decimal("1.29")
    assert "goes on from checkpoint 32" in read(reader, run)


def test_what_it_cost_before_is_told_beside_what_it_costs_now(
    reader: Client, run: Deployment, home: Checkpoint
) -> None:
    sent(reader, run, home)
    again = Deployment.objects.get(resume_from=home)
    builders.make_event(again, kind="launching", to_status="launching")
    builders.make_machine(again)

    assert "Before it was resumed, this run had cost $0.35" in read(reader, run, "cost/")


def test_with_other_epochs_it_becomes_a_run_of_its_own_once_however_often_it_is_pressed(
    reader: Client, run: Deployment, home: Checkpoint
) -> None:
    nonce = str(uuid4())

    first = sent(reader, run, home, num_train_epochs="4", nonce=nonce)
    again = sent(reader, run, home, num_train_epochs="4", nonce=nonce)

    assert first["Location"] == again["Location"] == f"/jobs/{nonce}/"
    job = TrainingJob.objects.get(pk=nonce)
    assert job.config["hyperparameters"]["num_train_epochs"] == 4
    assert Deployment.objects.count() == 2
    page = words(spoken(reader.get(f"/jobs/{nonce}/").content.decode()))
    assert "goes on from checkpoint 32 of Support answers v3" in page


def test_a_second_press_for_the_same_run_starts_nothing_more(
    reader: Client, run: Deployment, home: Checkpoint
) -> None:
    sent(reader, run, home)

    response = reader.post(address(run, "resume/"), {"nonce": str(uuid4())})

    assert response["Location"] == address(run)
    assert Deployment.objects.count() == 2


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"budget_limit": "0.10"}, "is too small"),
        ({"budget_limit": ""}, "This field is required."),
        ({"num_train_epochs": "0.1"}, "Nothing is left to train"),
        ({"machine": "lambda|gpu_1x_h100_pcie|us-west-3|3.29"}, "us-west-3"),
        ({"machine": "lambda|gpu_1x_a10|us-east-1|"}, "Select a valid choice"),
        ({"checkpoint": "x"}, "Select a valid choice"),
    ],
)
def test_what_cannot_be_is_told_at_its_field_and_starts_nothing(
    reader: Client, run: Deployment, home: Checkpoint, changes: dict[str, str], told: str
) -> None:
    response = sent(reader, run, home, **changes)

    if "checkpoint" in changes:
        assert response.status_code == 404
    else:
        assert response.status_code == 400
        page = words(spoken(response.content.decode()))
        assert told in page, page
    assert Deployment.objects.count() == 1


def test_f5_a_price_that_rose_since_the_page_was_read_is_refused(
    reader: Client, run: Deployment, home: Checkpoint
) -> None:
    response = sent(reader, run, home, machine="lambda|gpu_1x_a10|us-east-1|1.00")

    assert response.status_code == 400
    assert "Nothing is offered at 1.00 USD an hour or less." in spoken(response.content.decode())


def test_t20_a_large_budget_must_be_typed(
    reader: Client, run: Deployment, home: Checkpoint
) -> None:
    refused = sent(reader, run, home, budget_limit="900.00")
    taken = sent(reader, run, home, budget_limit="900.00", confirm_budget="900")

    assert "Type 900.00 to allow a budget of $900.00" in words(spoken(refused.content.decode()))
    assert taken.status_code == 302


def test_a_run_at_its_end_is_proposed_one_epoch_more(user: User, reader: Client) -> None:
    run = scenes.ended(user)
    machine = run.machines.get()
    run.job.checkpoints.all().delete()
    builders.make_checkpoint_at_home(machine, step=machine.run.total_steps)

    page = shown(reader, run, "resume/")

    assert "steps of this run are trained: give more to go on." in words(page)
    field = re.search(r'<input[^>]*name="num_train_epochs"[^>]*>', page)
    assert field is not None
    assert 'value="4.0"' in field[0]


def test_at_its_end_the_epoch_more_is_forecast_not_the_whole_run(
    user: User, reader: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes_asked: list[dict[str, Any]] = []
    real = forecasts.for_offers

    def for_offers(user: User, *, recipe: dict[str, Any], **others: Any) -> Any:
        recipes_asked.append(recipe["hyperparameters"])
        return real(user, recipe=recipe, **others)

    monkeypatch.setattr(forecasts, "for_offers", for_offers)
    run = scenes.ended(user)
    machine = run.machines.get()
    run.job.checkpoints.all().delete()
    builders.make_checkpoint_at_home(machine, step=machine.run.total_steps)

    shown(reader, run, "resume/")

    # 285 steps in 3 epochs.
    assert [asked["max_steps"] for asked in recipes_asked] == [95]


def test_a_run_that_lives_cannot_be_resumed(user: User, reader: Client) -> None:
    run = scenes.training(user)
    builders.make_checkpoint_at_home(run.machines.get(), step=30)

    assert reader.get(address(run, "resume/"))["Location"] == address(run)
    assert "Resume from" not in read(reader, run, "checkpoints/")


def test_when_the_offers_are_not_known_the_page_says_so(
    reader: Client, run: Deployment, home: Checkpoint, cloud: responses.RequestsMock
) -> None:
    cloud.replace(responses.GET, cloud.registered()[0].url, status=503)

    page = read(reader, run, "resume/")

    assert "The offers could not be read, so nothing can be started now" in page
    assert "Rent and resume" not in page


def test_each_checkpoint_at_home_can_be_taken_resumed_and_continued(
    reader: Client, run: Deployment, home: Checkpoint
) -> None:
    page = shown(reader, run, "checkpoints/")

    taken = reader.get(address(run, f"checkpoints/{home.pk}/"))

    assert f'href="{address(run, "resume/")}?checkpoint={home.pk}"' in page
    assert f'href="/new/?from={run.job_id}&amp;adapter={home.pk}"' in page
    assert taken.getvalue() == checkpoints.archive_of(home).read_bytes()


def test_a_new_run_begins_from_an_adapter_in_the_wizard(
    reader: Client, run: Deployment, home: Checkpoint
) -> None:
    response = reader.get(f"/new/?from={run.job_id}&adapter={home.pk}")

    draft = Draft.objects.get()
    assert response["Location"] == f"/new/{draft.pk}/data/"
    assert draft.values["adapter_from"]["id"] == str(home.pk)
    for step in ("training", "review"):
        page = words(spoken(reader.get(f"/new/{draft.pk}/{step}/").content.decode()))
        assert "Starts from the adapter of Support answers v3 at step 32" in page
    reader.post(f"/new/{draft.pk}/training/", {"without_adapter": "1"})
    draft.refresh_from_db()
    assert draft.values["adapter_from"] is None


def test_i18_nobody_resumes_or_takes_what_is_not_theirs(run: Deployment, home: Checkpoint) -> None:
    stranger = signed_in(builders.make_user())

    for more in ("resume/", f"checkpoints/{home.pk}/", "samples/"):
        assert stranger.get(address(run, more)).status_code == 404
    assert stranger.get(f"/new/?from={run.job_id}&adapter={home.pk}").status_code == 404


def test_samples_show_prompt_reference_base_and_the_newest_answer(
    user: User, reader: Client
) -> None:
    run = scenes.training(user)
    scenes.sampled(run)

    page = read(reader, run, "samples/")

    assert "Prompt 1" in page
    assert "In the data" in page
    assert "Base model" in page
    assert "Tuned, step 144" in page
    assert "2 earlier answers" in page


def test_before_the_first_samples_the_page_says_when_they_come(user: User, reader: Client) -> None:
    assert "answered at each evaluation" in read(reader, scenes.training(user), "samples/")


def test_without_samples_the_page_says_why(user: User, reader: Client, run: Deployment) -> None:
    run.job.config["eval"]["samples"] = 0
    run.job.save()

    assert "set up without samples" in read(reader, run, "samples/")
    assert Deployment.objects.get().status == Status.CANCELLED
