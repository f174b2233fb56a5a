"""The OpenAPI document is true: whatever a program sends, the answer is one it declares.

schemathesis makes the requests from our own document, valid and broken ones, the same ones each
time, and judges status, content type, headers and body of each answer.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import responses
import schemathesis
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, settings
from pytest_django.fixtures import Settings
from schemathesis.config import SchemathesisConfig
from schemathesis.generation import GenerationMode

from tests.builders import make_user
from tests.config.test_every_route import Owned
from tests.deployments.api.conftest import BASE_URL, CATALOGUE

HANDLER = WSGIHandler()
CONFIG = {
    "cache": {"enabled": False},
    "generation": {"deterministic": True, "with-security-parameters": False},
    # No schema says which ids, models and machine types there are; what it allows and the rules
    # refuse is judged by the status, which must be declared.
    "checks": {"positive_data_acceptance": {"enabled": False}},
}


def read_to_its_end(environ: Any, start_response: Any) -> list[bytes]:
    """Answer by our WSGI application; the client here would leave streams open."""
    response: Any = HANDLER(environ, start_response)
    try:
        return [b"".join(response)]
    finally:
        response.close()


def loaded(*, every_edge: bool) -> Any:
    """Return our document, made by the code that serves it, over our own WSGI application.

    ``every_edge`` adds one request for each edge of each parameter, which takes minutes.
    """
    generator: Any = SchemaGenerator()  # type: ignore[no-untyped-call]  # the library has no types
    raw = generator.get_schema(request=None, public=True)
    config = SchemathesisConfig.from_dict(
        {**CONFIG, "phases": {"coverage": {"enabled": every_edge}}}
    )
    schema = schemathesis.openapi.from_dict(raw, config=config)
    schema.app = read_to_its_end
    return schema


schema = loaded(every_edge=False)
thorough = loaded(every_edge=True)


@pytest.fixture
def caller(settings: Settings) -> Owned:
    settings.API_READS_PER_MINUTE = settings.API_WRITES_PER_MINUTE = 10**6
    settings.TOKEN_ROUTE_CALLS_PER_MINUTE = settings.REFUSED_TOKENS_PER_MINUTE = 10**6
    return Owned(make_user("owner"))


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Keep the test's own connection open, as Django's test client does between requests."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.fixture(autouse=True)
def cloud(settings: Settings) -> Iterator[None]:
    settings.LAMBDA_API_BASE_URL = BASE_URL
    settings.TIMING = replace(settings.TIMING, request_interval_seconds=0.0)
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(f"{BASE_URL}/instance-types", json=CATALOGUE)
        mock.get(f"{BASE_URL}/instances", json={"data": []})
        yield


def bounded(examples: int) -> settings:
    """Return how many requests of each kind are made: the same ones each time."""
    return settings(
        max_examples=examples,
        derandomize=True,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.django_db
@schema.parametrize()  # type: ignore[untyped-decorator]  # the library has no types
@bounded(8)
def test_every_answer_is_one_that_the_document_declares(case: Any, caller: Owned) -> None:
    ask_as(caller, case)


@pytest.mark.full
@pytest.mark.django_db
@thorough.parametrize()  # type: ignore[untyped-decorator]  # the library has no types
@bounded(100)
def test_every_answer_to_many_more_requests_is_declared_too(case: Any, caller: Owned) -> None:
    ask_as(caller, case)


def ask_as(caller: Owned, case: Any) -> None:
    """Send the request under a token that may do all, and judge the answer."""
    if case.meta.generation.mode is GenerationMode.POSITIVE:
        # Ids that lead somewhere, so that more is judged than "not found".
        given = (case.path_parameters or {}).items()
        case.path_parameters = {name: caller.ids.get(name, value) for name, value in given}
    case.call_and_validate(headers={"Authorization": f"Bearer {caller.token}"})
