"""The live catalogue: asked under the caller's own key, narrowed, cheapest first."""

import pytest
import responses
from django.contrib.auth.models import User

from tests.builders import SECRET, make_user, make_vault_entry
from tests.deployments.api.calls import Caller, error_of
from tests.deployments.api.conftest import BASE_URL

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    found = make_user()
    make_vault_entry(found)
    return found


def places(answer: dict[str, list[dict[str, str]]]) -> list[tuple[str, str]]:
    return [(offer["instance_type"], offer["region"]) for offer in answer["data"]]


def test_offers_come_cheapest_first_with_the_time_they_held(
    user: User, cloud: responses.RequestsMock
) -> None:
    answer = Caller(user).read("offers")

    assert places(answer) == [
        ("gpu_1x_a10", "us-east-1"),
        ("gpu_1x_a10", "us-west-1"),
        ("gpu_1x_h100_pcie", ""),
    ]
    assert answer["source"] == "live"
    assert answer["as_of"].endswith("Z")
    assert answer["data"][0] == {
        "platform": "lambda",
        "instance_type": "gpu_1x_a10",
        "region": "us-east-1",
        "region_description": "Virginia, USA",
        "description": "1x A10 (24 GB PCIe)",
        "gpu_name": "A10",
        "gpu_count": 1,
        "vram_gib": 24,
        "vcpus": 30,
        "memory_gib": 200,
        "storage_gib": 1400,
        "architecture": "x86_64",
        "hourly": "1.29",
        "available": True,
    }
    # I7: the cloud was asked with the caller's key and nothing else.
    assert cloud.calls[0].request.headers["Authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ("platform=lambda", {"gpu_1x_a10", "gpu_1x_h100_pcie"}),
        ("min_vram=24", {"gpu_1x_a10", "gpu_1x_h100_pcie"}),
        ("min_vram=25", {"gpu_1x_h100_pcie"}),
        ("max_hourly=1.29", {"gpu_1x_a10"}),
        ("max_hourly=1.28", set()),
        ("available=true", {"gpu_1x_a10"}),
        ("available=false", {"gpu_1x_h100_pcie"}),
        ("available=true&min_vram=80", set()),
    ],
)
@pytest.mark.usefixtures("cloud")
def test_parameters_narrow_the_offers(user: User, query: str, types: set[str]) -> None:
    answer = Caller(user).read(f"offers?{query}")

    assert {offer["instance_type"] for offer in answer["data"]} == types


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("platform=nowhere", "platform"),
        ("min_vram=much", "min_vram"),
        ("max_hourly=-1", "max_hourly"),
        ("max_hourly=cheap", "max_hourly"),
        ("available=yes", "available"),
    ],
)
@pytest.mark.usefixtures("cloud")
def test_a_parameter_that_makes_no_sense_is_refused_by_name(
    user: User, query: str, param: str
) -> None:
    assert error_of(Caller(user).get(f"offers?{query}"), status=400)["param"] == param


@pytest.mark.usefixtures("cloud")
def test_without_a_key_of_ones_own_nobody_is_asked(user: User) -> None:
    response = Caller(make_user()).get("offers")

    assert error_of(response, status=400)["code"] == "E_NO_KEY"


def test_a_cloud_that_refuses_the_key_answers_502(
    user: User, cloud: responses.RequestsMock
) -> None:
    denied = {"error": {"code": "global/invalid-api-key", "message": "bad key"}}
    cloud.replace(responses.GET, f"{BASE_URL}/instance-types", status=401, json=denied)

    error = error_of(Caller(user).get("offers"), status=502)

    assert error["code"] == "E_AUTH"
    assert SECRET not in str(error)
