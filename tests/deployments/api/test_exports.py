"""Taking a run elsewhere: the bundle, and pushes to the Hub; for its owner alone."""

import io
import tarfile

import pytest
from django.contrib.auth.models import User

from deployments.models import Deployment, HubPush
from deployments.models.deployments import Status
from secrets_vault.services import add_entry
from tests.builders import make_artifact, make_deployment, make_job, make_machine, make_user
from tests.deployments.api.calls import Caller, error_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return make_user()


@pytest.fixture
def deployment(user: User) -> Deployment:
    return make_deployment(user)


def names(content: bytes) -> list[str]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return archive.getnames()


def test_the_bundle_is_streamed_as_a_named_archive(user: User, deployment: Deployment) -> None:
    response = Caller(user).get(f"training/jobs/{deployment.job_id}/bundle")

    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/gzip"
    assert response.headers["Content-Disposition"] == ('attachment; filename="sums-bundle.tar.gz"')
    found = names(response.getvalue())
    assert {"sums-bundle/run.sh", "sums-bundle/data/dataset.jsonl"} < set(found)


def test_the_data_can_be_left_out(user: User, deployment: Deployment) -> None:
    response = Caller(user).get(f"training/jobs/{deployment.job_id}/bundle?data=false")

    assert "sums-bundle/data/dataset.jsonl" not in names(response.getvalue())


def test_I18_nobody_else_gets_it(deployment: Deployment) -> None:
    response = Caller(make_user()).get(f"training/jobs/{deployment.job_id}/bundle")

    error_of(response, status=404)


def test_a_job_that_never_ran_has_none(user: User) -> None:
    response = Caller(user).get(f"training/jobs/{make_job(user).pk}/bundle")

    error_of(response, status=409)


def test_data_must_be_true_or_false(user: User, deployment: Deployment) -> None:
    response = Caller(user).get(f"training/jobs/{deployment.job_id}/bundle?data=maybe")

    assert error_of(response, status=400)["param"] == "data"


class TestPushing:
    """``POST /api/training/jobs/{id}/push``; the upload itself is in tests/hub."""

    @pytest.fixture
    def deployment(self, user: User) -> Deployment:
        add_entry(user, provider="huggingface", secret="hf_" + "x" * 30)
        deployment = make_deployment(user, status=Status.COMPLETED)
        make_artifact(make_machine(deployment))
        return deployment

    def test_a_push_is_queued_private_unless_said_otherwise(
        self, user: User, deployment: Deployment
    ) -> None:
        response = Caller(user).post(
            f"training/jobs/{deployment.job_id}/push", {"repo_id": "ada/support"}
        )

        told = response.json()
        assert response.status_code == 202
        assert (told["state"], told["private"], told["what"]) == ("queued", True, "adapter")
        push = HubPush.objects.get()
        assert str(push.pk) == told["id"]
        assert push.next_try_at is not None

    def test_its_state_can_be_read(self, user: User, deployment: Deployment) -> None:
        caller, address = Caller(user), f"training/jobs/{deployment.job_id}/push"
        caller.post(address, {"repo_id": "ada/support"})
        error = {"code": "E_HUB_TOKEN", "message": "No.", "remedy": "Another token."}
        HubPush.objects.update(state="failed", error=error, next_try_at=None)

        (told,) = caller.get(address).json()["data"]

        assert (told["state"], told["error"]) == ("failed", error)

    @pytest.mark.parametrize(
        ("body", "param"),
        [
            ({}, "repo_id"),
            ({"repo_id": "no-owner"}, "repo_id"),
            ({"repo_id": "ada/x", "what": "data"}, "what"),
            ({"repo_id": "ada/x", "token": "hf_mine"}, "token"),
        ],
    )
    def test_what_cannot_be_pushed_is_refused_by_name(
        self, user: User, deployment: Deployment, body: dict[str, object], param: str
    ) -> None:
        response = Caller(user).post(f"training/jobs/{deployment.job_id}/push", body)

        assert error_of(response, status=400)["param"] == param

    def test_without_a_token_in_the_vault_it_says_so(self) -> None:
        other = make_user()
        deployment = make_deployment(other, status=Status.COMPLETED)

        response = Caller(other).post(
            f"training/jobs/{deployment.job_id}/push", {"repo_id": "ada/support"}
        )

        assert error_of(response, status=409)["code"] == "E_NO_KEY"
