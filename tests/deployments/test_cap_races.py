"""Accepting under caps by several at the same instant, and while the kill switch is turned."""

import itertools
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User

from core.errors import ConflictError
from deployments import accepting, kill_switch, services
from deployments.acceptance import check_budget
from deployments.models import Deployment, TrainingConfig, UserLimits
from deployments.models.deployments import Desired
from deployments.services import DeployRequest
from tests import builders
from tests.deployments.lifecycle.threads import PATIENCE_SECONDS, at_once
from tests.deployments.virtual.world import World

pytestmark = pytest.mark.django_db(transaction=True)
MANY = 20


def accepts(user: User, config: TrainingConfig, *, budget: int) -> str:
    """Ask for a run and return the code it is refused with, "" if it is accepted."""
    request = DeployRequest(training_config_id=str(config.pk), budget_limit=Decimal(budget))
    try:
        services.deploy(user, "lambda", request)
    except ConflictError as error:
        return error.code
    return ""


@pytest.fixture
def door(monkeypatch: pytest.MonkeyPatch) -> threading.Barrier:
    """Hold each accept after its first look, until as many stand there as start at once."""
    door = threading.Barrier(MANY)

    def wait_for_all(*args: Any) -> None:
        door.wait(timeout=PATIENCE_SECONDS)
        check_budget(*args)

    monkeypatch.setattr(accepting, "check_budget", wait_for_all)
    return door


@pytest.fixture
def ask(world: World, door: threading.Barrier) -> Callable[[], str]:
    """Return a function that asks for a run of 10 USD and says how it went."""
    config = builders.make_config(world.user)
    return lambda: accepts(world.user, config, budget=10)


def test_T20_of_twenty_at_once_the_users_cap_takes_the_one_it_has_room_for(
    world: World, ask: Callable[[], str]
) -> None:
    UserLimits.objects.create(user=world.user, monthly_usd=Decimal("19.99"))

    answers = at_once(MANY, ask)

    assert sorted(answers) == ["", *["E_MONTHLY_CAP"] * (MANY - 1)]
    assert Deployment.objects.count() == 1


def test_T20_of_twenty_at_once_the_machines_take_as_many_as_there_may_be(
    world: World, ask: Callable[[], str]
) -> None:
    UserLimits.objects.create(user=world.user, max_machines=3)

    answers = at_once(MANY, ask)

    assert sorted(answers) == [*[""] * 3, *["E_MACHINE_CAP"] * (MANY - 3)]


def test_T20_of_twenty_users_at_once_the_installations_day_takes_one(
    world: World, door: threading.Barrier
) -> None:
    builders.make_limits(daily_usd=Decimal(15))
    users = [builders.make_user() for _ in range(MANY)]
    for user in users:
        builders.make_vault_entry(user)
    asked = [(user, builders.make_config(user)) for user in users]

    answers = at_once(MANY, lambda: accepts(*asked.pop(), budget=10))

    assert sorted(answers) == ["", *["E_DAILY_CAP"] * (MANY - 1)]


def test_T20_no_accept_slips_past_a_kill_switch_that_is_turned_meanwhile(
    world: World, ask: Callable[[], str], door: threading.Barrier
) -> None:
    builders.make_limits(user_max_machines=None)
    turns = itertools.count()

    def ask_or_turn() -> str:
        if next(turns) != MANY // 2:
            return ask()
        door.wait(timeout=PATIENCE_SECONDS)
        kill_switch.turn_on(actor=None, reason="drill")
        return "turned"

    answers = at_once(MANY, ask_or_turn)

    assert set(answers) <= {"", "turned", "E_LAUNCHES_BLOCKED"}
    assert Deployment.objects.count() == answers.count("")
    assert not Deployment.objects.filter(desired=Desired.RUN).exists()
