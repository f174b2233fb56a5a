"""The checkpoints of a run: how good each is, which is best, and where it lies."""

import re

import pytest
from django.contrib.auth.models import User
from django.test import Client

import train_checks
from deployments import recipes
from deployments.models import Deployment, Machine
from deployments.pages.job import checkpoints
from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.job.reading import read, shown
from tests.deployments.pages.telling import weights


@pytest.fixture
def machine(user: User) -> Machine:
    """Make a run in training whose machine has written three checkpoints: 48, 96 and 144."""
    return scenes.training(user).machines.get()


def rows(page: str) -> list[str]:
    body = page[page.index('id="checkpoints-title"') :].partition("<tbody>")[2]
    return [
        " ".join(re.sub(r"<[^>]+>", " ", row).split())
        for row in body.partition("</tbody>")[0].split("</tr>")[:-1]
    ]


def test_each_checkpoint_has_its_losses_its_epoch_and_its_size(
    reader: Client, machine: Machine
) -> None:
    newest, middle, oldest = rows(shown(reader, machine.deployment, "checkpoints/"))

    assert newest.startswith("144 Best 1.51 1.108 1.0")
    assert " 84 MB " in newest
    assert middle.startswith("96 1.01 1.1")
    assert oldest.startswith("48 0.50 1.3")


def test_a_checkpoint_is_on_its_machine_until_newer_ones_replace_it(
    reader: Client, machine: Machine
) -> None:
    newest, middle, oldest = rows(shown(reader, machine.deployment, "checkpoints/"))

    assert newest.endswith("on the machine")
    assert middle.endswith("on the machine")
    assert oldest.endswith("replaced by newer ones")


def test_the_machine_keeps_as_many_checkpoints_as_we_say() -> None:
    usual = recipes.HYPERPARAMETERS["save_total_limit"].default

    assert train_checks.ADDED["save_total_limit"] == checkpoints.KEPT_ON_MACHINE == usual


def test_what_was_only_on_a_machine_is_gone_with_it(reader: Client, machine: Machine) -> None:
    scenes.gone(machine, at=machine.requested_at)

    newest, *_ = rows(shown(reader, machine.deployment, "checkpoints/"))

    assert newest.endswith("gone with its machine")


def test_i11_a_checkpoint_is_home_when_the_same_weights_were_read_back_here(
    reader: Client, machine: Machine
) -> None:
    artifact = builders.make_artifact(machine, files=weights(96, folder="adapter"))
    scenes.gone(machine, at=machine.requested_at)

    page = shown(reader, machine.deployment, "checkpoints/")

    newest, middle, _ = rows(page)
    assert "gone with its machine" in newest
    assert "home" in middle
    assert "Download checkpoint 96" in middle
    assert page.count(f"/files/{artifact.pk}/") == 1


def test_i11_a_checkpoint_that_was_brought_home_stays_when_its_machine_is_gone(
    reader: Client, machine: Machine
) -> None:
    machine.deployment.job.checkpoints.filter(step=144).update(home_at=machine.requested_at)
    scenes.gone(machine, at=machine.requested_at)

    newest, middle, _ = rows(shown(reader, machine.deployment, "checkpoints/"))

    assert "home" in newest
    assert "gone with its machine" in middle


def test_other_weights_of_the_same_name_are_not_this_checkpoint(
    reader: Client, machine: Machine
) -> None:
    builders.make_artifact(machine, files=weights(95, folder="adapter"))

    page = shown(reader, machine.deployment, "checkpoints/")

    assert not [row for row in rows(page) if "home" in row]


def test_a_step_without_figures_says_so(user: User, reader: Client) -> None:
    deployment = scenes.preparing(user)
    builders.make_checkpoint(deployment.machines.get(), step=7)

    assert "7 not known yet none at it none at it" in read(reader, deployment, "checkpoints/")


@pytest.mark.parametrize(
    ("scene", "said"),
    [
        ("waiting", "The first checkpoint is written"),
        ("failed_before_boot", "No checkpoint was written."),
    ],
)
def test_without_checkpoints_it_says_when_the_first_one_comes_or_that_none_did(
    user: User, reader: Client, scene: str, said: str
) -> None:
    deployment: Deployment = getattr(scenes, scene)(user)

    assert said in read(reader, deployment, "checkpoints/")
