"""Training configs: kept as sent, checked by name, replaced, changed, deleted."""

from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User

from deployments.models import TrainingConfig
from tests.builders import make_config, make_dataset, make_job, make_user
from tests.deployments.api.calls import SIGN_IN_QUERIES, Caller, error_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return make_user()


@pytest.fixture
def body(user: User) -> dict[str, Any]:
    return {
        "name": "Sums",
        "base_model": "example/tiny-llama",
        "method": "sft",
        "dataset_id": str(make_dataset(user).pk),
        "hyperparameters": {"lora_r": 4, "learning_rate": 1e-4},
        "eval": {"share": 0.2},
        "export": {},
        "budget_limit": "2.50",
    }


def test_a_config_is_kept_as_it_was_sent(user: User, body: dict[str, Any]) -> None:
    caller = Caller(user)

    response = caller.post("training/configs", body)

    assert response.status_code == 201
    kept = response.json()
    assert {name: kept[name] for name in body} == body
    assert caller.read(f"training/configs/{kept['id']}") == kept
    assert caller.read("training/configs")["data"] == [kept]


def test_name_base_model_and_dataset_are_enough(user: User, body: dict[str, Any]) -> None:
    least = {name: body[name] for name in ("name", "base_model", "dataset_id")}

    kept = Caller(user).post("training/configs", least).json()

    assert kept["method"] == "sft"
    assert kept["hyperparameters"] == kept["eval"] == kept["export"] == {}
    assert kept["budget_limit"] is None


@pytest.mark.parametrize(
    ("field", "value", "param"),
    [
        ("budget", "1.00", "budget"),
        ("name", "", "name"),
        ("name", None, "name"),
        ("base_model", "two words", "base_model"),
        ("base_model", "local:../../etc", "base_model"),
        ("method", "ppo", "method"),
        ("hyperparameters", [], "hyperparameters"),
        ("hyperparameters", {"learning_rat": 1}, "hyperparameters.learning_rat"),
        ("hyperparameters", {"lora_r": "8"}, "hyperparameters.lora_r"),
        ("hyperparameters", {"\ud800": 1}, "hyperparameters"),
        ("hyperparameters", {"target_modules": ["x" * 20000]}, "hyperparameters"),
        ("eval", {"share": 0.9}, "eval.share"),
        ("export", {"gguf": True}, "export.gguf"),
        ("budget_limit", "0", "budget_limit"),
        ("budget_limit", 5, "budget_limit"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    user: User, body: dict[str, Any], field: str, value: object, param: str
) -> None:
    response = Caller(user).post("training/configs", body | {field: value})

    assert error_of(response, status=400)["param"] == param
    assert not TrainingConfig.objects.exists()


@pytest.mark.parametrize(
    ("method", "hyperparameters", "param", "remedy"),
    [
        ("dpo", {"packing": True}, "hyperparameters.packing", "choose the method sft"),
        ("sft", {"beta": 0.1}, "hyperparameters.beta", "choose the method dpo or orpo"),
        ("orpo", {"beta": 0}, "hyperparameters.beta", "Give a number from 0.001 to 10"),
        (
            "sft",
            {"early_stopping_patience": 3},
            "hyperparameters.load_best_model_at_end",
            "Set load_best_model_at_end to true",
        ),
    ],
)
def test_settings_that_do_not_go_together_are_refused_with_the_way_out(
    user: User,
    body: dict[str, Any],
    method: str,
    hyperparameters: dict[str, Any],
    param: str,
    remedy: str,
) -> None:
    changed = {"method": method, "hyperparameters": hyperparameters}

    response = Caller(user).post("training/configs", body | changed)

    error = error_of(response, status=400)
    assert error["param"] == param
    assert remedy in error["remedy"]


def test_i18_somebody_elses_dataset_is_not_found(user: User, body: dict[str, Any]) -> None:
    for unknown in (str(make_dataset().pk), str(uuid4()), "nothing"):
        response = Caller(user).post("training/configs", body | {"dataset_id": unknown})

        assert error_of(response, status=404)["code"] == "E_NOT_FOUND"


def test_put_replaces_all_of_it(user: User, body: dict[str, Any]) -> None:
    config = make_config(user, hyperparameters={"lora_r": 4}, budget_limit="9.00")
    least = {"name": "Other", "base_model": "example/other", "dataset_id": body["dataset_id"]}

    response = Caller(user).call("PUT", f"training/configs/{config.pk}", least)

    assert response.status_code == 200
    config.refresh_from_db()
    assert (config.name, str(config.dataset_id)) == ("Other", body["dataset_id"])
    assert (config.hyperparameters, config.budget_limit) == ({}, None)


def test_put_needs_all_that_is_required(user: User) -> None:
    config = make_config(user)

    response = Caller(user).call("PUT", f"training/configs/{config.pk}", {"name": "Other"})

    assert error_of(response, status=400)["param"] in ("base_model", "dataset_id")


def test_patch_changes_what_is_sent_and_keeps_the_rest(user: User) -> None:
    config = make_config(user, hyperparameters={"lora_r": 4}, budget_limit="9.00")

    response = Caller(user).call(
        "PATCH", f"training/configs/{config.pk}", {"budget_limit": None, "name": "Other"}
    )

    assert response.status_code == 200
    assert response.json()["dataset_id"] == str(config.dataset_id)
    config.refresh_from_db()
    assert (config.name, config.budget_limit) == ("Other", None)
    assert config.hyperparameters == {"lora_r": 4}


def test_a_change_leaves_jobs_made_before_as_they_were(user: User) -> None:
    config = make_config(user)
    job = make_job(user, training_config=config)

    Caller(user).call("PATCH", f"training/configs/{config.pk}", {"hyperparameters": {"lora_r": 64}})

    job.refresh_from_db()
    assert job.config["hyperparameters"]["lora_r"] == 8


def test_deleting_a_config_keeps_its_jobs(user: User) -> None:
    config = make_config(user)
    job = make_job(user, training_config=config)
    caller = Caller(user)

    response = caller.delete(f"training/configs/{config.pk}")

    assert response.status_code == 204
    assert response.content == b""
    assert error_of(caller.get(f"training/configs/{config.pk}"), status=404)
    job.refresh_from_db()
    assert job.training_config is None


def test_the_list_takes_the_same_queries_however_long_it_is(user: User) -> None:
    caller = Caller(user)
    dataset = make_dataset(user)
    make_config(user, dataset=dataset)
    few = caller.queries_of("training/configs")

    for _ in range(5):
        make_config(user, dataset=dataset)

    assert caller.queries_of("training/configs") == few <= SIGN_IN_QUERIES + 1
