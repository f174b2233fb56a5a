"""From New run to a started run by the pages alone, and what a draft begins and ends with."""

import io
import re
from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
import responses
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from core.time import database_now
from datasets.models import Dataset
from deployments import drafts
from deployments.models import Deployment, Draft, TrainingConfig
from secrets_vault.models import VaultEntry
from tests import builders
from tests.deployments.api.conftest import BASE_URL
from tests.deployments.pages import scenes
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.wizard.walking import at_hardware, settings_of, words

NOBODYS = "0c5a6d1e-7b1f-4f0a-9c39-1f5b6c7d8e9f"

A10 = "lambda|gpu_1x_a10|us-east-1|1.29"


@pytest.fixture
def data(user: User) -> Dataset:
    """Give the reader a key and data, so that a run can be started."""
    builders.make_vault_entry(user)
    return builders.make_dataset(user, name="Support answers")


def hardware(**changes: Any) -> dict[str, Any]:
    """Return what the Hardware step sends for an A10 and 2.50 dollars."""
    return {
        "show_type": "auto",
        "show_region": "auto",
        "max_hourly_price": "",
        "machine": A10,
        "fallback_total_limit": "",
        "wait_for_capacity_minutes": "30",
        "budget_limit": "2.50",
        "max_hours": "2",
        "keep_on_failure_minutes": "0",
    } | changes


def ready(user: User, dataset: Dataset) -> Draft:
    """Return a draft that only wants Start."""
    machine = {
        "platform": "lambda",
        "instance_type": "gpu_1x_a10",
        "region": "us-east-1",
        "hourly": "1.29",
    }
    limits = {"budget_limit": "2.50", "max_hours": "2"}
    return at_hardware(user, dataset, machine=machine, **limits)


def press(reader: Client, draft: Draft, **changes: Any) -> Any:
    """Press Start as the review's form does."""
    version = Draft.objects.get(pk=draft.pk).version
    given = {"name": "Support answers v3", "version": version, "hourly": "1.29"}
    return reader.post(f"/new/{draft.pk}/review/", given | changes)


def new(reader: Client, query: str = "") -> Draft:
    """Press New run and return the draft it makes."""
    location = reader.get(f"/new/{query}")["Location"]
    found = re.fullmatch(r"/new/([0-9a-f-]{36})/data/", location)
    assert found is not None
    return Draft.objects.get(pk=UUID(found[1]))


def test_a_new_user_goes_from_new_run_to_a_started_run(
    user: User, reader: Client, cloud: responses.RequestsMock
) -> None:
    builders.make_vault_entry(user)
    rows = io.BytesIO(builders.json_lines(builders.chat_rows(40)))
    rows.name = "support.jsonl"
    draft = new(reader)
    at = f"/new/{draft.pk}"

    reader.post(f"{at}/data/upload/", {"file": rows, "name": "Support answers"})
    led = [
        reader.post(f"{at}/data/", {"share": "0.05"})["Location"],
        reader.post(f"{at}/method/", {"method": "sft"})["Location"],
        reader.post(f"{at}/model/", {"base_model": "hub", "hub_model": "example/tiny-llama"})[
            "Location"
        ],
        reader.post(f"{at}/training/", settings_of(lora_r="24"))["Location"],
        reader.post(f"{at}/hardware/", hardware())["Location"],
    ]
    response = press(reader, draft)

    assert [address.split("/")[3] for address in led] == [
        "method",
        "model",
        "training",
        "hardware",
        "review",
    ]
    deployment = Deployment.objects.get(user=user)
    assert response["Location"] == f"/jobs/{deployment.job_id}/"
    assert deployment.name == "Support answers v3"
    assert deployment.budget_limit == Decimal("2.50")
    assert deployment.max_hourly_price == Decimal("1.29")
    assert deployment.config["instance_type"] == "gpu_1x_a10"
    assert deployment.config["region"] == "us-east-1"
    recipe = deployment.job.config
    assert recipe["base_model"] == "example/tiny-llama"
    assert recipe["hyperparameters"]["lora_r"] == 24
    assert recipe["hyperparameters"]["learning_rate"] == 2e-4
    assert recipe["hyperparameters"]["num_train_epochs"] == 3.0
    assert recipe["hyperparameters"]["max_steps"] is None
    assert recipe["eval"]["share"] == 0.05
    assert not Draft.objects.exists()


def test_the_wizard_can_be_walked_before_there_is_a_key_which_hardware_then_asks_for(
    user: User, reader: Client, cloud: responses.RequestsMock
) -> None:
    cloud.get(f"{BASE_URL}/instances", json={"data": []})
    draft = at_hardware(user, builders.make_dataset(user))
    at = f"/new/{draft.pk}/hardware/"

    page = words(reader.get(at).content.decode())
    response = reader.post(
        "/vault/add/",
        {"provider": "lambda", "secret": builders.SECRET, "next": str(draft.pk)},
    )

    assert "Connect a cloud to see its machines" in page
    assert VaultEntry.objects.active().filter(user=user).exists()
    assert response["Location"] == at
    assert "Connect a cloud" not in words(reader.get(at).content.decode())


