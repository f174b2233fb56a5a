"""Machine tokens: for one machine and its job, for a while, and only as a hash (T6, I16)."""

import hashlib
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from core.time import database_now
from deployments import machine_tokens
from deployments.models import Deployment, Machine, MachineToken
from deployments.models.deployments import Status
from tests.builders import make_deployment, make_machine
from tests.deployments.virtual.world import World

pytestmark = pytest.mark.django_db


@pytest.fixture
def machine() -> Machine:
    return make_machine(make_deployment(max_hours=6))


def test_T6_a_token_is_kept_as_its_hash_and_lasts_an_hour_longer_than_the_run(
    machine: Machine,
) -> None:
    plaintext = machine_tokens.mint(machine)

    row = MachineToken.objects.get()
    assert plaintext.startswith("ftj_")
    assert len(plaintext) == len("ftj_") + 43
    assert row.token_hash == hashlib.sha256(plaintext.encode()).hexdigest()
    assert row.expires_at - row.issued_at == timedelta(hours=7)
    machine.deployment.job.refresh_from_db()
    assert machine.deployment.job.job_token == row.token_hash


def test_a_machine_that_is_prepared_again_keeps_its_first_token(machine: Machine) -> None:
    """F39: its agent may run with that one already."""
    tokens = [machine_tokens.mint(machine) for _ in range(2)]

    assert len(set(tokens)) == 2
    assert all(machine_tokens.authenticate(token) for token in tokens)


def test_T6_all_tokens_end_with_their_machine_and_no_other_does(machine: Machine) -> None:
    other = machine_tokens.mint(make_machine(machine.deployment))
    tokens = [machine_tokens.mint(machine) for _ in range(2)]

    machine_tokens.revoke(machine)

    assert [machine_tokens.authenticate(token) for token in tokens] == [None, None]
    assert machine_tokens.authenticate(other) is not None


def test_a_machine_that_is_gone_calls_no_more_even_before_its_tokens_are_revoked(
    machine: Machine,
) -> None:
    token = machine_tokens.mint(machine)
    Machine.objects.filter(pk=machine.pk).update(gone_at=database_now())

    assert machine_tokens.authenticate(token) is None


@examples(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    issued=st.integers(-7200, 7200).filter(lambda seconds: abs(seconds) > 60),
    left=st.integers(-3600, 3600).filter(lambda seconds: abs(seconds) > 60),
    revoked=st.booleans(),
)
def test_I16_no_token_opens_before_its_issue_after_its_end_or_once_revoked(
    machine: Machine, issued: int, left: int, revoked: bool
) -> None:
    now = database_now()
    token = machine_tokens.mint(machine)
    row = MachineToken.objects.get(token_hash=hashlib.sha256(token.encode()).hexdigest())
    row.issued_at = now + timedelta(seconds=issued)
    row.expires_at = now + timedelta(seconds=left)
    row.revoked_at = now if revoked else None
    row.save()

    good = issued < 0 < left and not revoked
    assert (machine_tokens.authenticate(token) is not None) == good


@pytest.mark.parametrize("text", ["", "ftj_", "ftj_" + "x" * 43, "\ud800", "x" * 100_000])
def test_any_other_text_opens_nothing(machine: Machine, text: str) -> None:
    machine_tokens.mint(machine)

    assert machine_tokens.authenticate(text) is None


def test_T6_a_life_that_ended_leaves_no_token_that_opens_anything(
    world: World, settings: Settings
) -> None:
    settings.APP_URL = "https://slipway.example"

    world.until(world.deploy(), Status.TRAINING)
    assert MachineToken.objects.filter(revoked_at=None).count() == 1
    world.until(Deployment.objects.get(), Status.COMPLETED)

    assert MachineToken.objects.exists()
    assert not MachineToken.objects.filter(revoked_at=None).exists()
