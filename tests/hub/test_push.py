"""Pushing to the Hub end to end: the vault's token, the real library, real HTTP on loopback."""

import hashlib
import json
import logging
from datetime import timedelta
from pathlib import Path

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command
from django_q.models import OrmQ

from core.errors import ConflictError, InvalidInputError
from core.time import database_now
from deployments import tasks
from deployments.exports import pushes
from deployments.exports.cards import add_card
from deployments.models import Artifact, HubPush
from deployments.models.deployments import Status
from secrets_vault.services import add_entry, check_entry, delete_entry, entry_for
from tests import builders
from tests.deployments.pages.conftest import signed_in
from tests.hub.server import TOKEN, Hub

pytestmark = [
    pytest.mark.django_db,
    # The Hub's library sends files in a way that its HTTP client wants to be rid of one day.
    pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning"),
]
WEIGHTS = bytes(range(256)) * 400
REPO = "ada/support-answers"
STATE = HubPush.State


@pytest.fixture
def user() -> User:
    return builders.make_user()


@pytest.fixture
def artifact(user: User, hub: Hub) -> Artifact:
    """Put a finished run's adapter into the data folder, and its owner's token into the vault."""
    add_entry(user, provider="huggingface", secret=TOKEN)
    deployment = builders.make_deployment(user, status=Status.COMPLETED)
    machine = builders.make_machine(deployment, gone_at=builders.NOON)
    folder: Path = settings.SLIPWAY_DATA_DIR / "artifacts" / str(deployment.job_id) / machine.name
    files = {
        "adapter/adapter_model.safetensors": WEIGHTS,
        "adapter/adapter_config.json": json.dumps({"r": 8}).encode(),
    }
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    listed = [
        {"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
    ]
    artifact = builders.make_artifact(machine, files=listed, card_due=True)
    add_card(artifact)
    artifact.refresh_from_db()
    return artifact


def asked(artifact: Artifact, **changes: object) -> HubPush:
    wanted = {"repo_id": REPO, "private": True, "what": "adapter"} | changes
    return pushes.ask(artifact.job, user=artifact.job.user, **wanted)  # type: ignore[arg-type]


def carried_out(push: HubPush) -> HubPush:
    pushes.carry_out(str(push.pk))
    push.refresh_from_db()
    return push


def test_an_adapter_and_its_card_are_pushed_to_a_private_repository(
    artifact: Artifact, hub: Hub
) -> None:
    push = carried_out(asked(artifact))

    assert (push.state, push.error) == (STATE.PUSHED, None)
    assert push.url == f"{hub.url}/{REPO}"
    repository = hub.repositories[REPO]
    assert repository.private
    assert set(repository.files) == {
        "adapter_model.safetensors",
        "adapter_config.json",
        "README.md",
    }
    assert repository.files["adapter_model.safetensors"] == WEIGHTS
    assert b"library_name: peft" in repository.files["README.md"]
    assert push.commit == repository.commits[-1]
    assert (push.files_done, push.files_total) == (3, 3)


def test_large_files_go_in_parts(artifact: Artifact, hub: Hub) -> None:
    hub.part_bytes = 30_000

    push = carried_out(asked(artifact))

    assert push.state == STATE.PUSHED
    assert len(hub.uploads()) == -(-len(WEIGHTS) // 30_000)
    assert hub.repositories[REPO].files["adapter_model.safetensors"] == WEIGHTS


def test_a_repeated_push_sends_only_what_is_missing(artifact: Artifact, hub: Hub) -> None:
    first = carried_out(asked(artifact))
    again = asked(artifact)
    assert (again.pk, again.state) == (first.pk, STATE.QUEUED)

    again = carried_out(again)

    assert again.state == STATE.PUSHED
    assert len(hub.uploads()) == 1
    assert len(hub.repositories[REPO].commits) == 2, "the one it was made with, and one of ours"


def test_after_a_cut_the_next_try_goes_on(artifact: Artifact, hub: Hub) -> None:
    hub.refuse["POST /api/models/ada/support-answers/commit"] = [404]
    push = carried_out(asked(artifact))
    assert (push.state, len(hub.uploads())) == (STATE.FAILED, 1)

    push = carried_out(asked(artifact))

    assert push.state == STATE.PUSHED
    assert len(hub.uploads()) == 1, "the weights were there already"


def test_a_hub_that_is_away_is_tried_again_later(artifact: Artifact, hub: Hub) -> None:
    hub.url, settings.HF_ENDPOINT = "", "http://127.0.0.1:9"

    push = carried_out(asked(artifact))

    assert push.state == STATE.QUEUED
    assert push.error is not None
    assert push.error["code"] == "E_HUB_UNREACHABLE"
    assert push.next_try_at is not None
    assert push.next_try_at > database_now()


def test_after_five_tries_it_is_given_up(artifact: Artifact, hub: Hub) -> None:
    settings.HF_ENDPOINT = "http://127.0.0.1:9"
    push = asked(artifact)
    HubPush.objects.filter(pk=push.pk).update(tries=4)

    push = carried_out(push)

    assert (push.state, push.next_try_at) == (STATE.FAILED, None)


def test_an_upload_that_dies_each_time_is_given_up(artifact: Artifact, hub: Hub) -> None:
    push = asked(artifact)
    # Five have taken it, and none lived to say how it went.
    HubPush.objects.filter(pk=push.pk).update(tries=5, state=STATE.UPLOADING)

    push = carried_out(push)

    assert (push.state, push.next_try_at) == (STATE.FAILED, None)
    assert push.error is not None
    assert "broke off 5 times" in push.error["message"]


def test_a_token_that_the_hub_does_not_take_is_told_and_kept_out_of_everything(
    artifact: Artifact, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    """I17: not in the row, not in a log."""
    hub.tokens.clear()

    with caplog.at_level(logging.DEBUG):
        push = carried_out(asked(artifact))

    assert push.state == STATE.FAILED
    assert push.error is not None
    assert push.error["code"] == "E_HUB_TOKEN"
    assert TOKEN not in json.dumps(push.error)
    assert TOKEN not in caplog.text


def test_a_repository_of_somebody_else_is_refused_with_the_hubs_words(
    artifact: Artifact, hub: Hub
) -> None:
    push = carried_out(asked(artifact, repo_id="grace/hers"))

    assert push.state == STATE.FAILED
    assert push.error is not None
    assert push.error["code"] == "E_HUB_REFUSED"
    assert "You have no rights in this namespace." in push.error["message"]


def test_I11_a_file_that_is_not_what_was_checked_is_never_pushed(
    artifact: Artifact, hub: Hub
) -> None:
    weights = (settings.SLIPWAY_DATA_DIR / artifact.path).parent / artifact.files[0]["name"]
    weights.write_bytes(WEIGHTS[:-1] + b"x")

    push = carried_out(asked(artifact))

    assert push.state == STATE.FAILED
    assert push.error is not None
    assert push.error["code"] == "E_ARTIFACT_MISSING"
    assert hub.asked == []


def test_a_token_deleted_meanwhile_fails_the_push(artifact: Artifact, user: User) -> None:
    push = asked(artifact)
    entry = entry_for(user, "huggingface")
    assert entry is not None
    delete_entry(entry, actor=user)

    push = carried_out(push)

    assert push.error is not None
    assert push.error["code"] == "E_HUB_TOKEN"


class TestAsking:
    """What is refused before anything is sent."""

    @pytest.mark.parametrize("repo_id", ["", "no-owner", "a/b/c", "a/../b", "ada/x y"])
    def test_what_is_no_name_of_a_repository(self, artifact: Artifact, repo_id: str) -> None:
        with pytest.raises(InvalidInputError):
            asked(artifact, repo_id=repo_id)

    def test_what_is_not_home(self, artifact: Artifact) -> None:
        with pytest.raises(ConflictError, match="No merged"):
            asked(artifact, what="merged")

    def test_a_run_that_is_not_over(self, artifact: Artifact) -> None:
        artifact.deployment.status = Status.TERMINATING
        artifact.deployment.save()

        with pytest.raises(ConflictError, match="not over"):
            asked(artifact)

    def test_a_user_without_a_token(self, artifact: Artifact, user: User) -> None:
        entry = entry_for(user, "huggingface")
        assert entry is not None
        delete_entry(entry, actor=user)

        with pytest.raises(ConflictError, match="no Hugging Face token"):
            asked(artifact)


class TestTakingTurns:
    """One process at a time, and no push is forgotten."""

    def test_two_at_most_are_under_way(self, artifact: Artifact) -> None:
        now = database_now()
        for number in range(4):
            asked(artifact, repo_id=f"ada/copy-{number}")
        HubPush.objects.filter(repo_id="ada/copy-0").update(
            state=STATE.UPLOADING, next_try_at=now + timedelta(seconds=60)
        )

        assert len(pushes.due(now + timedelta(seconds=1))) == 1

    def test_one_whose_process_died_falls_due_again(self, artifact: Artifact) -> None:
        push = asked(artifact)
        now = database_now()
        HubPush.objects.filter(pk=push.pk).update(
            state=STATE.UPLOADING, next_try_at=now - timedelta(seconds=1)
        )

        assert pushes.due(now) == [push]
        assert carried_out(push).state == STATE.PUSHED

    def test_T9_a_due_push_is_queued_once_by_its_id_alone(self, artifact: Artifact) -> None:
        OrmQ.objects.all().delete()
        push = asked(artifact)

        tasks.claim_due()
        tasks.claim_due()

        queued = [row.task for row in OrmQ.objects.all()]
        assert [(task["func"], task["args"]) for task in queued] == [
            ("deployments.tasks.push_to_hub", (str(push.pk),))
        ]

    def test_the_workers_command_carries_it_out(self, artifact: Artifact, hub: Hub) -> None:
        push = asked(artifact)

        call_command("push_to_hub", str(push.pk))

        push.refresh_from_db()
        assert push.state == STATE.PUSHED
        assert REPO in hub.repositories

    def test_what_is_over_is_not_done_again(self, artifact: Artifact, hub: Hub) -> None:
        push = carried_out(asked(artifact))
        asked_before = len(hub.asked)

        pushes.carry_out(str(push.pk))

        assert len(hub.asked) == asked_before


class TestToken:
    """The live check of a token in the vault."""

    def test_one_that_works_names_its_account(self, artifact: Artifact, user: User) -> None:
        entry = entry_for(user, "huggingface")
        assert entry is not None

        checked = check_entry(entry)

        assert (checked.status, checked.status_message) == ("ok", "The Hub knows it as ada.")

    def test_one_that_does_not_is_refused(self, artifact: Artifact, user: User, hub: Hub) -> None:
        hub.tokens.clear()
        entry = entry_for(user, "huggingface")
        assert entry is not None

        assert check_entry(entry).status == "refused"

    def test_one_is_added_on_the_vaults_page_after_the_hub_was_asked(
        self, user: User, hub: Hub
    ) -> None:
        response = signed_in(user).post(
            "/vault/add/", {"provider": "huggingface", "secret": TOKEN}, follow=True
        )

        page = response.content.decode()
        assert "The Hugging Face key works and is sealed." in page
        assert TOKEN not in page
        assert hub.asked == ["GET /api/whoami-v2"]

    def test_one_that_the_hub_refuses_is_not_kept(self, user: User, hub: Hub) -> None:
        hub.tokens.clear()

        response = signed_in(user).post(
            "/vault/add/", {"provider": "huggingface", "secret": TOKEN}, follow=True
        )

        assert "It was not saved." in response.content.decode()
        assert entry_for(user, "huggingface") is None
