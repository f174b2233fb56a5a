"""Taking an adapter home: whole, resumed, and only by its owner."""

from pathlib import Path

import pytest
from django.contrib.auth.models import User

from deployments.models import Artifact
from tests.builders import make_artifact, make_deployment, make_machine, make_user
from tests.deployments.api.calls import Caller, error_of

pytestmark = pytest.mark.django_db
CONTENT = bytes(range(256)) * 1000


@pytest.fixture
def user() -> User:
    return make_user()


@pytest.fixture
def artifact(user: User) -> Artifact:
    deployment = make_deployment(user)
    deployment.job.name = "Support answers, v3"
    deployment.job.save()
    return make_artifact(make_machine(deployment), content=CONTENT)


def test_an_artifact_is_streamed_as_a_named_attachment(user: User, artifact: Artifact) -> None:
    response = Caller(user).get(f"artifacts/{artifact.pk}/download")

    assert response.status_code == 200
    assert response.streaming
    assert response.getvalue() == CONTENT
    assert response.headers["Content-Type"] == "application/gzip"
    assert response.headers["ETag"] == f'"{artifact.sha256}"'
    assert response.headers["Content-Length"] == str(len(CONTENT))
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert (
        response.headers["Content-Disposition"]
        == 'attachment; filename="support-answers-v3-adapter.tar.gz"'
    )


def test_a_cut_download_is_resumed_by_range(user: User, artifact: Artifact) -> None:
    caller = Caller(user)
    path = f"artifacts/{artifact.pk}/download"
    got = CONTENT[:1000]

    rest = caller.get(path, **{"Range": "bytes=1000-", "If-Range": f'"{artifact.sha256}"'})
    behind = caller.get(path, Range=f"bytes={len(CONTENT)}-")

    assert rest.status_code == 206
    assert got + rest.getvalue() == CONTENT
    assert error_of(behind, status=416)["code"] == "E_RANGE"


@pytest.mark.parametrize("accepted", ["application/gzip", "*/*", "text/html", ""])
def test_it_comes_whatever_the_client_says_it_accepts(
    user: User, artifact: Artifact, accepted: str
) -> None:
    response = Caller(user).get(f"artifacts/{artifact.pk}/download", Accept=accepted)

    assert response.status_code == 200
    assert response.getvalue() == CONTENT


def test_head_tells_its_size_without_sending_it(user: User, artifact: Artifact) -> None:
    response = Caller(user).call("HEAD", f"artifacts/{artifact.pk}/download")

    assert response.status_code == 200
    assert response.headers["Content-Length"] == str(len(CONTENT))
    assert response.content == b""


def test_a_file_that_was_lost_is_told_as_such(
    user: User, artifact: Artifact, data_folder: Path
) -> None:
    (data_folder / artifact.path).unlink()

    response = Caller(user).get(f"artifacts/{artifact.pk}/download")

    assert error_of(response, status=404)["code"] == "E_ARTIFACT_MISSING"


def test_i18_another_users_artifact_is_not_found(artifact: Artifact) -> None:
    stranger = Caller(make_user())

    for text in (str(artifact.pk), "nothing"):
        response = stranger.get(f"artifacts/{text}/download")

        assert error_of(response, status=404)["code"] == "E_NOT_FOUND"