@pytest.mark.parametrize("asked", ["nonsense", "", NOBODYS])
def test_a_key_added_anywhere_else_leads_to_the_vault(
    reader: Client, cloud: responses.RequestsMock, asked: str
) -> None:
    cloud.get(f"{BASE_URL}/instances", json={"data": []})
    given = {"provider": "lambda", "secret": builders.SECRET, "next": asked}

    assert reader.post("/vault/add/", given)["Location"] == "/vault/"


def test_the_first_visit_leads_into_the_wizard(user: User, reader: Client) -> None:
    page = reader.get("/").content.decode()

    response = reader.post("/datasets/sample/", {"next": "new"})

    assert 'href="/new/"' in page
    assert "Six short steps; leave and come back whenever you like." in words(page)
    assert response["Location"] == f"/new/?dataset={Dataset.objects.get(user=user).pk}"


def test_data_can_be_chosen_beforehand(reader: Client, user: User, data: Dataset) -> None:
    builders.make_dataset(user, name="Newer")

    draft = new(reader, f"?dataset={data.pk}")

    assert draft.dataset == data


@pytest.mark.parametrize("query", ["?dataset=nonsense", f"?dataset={NOBODYS}"])
def test_t2_data_that_is_not_ones_own_makes_no_draft(reader: Client, query: str) -> None:
    assert reader.get(f"/new/{query}").status_code == 404
    assert not Draft.objects.exists()


def test_t2_somebody_elses_data_makes_no_draft(reader: Client) -> None:
    theirs = builders.make_dataset()

    assert reader.get(f"/new/?dataset={theirs.pk}").status_code == 404
    assert not Draft.objects.exists()


def test_a_run_can_be_trained_again_with_changes(user: User, reader: Client, data: Dataset) -> None:
    deployment = scenes.run(user, name="Earlier", dataset=data)

    draft = new(reader, f"?from={deployment.job_id}")

    assert draft.dataset == data
    assert drafts.name_of(draft) == "Earlier"
    assert draft.values["base_model"] == scenes.MODEL
    assert draft.values["budget_limit"] == "2.50"
    assert drafts.recipe(draft) == deployment.job.config | {"revision": None}
    page = words(reader.get(f"/new/{draft.pk}/training/").content.decode())
    assert "Reset LoRA rank to 8" in page
    gaps = {step for step, found in drafts.gaps(draft).items() if found}
    assert gaps == {"hardware"}


def test_duplicating_twice_makes_one_draft_until_it_is_changed(
    user: User, reader: Client, data: Dataset
) -> None:
    deployment = scenes.run(user, dataset=data)

    first = new(reader, f"?from={deployment.job_id}")
    again = new(reader, f"?from={deployment.job_id}")
    drafts.change(again, {"method": "sft"})
    third = new(reader, f"?from={deployment.job_id}")

    assert first == again
    assert third != first


def test_t2_somebody_elses_run_cannot_be_copied(reader: Client) -> None:
    theirs = scenes.run(builders.make_user())

    assert reader.get(f"/new/?from={theirs.job_id}").status_code == 404
    assert reader.get("/new/?from=nonsense").status_code == 404


def test_next_week_the_list_of_runs_leads_back_to_the_first_open_step(
    user: User, reader: Client, data: Dataset
) -> None:
    scenes.run(user, dataset=data)
    draft = at_hardware(user, data)

    page = words(reader.get("/").content.decode())

    assert "1 draft Support answers v2" in page
    assert f"/new/{draft.pk}/resume/" in reader.get("/").content.decode()
    assert reader.get(f"/new/{draft.pk}/resume/")["Location"] == f"/new/{draft.pk}/hardware/"


def test_a_draft_is_listed_once_something_is_saved_and_until_it_is_deleted(
    user: User, reader: Client
) -> None:
    draft = drafts.begin(user)
    before = words(reader.get("/").content.decode())
    drafts.change(draft, {"method": "sft"})
    listed = words(reader.get("/").content.decode())
    after = words(reader.post(f"/new/{draft.pk}/delete/", follow=True).content.decode())

    assert "draft" not in before
    assert "1 draft New run" in listed
    assert "The draft New run is deleted." in after
    assert "1 draft" not in after


def test_what_earlier_steps_lack_is_told_with_a_link_and_stops_nobody_from_looking(
    user: User, reader: Client
) -> None:
    draft = drafts.begin(user)

    page = reader.get(f"/new/{draft.pk}/training/").content.decode()

    assert "3 things are still open in earlier steps" in words(page)
    assert "No data is chosen yet. Step 1: Choose data to learn from." in words(page)
    assert f'<a href="/new/{draft.pk}/data/">Step 1' in page


