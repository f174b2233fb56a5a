"""Asking for a deployment: what is taken, what is refused by name and with what remedy."""

import re
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
import responses
from django.contrib.auth.models import User

from deployments.models import Deployment, TrainingJob
from tests.builders import (
    make_config,
    make_limits,
    make_user,
    make_vault_entry,
)
from tests.deployments.api.calls import SHORT, Caller, error_of
from tests.deployments.api.conftest import BASE_URL

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cloud")]


@pytest.fixture
def user() -> User:
    found = make_user()
    make_vault_entry(found)
    return found


@pytest.fixture
def body(user: User) -> dict[str, Any]:
    """The least a deployment needs."""
    config = make_config(user, budget_limit=Decimal("5.00"))
    return {"training_config_id": str(config.pk)}


def test_a_config_alone_is_enough(user: User, body: dict[str, Any]) -> None:
    response = Caller(user).post("training/deploy/lambda", body)

    assert response.status_code == 202
    answer = response.json()
    assert set(answer) == SHORT
    assert (answer["status"], answer["phase"]) == ("queued", "queued")
    assert (answer["instance_type"], answer["region"]) == ("auto", "auto")
    assert answer["platform"] == "lambda"
    assert answer["instance_id"] is None
    assert answer["cost"] == {
        "hourly": None,
        "estimated": None,
        "accrued": "0.00",
        "final": None,
        "budget_limit": "5.00",
        "currency": "USD",
    }
    deployment = Deployment.objects.get(pk=answer["deployment_id"])
    assert deployment.user == user
    assert str(deployment.job_id) == answer["job_id"]
    assert answer["url"] == f"http://testserver/jobs/{deployment.job_id}/"
    assert deployment.max_hourly_price == Decimal("1.29")
    assert deployment.next_tick_at is not None


def test_every_field_reaches_the_deployment(user: User, body: dict[str, Any]) -> None:
    body |= {
        "instance_type": "gpu_1x_a10",
        "region": "us-east-1",
        "budget_limit": "7.50",
        "max_hours": "6",
        "name": "Support answers",
        "wait_for_capacity_minutes": 5,
        "max_hourly_price": "2.0075",
        "max_attempts": 3,
        "ssh_key_name": None,
        "node_count": 1,
        "fallbacks": [{"platform": "lambda", "instance_type": "gpu_1x_a10", "region": "auto"}],
        "keep_on_failure_minutes": 15,
        "resume_from": None,
    }

    response = Caller(user).post("training/deploy/lambda", body)

    assert response.status_code == 202
    deployment = Deployment.objects.get()
    assert deployment.name == deployment.job.name == "Support answers"
    assert deployment.budget_limit == Decimal("7.50")
    assert deployment.max_hours == 6
    assert deployment.wait_for_capacity_minutes == 5
    assert deployment.max_hourly_price == Decimal("2.0075")
    assert deployment.max_attempts == 3
    assert deployment.config["instance_type"] == "gpu_1x_a10"
    assert deployment.config["region"] == "us-east-1"
    assert deployment.keep_on_failure_minutes == 15
    (fallback,) = deployment.config["fallbacks"]
    assert fallback["instance_type"] == "gpu_1x_a10"
    assert Decimal(fallback["max_hourly_price"]) == Decimal("2.0075")


def test_a_users_own_ssh_key_must_be_registered_at_the_cloud(
    user: User, body: dict[str, Any], cloud: responses.RequestsMock
) -> None:
    cloud.get(f"{BASE_URL}/ssh-keys", json={"data": []})

    response = Caller(user).post("training/deploy/lambda", body | {"ssh_key_name": "my laptop"})

    error = error_of(response, status=400)
    assert (error["code"], error["param"]) == ("E_SSH_KEY", "ssh_key_name")
    assert not Deployment.objects.exists()


@pytest.mark.parametrize(
    ("fallback", "param"),
    [
        ({"platform": "runpod"}, "fallbacks.0.platform"),
        ({"platform": "lambda", "instance_type": "gpu_1x_moon"}, "fallbacks.0.instance_type"),
        ({"platform": "lambda", "region": "moon-1"}, "fallbacks.0.region"),
    ],
)
def test_F13_a_fallback_that_nothing_matches_is_refused_where_it_stands(
    user: User, body: dict[str, Any], fallback: dict[str, str], param: str
) -> None:
    response = Caller(user).post("training/deploy/lambda", body | {"fallbacks": [fallback]})

    assert error_of(response, status=400)["param"] == param
    assert not Deployment.objects.exists()


