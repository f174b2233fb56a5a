"""Starting a run from its form: errors beside fields, nothing lost, one run for two presses."""

import re
from datetime import timedelta
from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import responses
from django.conf import settings as django_settings
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from core.time import database_now
from datasets.models import Dataset
from deployments.models import Deployment, TrainingConfig
from deployments.pages.run_form import MachineChoice
from tests import builders
from tests.deployments.api.conftest import BASE_URL
from tests.deployments.pages import scenes
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.test_wording import spoken

A10 = "gpu_1x_a10|us-east-1|1.29"


@pytest.fixture
def data(user: User) -> Dataset:
    """Give the reader a key and data, so that a run can be started."""
    builders.make_vault_entry(user)
    return builders.make_dataset(user, name="Support answers")


@pytest.fixture
def local_model() -> str:
    folder: Path = django_settings.LOCAL_MODELS_DIR / "tiny"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return "local:tiny"


def filled(dataset: Dataset, /, **changes: Any) -> dict[str, Any]:
    """Return the fields of a good form; a test spells out only what it is about."""
    return {
        "nonce": str(uuid4()),
        "name": "Support answers v3",
        "dataset": str(dataset.pk),
        "base_model": "hub",
        "hub_model": "example/tiny-llama",
        "num_train_epochs": "3",
        "learning_rate": "2e-4",
        "max_length": "1024",
        "lora_r": "16",
        "lora_alpha": "32",
        "per_device_train_batch_size": "2",
        "gradient_accumulation_steps": "8",
        "max_steps": "",
        "seed": "42",
        "eval_share": "5",
        "machine": A10,
        "budget_limit": "2.50",
        "max_hours": "2",
        "wait_for_capacity_minutes": "30",
    } | changes


def test_without_a_key_the_form_sends_for_one(reader: Client) -> None:
    assert "A run needs the key of a cloud first" in reader.get("/new/").content.decode()


def test_without_data_the_form_sends_for_some(user: User, reader: Client) -> None:
    builders.make_vault_entry(user)

    assert "A run needs data to learn from" in reader.get("/new/").content.decode()


def test_the_form_shows_live_offers_models_of_the_server_and_the_defaults(
    reader: Client, data: Dataset, local_model: str, cloud: responses.RequestsMock
) -> None:
    page = spoken(reader.get("/new/").content.decode())

    assert "tiny (local)" in page
    assert "Support answers, 12 rows" in page
    assert f'value="{A10}"' in page
    assert "Virginia, USA" in page
    assert 'value="gpu_1x_h100_pcie|auto|3.29"' in page
    assert "Sold out now." in page
    assert 'value="auto|auto|1.29"' in page
    assert 'value="2e-4"' in page
    assert 'value="10"' in page


def test_data_can_be_chosen_beforehand(
    reader: Client, user: User, data: Dataset, cloud: responses.RequestsMock
) -> None:
    builders.make_dataset(user, name="Newer")

    page = reader.get(f"/new/?dataset={data.pk}").content.decode()

    assert f'<option value="{data.pk}" selected>' in page


