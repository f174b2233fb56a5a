"""A signed-in reader, and a cloud that answers its catalogue without being one."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import responses
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from tests import builders
from tests.deployments.api.conftest import BASE_URL, CATALOGUE


@pytest.fixture
def user(db: None) -> User:
    return builders.make_user("nina")


@pytest.fixture
def reader(user: User) -> Client:
    return signed_in(user)


def signed_in(user: User) -> Client:
    """Return a browser of somebody who is signed in and whose forms must carry their token."""
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def cloud(settings: Settings) -> Iterator[responses.RequestsMock]:
    """Answer the cloud's catalogue and its check of a key; a test adds what else it says."""
    settings.LAMBDA_API_BASE_URL = BASE_URL
    settings.TIMING = replace(settings.TIMING, request_interval_seconds=0.0)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{BASE_URL}/instance-types", json=CATALOGUE)
        yield mock
