"""Each fault a cloud can show on the way, provoked at the sandbox, ends as FAULTS.md says."""

from dataclasses import replace
from decimal import Decimal

import pytest
from pytest_django.fixtures import Settings

from core.errors import InvalidInputError, UnusableDataError
from deployments import services
from deployments.models import Deployment
from deployments.models.deployments import LaunchState, Status
from deployments.providers.base import ProviderError
from secrets_vault.services import add_entry, delete_entry, entry_for
from tests import builders
from tests.end_to_end.life import Life, assert_over, error_of
from tests.sandbox_cloud import SandboxHandle

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("end_to_end_faults"),
]


def reached(*statuses: Status):  # type: ignore[no-untyped-def]
    return lambda deployment: deployment.status in statuses


def ours(cloud: SandboxHandle, path: str) -> list[str]:
    """Return the methods and statuses of the requests for a path, in order."""
    requests = cloud.control("GET", "requests")["requests"]
    return [r["method"] for r in requests if r["path"].endswith(path)]


def cancel(life: Life, deployment: Deployment) -> Deployment:
    services.cancel(deployment, requested_by=life.user, save=False)
    return life.until(deployment)


def test_F17_a_launch_whose_answer_is_lost_is_adopted_by_name(cloud: SandboxHandle) -> None:
    life = Life.begin(cloud)
    cloud.control("POST", "faults", {"on": "launch", "kind": "drop_after_commit"})

    deployment = life.until(life.deploy(), reached(Status.PREPARING))
    (machine,) = deployment.machines.all()

    assert machine.launch_state == LaunchState.LAUNCHED
    assert machine.instance_id == life.ledger()[0]["machine_id"]
    assert ours(cloud, "/launch") == ["POST"]
    cancel(life, deployment)
    assert_over(life, deployment, status=Status.CANCELLED, machines=1)


def test_F16_a_launch_that_never_arrived_is_tried_again_under_a_new_name(
    cloud: SandboxHandle,
) -> None:
    life = Life.begin(cloud)
    cloud.control("POST", "faults", {"on": "launch", "kind": "status", "status": 502})

    deployment = life.until(life.deploy(), reached(Status.PREPARING))
    first, second = deployment.machines.all()

    assert first.launch_state == LaunchState.NEVER_SEEN
    assert second.launch_state == LaunchState.LAUNCHED
    assert first.name != second.name
    cancel(life, deployment)
    assert_over(life, deployment, status=Status.CANCELLED, machines=1)


def test_F13_capacity_refused_is_waited_for_until_a_machine_is_free(cloud: SandboxHandle) -> None:
    life = Life.begin(cloud)
    cloud.control("POST", "faults", {"on": "launch", "kind": "capacity", "times": 20})

    deployment = life.until(life.deploy(), reached(Status.WAITING_FOR_CAPACITY))
    assert life.ledger() == []
    cloud.control("DELETE", "faults")
    life.until(deployment, reached(Status.PREPARING))

    cancel(life, deployment)
    assert_over(life, deployment, status=Status.CANCELLED, machines=1)


def test_F13_without_waiting_no_capacity_ends_the_run_unbilled(cloud: SandboxHandle) -> None:
    life = Life.begin(cloud)
    cloud.control("POST", "faults", {"on": "launch", "kind": "capacity", "times": None})

    deployment = life.until(life.deploy(wait_for_capacity_minutes=0))

    assert error_of(deployment)["code"] == "E_CAPACITY"
    assert_over(life, deployment, status=Status.FAILED, machines=0)


@pytest.mark.full
def test_F25_a_boot_that_never_ends_is_given_up_after_one_fresh_machine(
    cloud: SandboxHandle, settings: Settings
) -> None:
    settings.TIMING = replace(settings.TIMING, boot_limit_seconds=2)
    life = Life.begin(cloud)
    cloud.control("POST", "faults", {"on": "launch", "kind": "boot_never_ends", "times": None})

    deployment = life.until(life.deploy(max_attempts=2))

    assert error_of(deployment)["code"] == "E_BOOT_TIMEOUT"
    assert Decimal(error_of(deployment)["cost_usd"]) > 0
    assert_over(life, deployment, status=Status.FAILED, machines=2)


def test_F49_a_machine_that_vanishes_is_lost_by_two_lists_and_its_cost_closed(
    cloud: SandboxHandle,
) -> None:
    life = Life.begin(cloud)

    deployment = life.until(life.deploy(max_attempts=1), reached(Status.PREPARING))
    (machine,) = deployment.machines.all()
    cloud.control("POST", f"machines/{machine.instance_id}/vanish")
    life.until(deployment)

    assert error_of(deployment)["code"] == "E_MACHINE_LOST"
    assert_over(life, deployment, status=Status.FAILED, machines=1)