def test_the_stepper_says_in_words_what_is_done_and_where_one_is(
    user: User, reader: Client, data: Dataset
) -> None:
    draft = at_hardware(user, data)

    page = words(reader.get(f"/new/{draft.pk}/model/").content.decode())

    assert "Data , done" in page
    assert "3 Model , this step" in page
    assert "5 Hardware and budget , open" in page


def test_the_summary_grows_with_the_choices(user: User, reader: Client, data: Dataset) -> None:
    empty, done = drafts.begin(user), at_hardware(user, data)

    before = words(reader.get(f"/new/{empty.pk}/data/").content.decode())
    after = words(reader.get(f"/new/{done.pk}/data/").content.decode())

    assert "Method step 2 Model step 3 Training step 4" in before
    assert "Nothing is saved yet." in before
    assert "Data Support answers Rows 11 + 1 held out Method SFT" in after
    assert "Training Balanced, 3 epochs" in after
    assert "Max length 2,048" in after
    assert "Draft saved" in after


def test_the_price_appears_with_a_machine_and_follows_the_settings(
    user: User, reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    llama = "meta-llama/Llama-3.2-1B-Instruct"
    draft = drafts.change(ready(user, data), {"base_model": llama})
    without = drafts.change(at_hardware(user, data), {"base_model": llama})

    before = words(reader.get(f"/new/{without.pk}/training/").content.decode())
    asked = len(cloud.calls)
    short = words(reader.get(f"/new/{draft.pk}/training/").content.decode())
    drafts.change(draft, {"hyperparameters": {"num_train_epochs": 100.0}})
    long = words(reader.get(f"/new/{draft.pk}/training/").content.decode())

    assert asked == 0
    assert "Likely cost not known yet Appears with the machines in step 5." in before
    totals = [re.search(r"Likely cost \$(\S+) to \$(\S+)", page) for page in (short, long)]
    assert totals[0] is not None
    assert totals[1] is not None
    assert Decimal(totals[1][2]) > Decimal(totals[0][2])


def test_f1_two_presses_of_start_make_one_run(
    user: User, reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    draft = ready(user, data)

    first = press(reader, draft)
    second = reader.post(f"/new/{draft.pk}/review/", {"name": "x", "version": "1"})

    assert first["Location"] == second["Location"]
    assert Deployment.objects.count() == 1


def test_f1_settings_left_behind_by_a_crash_are_forgotten(
    user: User, reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    draft = ready(user, data)
    builders.make_config(user, id=draft.pk, dataset=data)
    TrainingConfig.objects.update(created_at=database_now() - timedelta(minutes=3))

    press(reader, draft)
    shown = words(reader.get(f"/new/{draft.pk}/review/").content.decode())

    assert "This form was sent before. Nothing was started." in shown
    assert not TrainingConfig.objects.exists()
    assert press(reader, draft)["Location"].startswith("/jobs/")


def test_f1_settings_of_somebody_else_under_the_same_number_start_nothing(
    user: User, data: Dataset, cloud: responses.RequestsMock
) -> None:
    draft = ready(user, data)
    theirs = builders.make_config(id=draft.pk)

    press(signed_in(user), draft)

    assert not Deployment.objects.exists()
    assert TrainingConfig.objects.get() == theirs


def test_f4_a_refused_start_keeps_no_settings_and_the_draft(
    user: User, reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    draft = ready(user, data)
    cloud.replace(
        "GET",
        f"{BASE_URL}/instance-types",
        status=401,
        json={"error": {"code": "global/invalid-api-key", "message": "bad key", "suggestion": ""}},
    )

    press(reader, draft)

    assert not TrainingConfig.objects.exists()
    assert Draft.objects.filter(pk=draft.pk).exists()


def test_starting_needs_the_forms_own_token(user: User, data: Dataset) -> None:
    draft = ready(user, data)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)

    assert press(browser, draft).status_code == 403
    assert not Deployment.objects.exists()


@pytest.mark.parametrize("step", ["data", "method", "model", "training", "hardware", "review"])
def test_i18_nothing_of_somebody_elses_draft_can_be_changed(
    user: User, data: Dataset, step: str
) -> None:
    draft = ready(user, data)
    before = Draft.objects.get(pk=draft.pk).values

    response = signed_in(builders.make_user()).post(f"/new/{draft.pk}/{step}/", {"method": "x"})

    assert response.status_code == 404
    assert Draft.objects.get(pk=draft.pk).values == before


def test_a_default_budget_of_the_operator_stands_in_the_field(
    user: User,
    reader: Client,
    data: Dataset,
    cloud: responses.RequestsMock,
    settings: Settings,
) -> None:
    settings.DEFAULT_BUDGET_USD = "7.50"
    draft = at_hardware(user, data)

    assert 'value="7.50"' in reader.get(f"/new/{draft.pk}/hardware/").content.decode()
