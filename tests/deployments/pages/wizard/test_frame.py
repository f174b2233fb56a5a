"""The wizard's frame: whose draft it is, what is kept, where the buttons lead."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from deployments import drafts
from deployments.models import Draft
from tests import builders
from tests.deployments.pages.conftest import signed_in

STEPS = ("data", "method", "model", "training", "hardware", "review")


def test_a_new_run_is_a_draft_that_is_kept_under_its_own_address(
    reader: Client, user: User
) -> None:
    response = reader.get("/new/")

    draft = Draft.objects.get(user=user)
    assert response["Location"] == f"/new/{draft.pk}/data/"


def test_pressing_new_run_twice_makes_no_second_empty_draft(reader: Client) -> None:
    reader.get("/new/")
    reader.get("/new/")

    assert Draft.objects.count() == 1


@pytest.mark.parametrize("step", STEPS)
def test_every_step_of_an_empty_draft_can_be_looked_at(
    reader: Client, user: User, step: str
) -> None:
    draft = drafts.begin(user)

    assert reader.get(f"/new/{draft.pk}/{step}/").status_code == 200


@pytest.mark.parametrize("step", [*STEPS, "resume"])
def test_i18_somebody_elses_draft_is_not_found(user: User, step: str) -> None:
    draft = drafts.begin(user)

    assert signed_in(builders.make_user()).get(f"/new/{draft.pk}/{step}/").status_code == 404


def test_two_tabs_on_different_steps_do_not_undo_one_another(user: User) -> None:
    one = drafts.begin(user)
    other = Draft.objects.get(pk=one.pk)

    drafts.change(one, {"method": "sft", "eval": {"share": 0.05}})
    drafts.change(other, {"base_model": "example/tiny-llama", "eval": {"steps": 10}})

    kept = Draft.objects.get(pk=one.pk)
    assert kept.values == {
        "method": "sft",
        "base_model": "example/tiny-llama",
        "eval": {"share": 0.05, "steps": 10},
    }
    assert kept.version == 2


def test_a_deleted_draft_is_gone_and_its_address_with_it(reader: Client, user: User) -> None:
    draft = drafts.begin(user)

    reader.post(f"/new/{draft.pk}/delete/")

    assert reader.get(f"/new/{draft.pk}/data/").status_code == 404