@pytest.mark.full
def test_F26_an_unhealthy_machine_is_replaced_by_one_that_works(cloud: SandboxHandle) -> None:
    life = Life.begin(cloud)
    cloud.control("POST", "faults", {"on": "launch", "kind": "unhealthy"})

    deployment = life.until(life.deploy(), reached(Status.PREPARING))

    assert deployment.machines.count() == 2
    cancel(life, deployment)
    assert_over(life, deployment, status=Status.CANCELLED, machines=2)


def test_F64_a_terminate_that_fails_is_repeated_until_the_machine_is_gone(
    cloud: SandboxHandle,
) -> None:
    life = Life.begin(cloud)
    deployment = life.until(life.deploy(), reached(Status.PREPARING))
    for status in (500, 429, 503):
        fault = {"on": "terminate", "kind": "status", "status": status, "times": 1}
        cloud.control("POST", "faults", fault)

    cancel(life, deployment)

    assert len(ours(cloud, "/terminate")) >= 4
    assert_over(life, deployment, status=Status.CANCELLED, machines=1)


def test_F65_a_terminate_that_lies_is_sent_again(cloud: SandboxHandle) -> None:
    life = Life.begin(cloud)
    deployment = life.until(life.deploy(), reached(Status.PREPARING))
    cloud.control("POST", "faults", {"on": "terminate", "kind": "ok_but_alive", "times": 2})

    cancel(life, deployment)

    assert len(ours(cloud, "/terminate")) >= 3
    assert_over(life, deployment, status=Status.CANCELLED, machines=1)


@pytest.mark.full
def test_F58_failing_lists_change_nothing_and_the_run_goes_on_afterwards(
    cloud: SandboxHandle,
) -> None:
    life = Life.begin(cloud)
    deployment = life.until(life.deploy(), reached(Status.BOOTING))
    for _ in range(3):
        fault = {"on": "list", "kind": "status", "status": 503, "times": 1}
        cloud.control("POST", "faults", fault)

    life.until(deployment, reached(Status.PREPARING))

    assert deployment.machines.count() == 1
    cancel(life, deployment)
    assert_over(life, deployment, status=Status.CANCELLED, machines=1)


def test_F04_a_wrong_key_is_refused_at_once_and_nothing_is_started(cloud: SandboxHandle) -> None:
    life = Life.begin(cloud)
    entry = entry_for(life.user, "lambda")
    assert entry is not None
    delete_entry(entry, actor=life.user)
    add_entry(life.user, provider="lambda", secret="secret_wrong_0123456789abcdef.0000")

    with pytest.raises(ProviderError) as refused:
        life.deploy()

    assert refused.value.code == "E_AUTH"
    assert refused.value.remedy
    assert life.ledger() == []


def test_F04_without_a_key_the_remedy_is_the_vault(cloud: SandboxHandle) -> None:
    life = Life.begin(cloud)
    entry = entry_for(life.user, "lambda")
    assert entry is not None
    delete_entry(entry, actor=life.user)

    with pytest.raises(InvalidInputError) as refused:
        life.deploy()

    assert refused.value.code == "E_NO_KEY"
    assert "vault" in refused.value.remedy


def test_F11_a_key_revoked_before_the_launch_ends_the_run_unbilled(cloud: SandboxHandle) -> None:
    life = Life.begin(cloud)
    deployment = life.deploy()
    denied = {"error": {"code": "global/invalid-api-key", "message": "API key was invalid."}}
    fault = {"on": "instance-types", "kind": "status", "status": 401, "body": denied}
    cloud.control("POST", "faults", {**fault, "times": None})

    life.until(deployment)

    assert error_of(deployment)["code"] == "E_AUTH"
    assert_over(life, deployment, status=Status.FAILED, machines=0)


def test_F07_data_with_errors_is_refused_naming_the_lines(cloud: SandboxHandle) -> None:
    life = Life.begin(cloud)
    life.dataset = builders.make_dataset(life.user, content=b'{"messages": []}\nnot json\n')

    with pytest.raises(UnusableDataError) as refused:
        life.deploy()

    assert refused.value.param == "dataset_id"
    assert {finding["line"] for finding in life.dataset.findings} >= {1, 2}
    assert life.ledger() == []
