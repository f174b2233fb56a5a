"""Pushing from the Files tab: the form, what it refuses, and how far each push is."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from deployments.models import Deployment, HubPush
from secrets_vault.services import add_entry
from tests import builders
from tests.deployments.pages import scenes
from tests.deployments.pages.job.reading import read, shown

STATE = HubPush.State


@pytest.fixture
def run(user: User) -> Deployment:
    add_entry(user, provider="huggingface", secret="hf_" + "x" * 30)
    return scenes.ended(user)


def push_of(run: Deployment, **fields: object) -> HubPush:
    return builders.make_push(run.artifacts.get(), **fields)


def test_a_push_is_asked_for_with_a_form(run: Deployment, reader: Client) -> None:
    page = shown(reader, run, "files/")
    assert f'action="/jobs/{run.job_id}/push/"' in page
    assert 'placeholder="owner/support-answers-v3"' in page

    response = reader.post(
        f"/jobs/{run.job_id}/push/",
        {"repo_id": "ada/support", "what": "adapter", "private": "on"},
        follow=True,
    )

    push = HubPush.objects.get()
    assert (push.repo_id, push.private, push.state) == ("ada/support", True, STATE.QUEUED)
    assert "Pushing to ada/support begins in a moment." in response.content.decode()
    assert "The adapter to" in response.content.decode()


def test_a_name_that_is_none_is_told_beside_its_field(run: Deployment, reader: Client) -> None:
    response = reader.post(f"/jobs/{run.job_id}/push/", {"repo_id": "support", "what": "adapter"})

    page = response.content.decode()
    assert response.status_code == 400
    assert "Give owner/name, as on the Hub." in page
    assert 'value="support"' in page
    assert not HubPush.objects.exists()


def test_without_a_token_it_leads_to_the_vault(user: User, reader: Client) -> None:
    page = read(reader, scenes.ended(user), "files/")

    assert "first add a Hugging Face token" in page


def test_before_the_run_is_over_it_waits(user: User, reader: Client) -> None:
    page = read(reader, scenes.training(user), "files/")

    assert "When the run is over, what is home can be pushed" in page


def test_one_that_goes_on_refreshes_itself(run: Deployment, reader: Client) -> None:
    push_of(run, state=STATE.UPLOADING, files_done=1, files_total=3)

    page = shown(reader, run, "files/")

    assert "sending, 1 of 3 files are there" in page
    assert f'hx-get="/jobs/{run.job_id}/blocks/pushes/' in page


def test_one_that_is_over_can_be_done_again(run: Deployment, reader: Client) -> None:
    push = push_of(run, state=STATE.PUSHED, url="https://hub.test/ada/support")

    page = shown(reader, run, "files/")

    assert 'href="https://hub.test/ada/support"' in page
    assert f'hx-get="/jobs/{run.job_id}/blocks/pushes/' not in page
    again = {"repo_id": push.repo_id, "what": "adapter", "private": "on"}
    reader.post(f"/jobs/{run.job_id}/push/", again)
    push.refresh_from_db()
    assert push.state == STATE.QUEUED


def test_I18_nobody_else_pushes_it(run: Deployment) -> None:
    other = Client()
    other.force_login(builders.make_user())

    response = other.post(f"/jobs/{run.job_id}/push/", {"repo_id": "a/b", "what": "adapter"})

    assert response.status_code == 404
    assert not HubPush.objects.exists()
