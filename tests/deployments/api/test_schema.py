"""The OpenAPI document tells the truth about these endpoints, and is made without a warning."""

from typing import Any

import pytest
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.validation import validate_schema

from deployments.api import urls
from tests.builders import make_deployment, make_machine, make_user
from tests.deployments.api.calls import Caller

ERROR = {"$ref": "#/components/schemas/Error"}


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    GENERATOR_STATS.reset()
    generator: Any = SchemaGenerator(patterns=urls.urlpatterns)  # type: ignore[no-untyped-call]  # the library has no types
    found: dict[str, Any] = generator.get_schema(request=None, public=True)
    return found


def operations(schema: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{verb} {path}", operation)
        for path, verbs in schema["paths"].items()
        for verb, operation in verbs.items()
    ]


def test_the_document_is_valid_and_made_without_a_warning(schema: dict[str, Any]) -> None:
    validate_schema(schema)  # type: ignore[no-untyped-call]  # the library has no types

    assert not GENERATOR_STATS


def test_all_apps_together_make_a_valid_document_without_a_warning() -> None:
    GENERATOR_STATS.reset()
    generator: Any = SchemaGenerator()  # type: ignore[no-untyped-call]  # the library has no types

    whole = generator.get_schema(request=None, public=True)

    validate_schema(whole)  # type: ignore[no-untyped-call]  # the library has no types
    assert not GENERATOR_STATS
    assert {"Error", "DeploymentStatus"} <= set(whole["components"]["schemas"])


def test_every_route_is_in_the_document(schema: dict[str, Any]) -> None:
    assert len(schema["paths"]) == len(urls.urlpatterns)
    assert len(operations(schema)) == 32


def test_every_operation_has_a_description_and_declares_its_errors(schema: dict[str, Any]) -> None:
    for name, operation in operations(schema):
        assert operation["description"], name
        answers = operation["responses"]
        assert {"401", "403"} <= set(answers), name
        for status, answer in answers.items():
            if int(status) >= 400:
                assert answer["content"]["application/json"]["schema"] == ERROR, (name, status)


def test_every_operation_that_names_an_object_declares_that_it_may_not_be_found(
    schema: dict[str, Any],
) -> None:
    for name, operation in operations(schema):
        if "{" in name:
            assert "404" in operation["responses"], name


@pytest.mark.django_db
def test_the_document_names_exactly_the_fields_of_a_deployment(schema: dict[str, Any]) -> None:
    user = make_user()
    deployment = make_deployment(user)
    make_machine(deployment)

    answer = Caller(user).read(f"training/deploy/lambda?deployment_id={deployment.pk}")

    components = schema["components"]["schemas"]
    assert set(components["DeploymentDetailAnswer"]["properties"]) == set(answer)
    assert set(components["MachineAnswer"]["properties"]) == set(answer["machines"][0])
    assert set(components["CostAnswer"]["properties"]) == set(answer["cost"])
