"""Programs meet the same caps and the same kill switch as people, and are told in figures (T20)."""

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from core.api.idempotency import HEADER
from deployments import kill_switch
from deployments.models import Deployment, UserLimits
from tests.builders import make_config, make_deployment, make_user, make_vault_entry
from tests.deployments.api.calls import Caller, error_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cloud")]
PATH = "training/deploy/lambda"


@pytest.fixture
def user() -> User:
    found = make_user()
    make_vault_entry(found)
    return found


@pytest.fixture
def body(user: User) -> dict[str, Any]:
    return {"training_config_id": str(make_config(user).pk), "budget_limit": "10.00"}


def test_F6_a_budget_over_the_cap_is_refused_with_its_arithmetic(
    user: User, body: dict[str, Any]
) -> None:
    UserLimits.objects.create(user=user, monthly_usd=Decimal("25.00"))
    make_deployment(user, budget_limit=Decimal("20.00"))

    error = error_of(Caller(user).post(PATH, body), status=409)

    assert (error["code"], error["type"]) == ("E_MONTHLY_CAP", "conflict_error")
    assert error["param"] == "budget_limit"
    assert error["details"] == [
        {"cap": "25.00", "spent": "0.00", "reserved": "20.00", "budget": "10.00", "left": "5.00"}
    ]
    assert "5.00" in error["remedy"]
    assert Deployment.objects.count() == 1


def test_a_refusal_by_a_cap_frees_its_idempotency_key(user: User, body: dict[str, Any]) -> None:
    own = UserLimits.objects.create(user=user, max_machines=0)
    caller = Caller(user)

    refused = caller.call("POST", PATH, body, **{HEADER: "one"})
    own.delete()
    accepted = caller.call("POST", PATH, body, **{HEADER: "one"})

    assert error_of(refused, status=409)["code"] == "E_MACHINE_CAP"
    assert accepted.status_code == 202


def test_while_launches_are_blocked_programs_start_nothing_and_can_still_stop(
    user: User, body: dict[str, Any]
) -> None:
    living = make_deployment(user)
    kill_switch.turn_on(actor=None, reason="a token was stolen")

    refused = Caller(user).post(PATH, body)
    stopped = Caller(user).delete(f"{PATH}?deployment_id={living.pk}")

    error = error_of(refused, status=409)
    assert error["code"] == "E_LAUNCHES_BLOCKED"
    assert "a token was stolen" in error["message"]
    assert stopped.status_code == 202


def test_the_interface_tells_of_the_caps(user: User) -> None:
    schema = Caller(user).read("schema/?format=json")

    post = schema["paths"]["/api/training/deploy/{platform}"]["post"]
    assert "409" in post["responses"]
    assert "E_MONTHLY_CAP" in post["description"]
