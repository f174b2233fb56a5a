"""The frozen recipe: every value, which differ from the defaults, and what the machine told."""

from django.contrib.auth.models import User
from django.test import Client

from deployments import recipes
from tests.deployments.pages import scenes
from tests.deployments.pages.job.reading import address, read, shown


def test_every_setting_of_the_recipe_is_shown(user: User, reader: Client) -> None:
    page = read(reader, scenes.training(user), "config/")

    for name in (*recipes.settings_of("sft"), *recipes.EVAL):
        assert name in page


def test_values_that_somebody_chose_stand_beside_their_defaults(user: User, reader: Client) -> None:
    page = read(reader, scenes.training(user), "config/")

    assert "num_train_epochs 3 default 1" in page
    assert "lora_r 16 default 8" in page
    assert "2 differ from the defaults" in page
    assert "learning_rate 2e-4 lr_scheduler_type" in page


def test_data_and_machine_are_named_by_what_they_are(user: User, reader: Client) -> None:
    deployment = scenes.training(user)

    page = read(reader, deployment, "config/")

    assert deployment.job.dataset_sha256 in page
    assert "torch 2.13.0" in page
    assert "budget $2.50" in page
    assert "machines, one after the other at most 2" in page


def test_before_the_machine_has_told_it_says_when_it_will(user: User, reader: Client) -> None:
    page = read(reader, scenes.waiting(user), "config/")

    assert "told by the machine once it prepares" in page


def test_a_setting_that_this_version_does_not_know_is_shown_too(user: User, reader: Client) -> None:
    deployment = scenes.training(user)
    deployment.job.config["hyperparameters"]["of_old"] = ["a", "b"]
    deployment.job.save()

    assert "of_old a, b" in read(reader, deployment, "config/")


def test_all_of_it_can_be_taken_as_json(user: User, reader: Client) -> None:
    deployment = scenes.training(user)

    response = reader.get(address(deployment, "config.json"))

    told = response.json()
    assert told["recipe"] == deployment.job.config
    assert told["dataset"]["sha256"] == deployment.job.dataset_sha256
    assert told["environment"]["versions"]["torch"] == "2.13.0"
    assert response["Content-Disposition"].endswith('"support-answers-v3-config.json"')
    assert "JSON" in shown(reader, deployment, "config/")