def test_an_unknown_field_is_refused_by_name(user: User, body: dict[str, Any]) -> None:
    response = Caller(user).post("training/deploy/lambda", body | {"budget": "10.00"})

    error = error_of(response, status=400)
    assert error["param"] == "budget"
    assert "budget_limit" in error["remedy"]
    assert not TrainingJob.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("node_count", 2),
    ],
)
def test_what_this_version_cannot_do_is_refused_with_the_remedy(
    user: User, body: dict[str, Any], field: str, value: object
) -> None:
    response = Caller(user).post("training/deploy/lambda", body | {field: value})

    error = error_of(response, status=400)
    assert error["param"] == field
    assert error["remedy"].startswith(f"Leave {field} out")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("training_config_id", None),
        ("training_config_id", 7),
        ("instance_type", ""),
        ("instance_type", 1),
        ("instance_type", None),
        ("region", ["us-east-1"]),
        ("region", "\ud800"),
        ("region", "us\x00east"),
        ("budget_limit", "0"),
        ("budget_limit", "0.00"),
        ("budget_limit", "-1"),
        ("budget_limit", "1.001"),
        ("budget_limit", "1e3"),
        ("budget_limit", "NaN"),
        ("budget_limit", ""),
        ("budget_limit", 10),
        ("budget_limit", 10.0),
        ("budget_limit", True),
        ("budget_limit", "123456789.00"),
        ("max_hours", "0"),
        ("max_hours", "720.01"),
        ("max_hours", None),
        ("max_hourly_price", "0"),
        ("max_hourly_price", "1.00001"),
        ("wait_for_capacity_minutes", -1),
        ("wait_for_capacity_minutes", 10081),
        ("wait_for_capacity_minutes", "30"),
        ("wait_for_capacity_minutes", 30.0),
        ("max_attempts", 0),
        ("max_attempts", 11),
        ("max_attempts", True),
        ("name", "x" * 121),
        ("name", 5),
        ("ssh_key_name", ""),
        ("node_count", 0),
        ("node_count", "1"),
        ("fallbacks", {}),
        ("fallbacks", ["gpu_1x_a10"]),
        ("fallbacks", [{"instance_type": "gpu_1x_a10"}]),
        ("fallbacks", [{"platform": "lambda", "type": "gpu_1x_a10"}]),
        ("fallbacks", [{"platform": "lambda"}] * 21),
        ("keep_on_failure_minutes", -1),
        ("keep_on_failure_minutes", 1441),
        ("resume_from", 1),
        ("adapter_from", ["x"]),
    ],
)
def test_a_value_out_of_its_type_or_range_is_refused_by_name(
    user: User, body: dict[str, Any], field: str, value: object
) -> None:
    response = Caller(user).post("training/deploy/lambda", body | {field: value})

    assert re.split(r"[.\[]", str(error_of(response, status=400)["param"]))[0] == field
    assert not Deployment.objects.exists()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("budget_limit", "99999999.99"),
        ("max_hours", "720"),
        ("max_hours", "0.01"),
        ("wait_for_capacity_minutes", 0),
        ("wait_for_capacity_minutes", 10080),
        ("max_attempts", 1),
        ("max_attempts", 10),
        ("name", "x" * 120),
    ],
)
def test_a_value_at_the_edge_of_its_range_is_taken(
    user: User, body: dict[str, Any], field: str, value: object
) -> None:
    make_limits(daily_usd=None, user_monthly_usd=None)

    response = Caller(user).post("training/deploy/lambda", body | {field: value})

    assert response.status_code == 202, response.content


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_a_body_that_is_no_object_is_refused(user: User, body: object) -> None:
    response = Caller(user).call("POST", "training/deploy/lambda", body)

    assert error_of(response, status=400)["type"] == "invalid_request_error"


def test_without_any_budget_the_error_names_the_field(user: User) -> None:
    config = make_config(user)

    response = Caller(user).post("training/deploy/lambda", {"training_config_id": str(config.pk)})

    assert error_of(response, status=400)["param"] == "budget_limit"


def test_f6_a_budget_too_small_is_refused_with_the_arithmetic(
    user: User, body: dict[str, Any]
) -> None:
    response = Caller(user).post("training/deploy/lambda", body | {"budget_limit": "0.10"})

    error = error_of(response, status=400)
    assert error["code"] == "E_BUDGET"
    assert "1.29" in error["message"]


def test_f4_without_a_key_nothing_is_started(body: dict[str, Any]) -> None:
    stranger = make_user()
    config = make_config(stranger, budget_limit=Decimal(5))

    response = Caller(stranger).post(
        "training/deploy/lambda", {"training_config_id": str(config.pk)}
    )

    assert error_of(response, status=400)["code"] == "E_NO_KEY"


def test_f11_a_key_the_cloud_refuses_answers_502_and_starts_nothing(
    user: User, body: dict[str, Any], cloud: responses.RequestsMock
) -> None:
    denied = {"error": {"code": "global/invalid-api-key", "message": "bad key"}}
    cloud.replace(responses.GET, f"{BASE_URL}/instance-types", status=401, json=denied)

    response = Caller(user).post("training/deploy/lambda", body)

    error = error_of(response, status=502)
    assert error["code"] == "E_AUTH"
    assert not Deployment.objects.exists()


def test_an_unknown_platform_is_refused_with_those_there_are(
    user: User, body: dict[str, Any]
) -> None:
    response = Caller(user).post("training/deploy/nowhere", body)

    assert "lambda" in error_of(response, status=400)["remedy"]


def test_an_unknown_config_is_not_found(user: User) -> None:
    for unknown in (str(uuid4()), "not-an-id"):
        response = Caller(user).post("training/deploy/lambda", {"training_config_id": unknown})

        assert error_of(response, status=404)["code"] == "E_NOT_FOUND"


def test_a_read_only_token_cannot_deploy(user: User, body: dict[str, Any]) -> None:
    reader = Caller(user, scopes=["read"])

    response = reader.post("training/deploy/lambda", body)

    assert error_of(response, status=403)["code"] == "E_SCOPE"
    assert reader.get("training/deploy").status_code == 200


def test_what_auto_may_take_instead_never_stands_in_the_way_of_what_it_chose(
    user: User, cloud: responses.RequestsMock
) -> None:
    config = make_config(user, base_model="Qwen/Qwen2.5-0.5B-Instruct")
    asked = {
        "training_config_id": str(config.pk),
        "budget_limit": "0.40",
        # The H100 fits too, but this budget does not pay for booting it.
        "max_hourly_price": "4.00",
    }

    response = Caller(user).post("training/deploy/lambda", asked)

    assert response.status_code == 202, response.content
    config_kept = Deployment.objects.get().config
    assert (config_kept["instance_type"], config_kept["fallbacks"]) == ("gpu_1x_a10", [])
