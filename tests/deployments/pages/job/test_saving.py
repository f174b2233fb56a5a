"""The button that asks for a checkpoint now."""

from django.contrib.auth.models import User
from django.test import Client

from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.job.reading import address, shown, words


def test_saving_is_asked_for_and_the_run_goes_on(user: User, reader: Client) -> None:
    deployment = scenes.training(user)

    answer = reader.post(address(deployment, "save/"), follow=True)

    deployment.refresh_from_db()
    assert deployment.save_asked_at is not None
    told = words(answer.content.decode())
    assert "writes a checkpoint at its next step" in told
    assert "Stop and save" in told


def test_the_button_sends_a_form_that_stands_outside_what_is_refreshed(
    user: User, reader: Client
) -> None:
    deployment = scenes.training(user)

    page = shown(reader, deployment)
    block = shown(reader, deployment, "blocks/state/")

    assert f'action="{address(deployment, "save/")}"' in page
    assert 'form="save-form"' in block
    assert "csrfmiddlewaretoken" not in block


def test_what_is_not_in_training_has_no_button_and_is_refused_in_words(
    user: User, reader: Client
) -> None:
    deployment = scenes.preparing(user)

    answer = reader.post(address(deployment, "save/"))

    assert "Save now" not in shown(reader, deployment)
    assert answer.status_code == 409
    assert "Nothing of this run can be saved now" in answer.content.decode()


def test_t2_somebody_elses_run_is_not_saved(user: User) -> None:
    deployment = scenes.training(user)

    answer = signed_in(builders.make_user()).post(address(deployment, "save/"))

    deployment.refresh_from_db()
    assert answer.status_code == 404
    assert deployment.save_asked_at is None


def test_saving_needs_the_forms_own_token(user: User) -> None:
    deployment = scenes.training(user)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)

    assert browser.post(address(deployment, "save/")).status_code == 403
