"""Taking a whole run elsewhere: the bundle, for its owner alone."""

import io
import tarfile

import pytest
from django.contrib.auth.models import User

from deployments.models import Deployment
from tests.builders import make_deployment, make_job, make_user
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
