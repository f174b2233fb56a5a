"""Ending a run by hand: what is lost and kept is said first; a dear run asks for its name (F24)."""

from decimal import Decimal

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from deployments.models import Deployment
from deployments.models.deployments import Desired
from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.job.reading import address, read, shown, words
from tests.deployments.pages.telling import weights


def wish(deployment: Deployment) -> tuple[str, bool]:
    deployment.refresh_from_db()
    return deployment.desired, deployment.save_wanted


def test_f24_the_stop_page_says_what_is_lost_and_kept_before_anything_happens(
    user: User, reader: Client
) -> None:
    deployment = scenes.training(user)

    page = read(reader, deployment, "stop/")

    assert "Lost: the 108 steps still to come. Kept: the adapter as it is now, all logs" in page
    assert "Ending costs about $0.12 more" in page
    assert "Keep training" in page
    assert wish(deployment)[0] == Desired.RUN


def test_f24_the_cancel_page_says_what_is_lost_and_offers_the_softer_way(
    user: User, reader: Client
) -> None:
    deployment = scenes.training(user)

    page = read(reader, deployment, "cancel/")

    assert "Lost: all 177 steps trained so far; the adapter does not come home." in page
    assert "Kept: all logs and metrics." in page
    assert "Spent $0.69. Ending costs about $0.12 more" in page
    places = [page.index(w) for w in ("Keep training", "Stop and save instead", "Cancel the run")]
    assert places == sorted(places)
    assert wish(deployment)[0] == Desired.RUN


def test_f24_a_checkpoint_at_home_is_kept_and_only_the_steps_since_are_lost(
    user: User, reader: Client
) -> None:
    deployment = scenes.training(user)
    builders.make_artifact(deployment.machines.get(), files=weights(144, folder="adapter"))

    page = read(reader, deployment, "cancel/")

    assert "Lost: the 33 steps since checkpoint 144." in page
    assert "Kept: checkpoint 144 (84 MB, already home), all logs and metrics." in page


@pytest.mark.parametrize(("page", "save"), [("stop/", True), ("cancel/", False)])
def test_f24_stopping_is_a_wish_and_says_whether_to_save(
    user: User, reader: Client, page: str, save: bool
) -> None:
    deployment = scenes.training(user)

    response = reader.post(address(deployment, page), follow=True)

    assert wish(deployment) == (Desired.STOP, save)
    told = words(response.content.decode())
    assert "Asked to stop" in told
    assert "Stop and save" not in told
    assert ("Cancel run" in told) is save


def test_f24_whoever_has_asked_to_save_may_still_give_it_up(user: User, reader: Client) -> None:
    deployment = scenes.training(user)
    reader.post(address(deployment, "stop/"))

    page = read(reader, deployment, "cancel/")
    reader.post(address(deployment, "cancel/"))

    assert "End it without saving?" in page
    assert "Stop and save instead" not in page
    assert wish(deployment) == (Desired.STOP, False)
    assert reader.get(address(deployment, "cancel/")).status_code == 302


def test_before_training_there_is_nothing_to_save(user: User, reader: Client) -> None:
    deployment = scenes.waiting(user)

    page = read(reader, deployment, "cancel/")

    assert "Stop and save" not in page
    assert "Slipway stops looking for a machine." in page
    assert "Lost: nothing that was trained" in page
    assert "Nothing was spent, nothing bills." in page
    assert reader.get(address(deployment, "stop/")).status_code == 302


def test_a_run_that_is_over_cannot_be_stopped(user: User, reader: Client) -> None:
    deployment = scenes.ended(user)

    for more in ("stop/", "cancel/"):
        assert reader.get(address(deployment, more)).status_code == 302
        answer = reader.post(address(deployment, more), follow=True)
        assert "This run is over already." in answer.content.decode()
    assert "Cancel run" not in read(reader, deployment)


@pytest.fixture
def dear(user: User, settings: Settings) -> Deployment:
    """Make a run that has spent exactly as much as a slip of the hand may throw away."""
    settings.CONFIRM_NAME_FROM_USD = Decimal("0.69")
    return scenes.training(user)


def test_a_dear_run_is_cancelled_only_by_typing_its_name(reader: Client, dear: Deployment) -> None:
    asked = read(reader, dear, "cancel/")
    wrong = reader.post(address(dear, "cancel/"), {"name": "support answers"})
    before = wish(dear)
    reader.post(address(dear, "cancel/"), {"name": " Support answers v3 "})

    assert "Type the run's name to cancel it: Support answers v3" in asked
    assert wrong.status_code == 400
    assert "That is not its name. Nothing was cancelled." in wrong.content.decode().replace(
        "&#x27;", "'"
    )
    assert before == (Desired.RUN, True)
    assert wish(dear) == (Desired.STOP, False)


def test_stopping_with_saving_never_asks_for_the_name(reader: Client, dear: Deployment) -> None:
    assert "Type the run" not in shown(reader, dear, "stop/")

    reader.post(address(dear, "stop/"))

    assert wish(dear) == (Desired.STOP, True)


def test_a_run_below_the_threshold_is_cancelled_with_a_press(
    user: User, reader: Client, settings: Settings
) -> None:
    settings.CONFIRM_NAME_FROM_USD = Decimal("0.75")
    deployment = scenes.training(user)

    assert "Type the run" not in shown(reader, deployment, "cancel/")


@pytest.mark.parametrize("more", ["stop/", "cancel/"])
def test_t2_somebody_elses_run_is_not_stopped(user: User, more: str) -> None:
    deployment = scenes.training(user)

    response = signed_in(builders.make_user()).post(address(deployment, more))

    assert response.status_code == 404
    assert wish(deployment)[0] == Desired.RUN


@pytest.mark.parametrize("more", ["stop/", "cancel/"])
def test_stopping_needs_the_forms_own_token(user: User, more: str) -> None:
    deployment = scenes.training(user)
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)

    response = browser.post(address(deployment, more))

    assert response.status_code == 403
    assert "This form has gone stale" in response.content.decode()
    assert wish(deployment)[0] == Desired.RUN
