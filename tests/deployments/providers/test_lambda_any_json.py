"""Whatever JSON a cloud answers with, the client raises ProviderError or gives a sound value."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.providers.base import (
    Instance,
    Launched,
    LaunchResult,
    Offer,
    ProviderError,
    Refused,
    Unknown,
)
from deployments.providers.lambda_cloud import LambdaCloud
from tests.deployments.providers.doubles import a10_type, an_instance
from tests.deployments.providers.lambda_answers import answered, launch

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=10)
    | st.sampled_from(["data", "error", "code", "id", "a" * 32, "global/invalid-api-key", "\ud800"])
)
KEYS = st.text(max_size=5) | st.sampled_from(
    ["data", "error", "code", "message", "id", "name", "instance_ids", "instance_type", "specs"]
)
ANY_JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4)
)
STATUSES = st.sampled_from([200, 200, 200, 202, 302, 308, 400, 401, 403, 404, 409, 429, 500, 503])


def with_odd_fields(sample: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return the recorded object with some of its fields replaced by anything, some left out."""
    odd = st.dictionaries(st.sampled_from(sorted(sample)), ANY_JSON, max_size=3)
    missing = st.sets(st.sampled_from(sorted(sample)), max_size=2)
    return st.builds(
        lambda changes, gone: {
            name: value for name, value in {**sample, **changes}.items() if name not in gone
        },
        odd,
        missing,
    )


MACHINES = st.lists(with_odd_fields(an_instance()), max_size=3)
TYPES = st.dictionaries(
    st.sampled_from(["gpu_1x_a10", "gpu_8x_h100", "cpu"]),
    st.builds(
        lambda kind, regions: {"instance_type": kind, "regions_with_capacity_available": regions},
        with_odd_fields(a10_type()["instance_type"]),
        ANY_JSON | st.lists(st.just({"name": "us-east-1"}), max_size=2),
    ),
    max_size=3,
)

QUESTIONS: dict[str, Callable[[LambdaCloud], Any]] = {
    "offers": lambda cloud: cloud.offers(),
    "list_all": lambda cloud: cloud.list_all(),
    "find": lambda cloud: cloud.find("slipway-1"),
    "get": lambda cloud: cloud.get("0920582c7ff041399e34823a0be62549"),
    "terminate": lambda cloud: cloud.terminate("0920582c7ff041399e34823a0be62549"),
    "ensure_ssh_key": lambda cloud: cloud.ensure_ssh_key("ssh-ed25519 AAAA slipway"),
    "ssh_public_key": lambda cloud: cloud.ssh_public_key("laptop"),
    "check_key": lambda cloud: cloud.check_key(),
}


def ask(question: Callable[[LambdaCloud], Any], status: int, content: object) -> Any:
    return answered((status, {}, json.dumps(content)), question)


def error_from(act: Callable[[], Any]) -> ProviderError | None:
    try:
        act()
    except ProviderError as error:
        return error
    return None


@pytest.mark.parametrize("question", QUESTIONS)
@settings(max_examples=30, deadline=None)
@given(status=STATUSES, content=ANY_JSON | st.builds(lambda data: {"data": data}, ANY_JSON))
def test_any_json_is_an_answer_or_a_provider_error(
    question: str, status: int, content: object
) -> None:
    error = error_from(lambda: ask(QUESTIONS[question], status, content))

    if error is not None:
        assert error.message
        assert error.remedy
        # What is kept in rows and shown on pages must be storable text.
        json.dumps(error.as_body(), ensure_ascii=False).encode()


@settings(max_examples=80, deadline=None)
@given(status=STATUSES, content=ANY_JSON | st.builds(lambda data: {"data": data}, ANY_JSON))
def test_any_json_after_a_launch_is_one_of_the_three_results(status: int, content: object) -> None:
    result: LaunchResult = ask(launch, status, content)

    assert isinstance(result, Launched | Refused | Unknown)
    if isinstance(result, Launched):
        assert result.instance_id


@settings(max_examples=60, deadline=None)
@given(machines=MACHINES)
def test_i13_a_list_is_whole_or_an_error_whatever_its_fields_hold(
    machines: list[dict[str, Any]],
) -> None:
    try:
        read: list[Instance] = ask(QUESTIONS["list_all"], 200, {"data": machines})
    except ProviderError:
        return

    assert [machine.instance_id for machine in read] == [machine["id"] for machine in machines]
    for machine in read:
        (machine.name + machine.region + machine.instance_type).encode()


@settings(max_examples=60, deadline=None)
@given(types=TYPES)
def test_what_is_offered_can_be_rented_whatever_the_fields_of_its_type_hold(
    types: dict[str, Any],
) -> None:
    try:
        offers: list[Offer] = ask(QUESTIONS["offers"], 200, {"data": types})
    except ProviderError:
        return

    for offer in offers:
        assert offer.instance_type
        assert 0 < offer.hourly_price_usd < 100_000
        assert 1 <= offer.gpu_count < 1_000_000_000
        assert offer.architecture in ("x86_64", "arm64")