def test_when_the_cloud_does_not_answer_the_form_still_stands(
    reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    cloud.replace("GET", f"{BASE_URL}/instance-types", status=503)

    response = reader.get("/new/")

    assert response.status_code == 200
    assert "The offers could not be read" in response.content.decode()
    assert 'value="auto|auto|"' in response.content.decode()


def test_pressing_start_keeps_the_settings_and_accepts_the_run(
    user: User, reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    response = reader.post("/new/", filled(data))

    deployment = Deployment.objects.get(user=user)
    assert response["Location"] == f"/jobs/{deployment.job_id}/"
    assert deployment.name == "Support answers v3"
    assert deployment.budget_limit == Decimal("2.50")
    assert deployment.max_hourly_price == Decimal("1.29")
    assert deployment.config["instance_type"] == "gpu_1x_a10"
    assert deployment.config["region"] == "us-east-1"
    recipe = deployment.job.config
    assert recipe["base_model"] == "example/tiny-llama"
    assert recipe["hyperparameters"]["learning_rate"] == 2e-4
    assert recipe["hyperparameters"]["num_train_epochs"] == 3.0
    assert recipe["hyperparameters"]["max_steps"] is None
    assert recipe["eval"]["share"] == 0.05


def test_a_model_of_this_server_is_taken_by_its_name(
    reader: Client, data: Dataset, local_model: str, cloud: responses.RequestsMock
) -> None:
    reader.post("/new/", filled(data, base_model=local_model, hub_model=""))

    assert Deployment.objects.get().job.model_name == local_model


@pytest.mark.parametrize(
    ("given", "field", "told"),
    [
        ({"name": ""}, "name", "This field is required."),
        ({"hub_model": ""}, "hub_model", "Name the model, or choose one of this server."),
        ({"hub_model": "not a model!"}, "hub_model", "is not a model id"),
        ({"learning_rate": "2"}, "learning_rate", "Give a number from 1e-08 to 1"),
        ({"learning_rate": "fast"}, "learning_rate", "Enter a number."),
        ({"lora_r": "0"}, "lora_r", "Give a whole number from 1 to 512; the default is 8."),
        ({"lora_r": ""}, "lora_r", "This field is required."),
        ({"eval_share": "80"}, "eval_share", "less than or equal to 50"),
        ({"budget_limit": ""}, "budget_limit", "This field is required."),
        ({"budget_limit": "0.08"}, "budget_limit", "A budget of 0.08 USD is too small"),
        ({"budget_limit": "-1"}, "budget_limit", "greater than or equal to 0.01"),
        ({"max_hours": "0"}, "max_hours", "greater than or equal to 0.01"),
        ({"machine": ""}, "machine", "This field is required."),
        ({"machine": "nonsense||||"}, "machine", "offers no machine named nonsense"),
        ({"machine": "gpu_1x_a10|us-east-1|cheap"}, "machine", "Choose a machine from the list."),
        ({"machine": "gpu_1x_a10|mars|1.29"}, "machine", "there is no such region"),
        ({"dataset": str(uuid4())}, "dataset", "Select a valid choice"),
    ],
)
def test_what_is_wrong_is_told_beside_its_field_and_nothing_typed_is_lost(
    reader: Client,
    data: Dataset,
    cloud: responses.RequestsMock,
    given: dict[str, str],
    field: str,
    told: str,
) -> None:
    response = reader.post("/new/", filled(data, **given))

    page = unescape(response.content.decode())
    assert response.status_code == 200
    error = re.search(rf'id="id_{field}_error"[^>]*>(.*?)</(?:span|p)>', page, re.DOTALL)
    assert error is not None
    assert told in error[1]
    assert given.get("name", "Support answers v3") in page
    assert "1 field below cannot be used as it is. Nothing was started" in spoken(page)
    assert not Deployment.objects.exists()
    assert not TrainingConfig.objects.exists()


def test_an_error_in_a_folded_setting_opens_the_fold(
    reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    page = reader.post("/new/", filled(data, lora_r="0")).content.decode()

    assert re.search(r'<details class="more[^"]*"\s+open', page)


def test_f5_a_price_that_rose_since_it_was_shown_is_not_paid(
    reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    page = reader.post("/new/", filled(data, machine="gpu_1x_a10|us-east-1|1.09")).content.decode()

    assert "Nothing is offered at 1.09 USD an hour or less." in page
    assert not Deployment.objects.exists()


def test_f4_a_key_that_is_refused_is_told_above_the_form(
    reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    cloud.replace(
        "GET",
        f"{BASE_URL}/instance-types",
        status=401,
        json={"error": {"code": "global/invalid-api-key", "message": "bad key", "suggestion": ""}},
    )

    response = reader.post("/new/", filled(data))

    assert response.status_code == 200
    assert 'role="alert"' in response.content.decode()
    assert not TrainingConfig.objects.exists()


def test_what_was_typed_is_still_there_on_coming_back(
    reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    reader.post("/new/", filled(data, name="Half done", budget_limit=""))

    page = reader.get("/new/").content.decode()
    afresh = reader.get("/new/?fresh=1").content.decode()

    assert 'value="Half done"' in page
    assert "What you typed last is still here." in page
    assert 'value="Half done"' not in afresh


def test_after_a_start_the_form_is_empty_again(
    reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    reader.post("/new/", filled(data, name="Started"))

    assert 'value="Started"' not in reader.get("/new/").content.decode()


def test_a_run_can_be_trained_again_with_changes(
    user: User, reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    deployment = scenes.run(user, name="Earlier", dataset=data)

    page = reader.get(f"/new/?from={deployment.job_id}").content.decode()

    assert 'value="Earlier"' in page
    assert f'value="{scenes.MODEL}"' in page
    assert re.search(r'name="lora_r"[^>]*value="16"|value="16"[^>]*name="lora_r"', page)
    assert 'value="2.50"' in page


def test_t2_somebody_elses_run_cannot_be_copied(
    reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    theirs = scenes.run(builders.make_user())

    assert reader.get(f"/new/?from={theirs.job_id}").status_code == 404
    assert reader.get("/new/?from=nonsense").status_code == 404


def test_t2_somebody_elses_data_cannot_be_trained_on(
    reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    theirs = builders.make_dataset()

    response = reader.post("/new/", filled(data, dataset=str(theirs.pk)))

    assert response.status_code == 200
    assert not Deployment.objects.exists()


def test_f1_two_presses_of_start_make_one_run(
    reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    form = filled(data)

    first = reader.post("/new/", form)
    second = reader.post("/new/", form)

    assert first["Location"] == second["Location"]
    assert Deployment.objects.count() == 1


def test_f1_a_used_form_with_other_settings_starts_nothing_until_it_is_looked_over(
    reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    form = filled(data)
    reader.post("/new/", form)

    response = reader.post("/new/", form | {"lora_r": "32"})
    page = response.content.decode()
    nonce = re.search(r'name="nonce" value="([^"]+)"', page)

    assert response.status_code == 200
    assert "This form was sent before. It has started a run already" in page
    assert nonce is not None
    assert nonce[1] != form["nonce"]
    assert Deployment.objects.count() == 1
    reader.post("/new/", form | {"lora_r": "32", "nonce": nonce[1]})
    assert Deployment.objects.count() == 2


def test_f1_a_press_during_another_one_waits_for_it_and_starts_nothing(
    user: User, reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    form = filled(data)
    config = builders.make_config(user, id=form["nonce"], dataset=data)

    response = reader.post("/new/", form)
    waiting = reader.get(response["Location"])
    polled = reader.get(response["Location"], headers={"HX-Request": "true"})

    assert response["Location"] == f"/new/{form['nonce']}/"
    assert "Starting your run" in waiting.content.decode()
    assert polled.status_code == 204
    assert not Deployment.objects.exists()

    deployment = scenes.run(user, dataset=data, training_config=config)

    assert reader.get(response["Location"])["Location"] == f"/jobs/{deployment.job_id}/"
    led = reader.get(response["Location"], headers={"HX-Request": "true"})
    assert led["HX-Redirect"] == f"/jobs/{deployment.job_id}/"


def test_f1_whoever_waits_for_a_press_that_failed_gets_the_form_back(
    user: User, reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    response = reader.get(f"/new/{uuid4()}/", follow=True)

    assert "Nothing was started. Press Start again to see why." in response.content.decode()


def test_f1_settings_left_behind_by_a_crash_are_forgotten(
    user: User, reader: Client, data: Dataset, cloud: responses.RequestsMock
) -> None:
    form = filled(data)
    builders.make_config(user, id=form["nonce"], dataset=data)
    TrainingConfig.objects.update(created_at=database_now() - timedelta(minutes=3))

    page = reader.post("/new/", form).content.decode()

    assert "This form was sent before. Nothing was started." in page
    assert not TrainingConfig.objects.exists()


def test_f1_somebody_elses_form_number_neither_starts_nor_shows_anything(
    user: User, data: Dataset, cloud: responses.RequestsMock
) -> None:
    theirs = builders.make_config()

    response = signed_in(user).post("/new/", filled(data, nonce=str(theirs.pk)))

    assert response.status_code == 200
    assert not Deployment.objects.exists()
    assert TrainingConfig.objects.get().pk == theirs.pk


def test_starting_needs_the_forms_own_token(user: User, data: Dataset) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)

    assert browser.post("/new/", filled(data)).status_code == 403
    assert not Deployment.objects.exists()


def test_a_default_budget_of_the_operator_stands_in_the_field(
    reader: Client, data: Dataset, cloud: responses.RequestsMock, settings: Settings
) -> None:
    settings.DEFAULT_BUDGET_USD = "7.50"

    assert 'value="7.50"' in reader.get("/new/").content.decode()


@pytest.mark.parametrize("text", ["", "|us-east-1|1", "a|b|NaN", "a|b|Infinity", "a|b|-1", "a|b|x"])
def test_a_choice_that_no_offer_has_made_is_no_choice(text: str) -> None:
    assert MachineChoice.read(text) is None


def test_a_choice_reads_back_as_it_was_written() -> None:
    choice = MachineChoice("gpu_1x_a10", "us-east-1", Decimal("1.29"))

    assert choice.value == A10
    assert MachineChoice.read(choice.value) == choice
