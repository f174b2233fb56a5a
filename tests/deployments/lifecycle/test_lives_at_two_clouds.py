"""Whole lives for which two clouds may be rented at: what one refuses or loses, the other takes."""

import re
from decimal import Decimal
from typing import Any

import pytest
from pytest_django.fixtures import Settings

from deployments import checkpoints
from deployments.lifecycle import market
from deployments.models import Deployment
from deployments.models.deployments import Status
from deployments.providers.base import InstanceStatus, ProviderRefusedError
from tests.deployments.api.calls import Caller
from tests.deployments.pages.conftest import signed_in
from tests.deployments.pages.test_wording import spoken
from tests.deployments.virtual.agent import Plan
from tests.deployments.virtual.cloud import VirtualProvider
from tests.deployments.virtual.invariants import check_end
from tests.deployments.virtual.world import QUICK, World

POD = {"platform": "runpod", "instance_type": "A10 pod", "region": "US-KS-2"}
LONG = Plan(save_steps=2, exit_at=200)


@pytest.fixture(autouse=True)
def _quick(settings: Settings) -> None:
    settings.TIMING = QUICK


def deploy(world: World, *, price: str = "1.19", **fields: Any) -> Deployment:
    """Accept a run at Lambda with the second cloud's pod as its fallback, for up to a price."""
    key = world.open_other()
    world.other.plans = world.cloud.plans
    fallback = {**POD, "max_hourly_price": price}
    config = {"instance_type": "gpu_1x_a10", "region": "us-east-1", "fallbacks": [fallback]}
    deployment = world.deploy(config=config, **fields)
    deployment.other_keys.add(key)
    return deployment


def tried(deployment: Deployment) -> list[tuple[str, str]]:
    """Return where each attempt was made and what became of it."""
    rows = deployment.machines.order_by("attempt")
    return list(rows.values_list("platform", "launch_state"))


@pytest.mark.parametrize("refusal", ["capacity", "quota", "auth", "invalid"])
def test_F12_F13_what_one_cloud_refuses_the_other_is_asked_for(world: World, refusal: str) -> None:
    world.cloud.fail("launch", refusal)

    deployment = world.until(deploy(world))

    assert deployment.status == Status.COMPLETED
    assert tried(deployment) == [("lambda", "refused"), ("runpod", "launched")]
    (pod,) = deployment.machines.filter(platform="runpod")
    assert (pod.vault_entry.provider, pod.hourly_price) == ("runpod", Decimal("1.19"))
    asked = deployment.events.filter(kind="launch_requested").values_list("message", flat=True)
    assert [each.split(" for ")[0] for each in asked] == ["Asking Virtual", "Asking Virtual"]
    check_end(world.all_clouds, deployment, exact=True)


def test_F13_nothing_dearer_is_taken_at_the_other_cloud_either(world: World) -> None:
    world.cloud.fail("launch", *["capacity"] * 3)

    deployment = world.until(deploy(world, price="1.18"))

    assert {platform for platform, _ in tried(deployment)} == {"lambda"}
    assert not world.other.machines


def test_a_cloud_that_does_not_answer_does_not_hide_the_other(world: World) -> None:
    world.cloud.fail("offers", *["error"] * 50)

    deployment = world.until(deploy(world))

    assert tried(deployment) == [("runpod", "launched")]
    # It was not waited for again and again.
    assert world.cloud.calls.count(("offers", "error")) == 1
    check_end(world.all_clouds, deployment)


@pytest.mark.parametrize("how", ["vanished", "preempted"])
def test_F48_F49_a_job_lost_at_one_cloud_goes_on_at_the_other(world: World, how: str) -> None:
    world.cloud.plan = world.other.plan = LONG
    deployment = deploy(world)
    world.until(deployment, lambda d: any(checkpoints.at_home(d.job_id)))
    (machine,) = world.cloud.machines
    machine.end() if how == "vanished" else setattr(machine, "shown_as", InstanceStatus.PREEMPTED)

    world.until(deployment)

    assert deployment.status == Status.COMPLETED
    assert tried(deployment) == [("lambda", "launched"), ("runpod", "launched")]
    (pod,) = world.other.machines
    assert pod.agent is not None
    assert pod.agent.from_step > 0
    check_end(world.all_clouds, deployment, exact=how == "vanished")


def test_F26_a_dearer_pod_is_taken_only_once_the_first_cloud_has_nothing(world: World) -> None:
    world.other.prices = {("A10 pod", "US-KS-2"): Decimal("1.49")}
    deployment = world.until(deploy(world, price="1.49"), Status.TRAINING)
    world.cloud.machines[0].end()
    world.cloud.fail("launch", "capacity")

    world.until(deployment)

    assert tried(deployment) == [
        ("lambda", "launched"),
        ("lambda", "refused"),
        ("runpod", "launched"),
    ]
    check_end(world.all_clouds, deployment)


def test_attempts_are_counted_over_all_clouds(world: World) -> None:
    world.cloud.plan = world.other.plan = LONG
    deployment = world.until(deploy(world, max_attempts=1), Status.TRAINING)
    world.cloud.machines[0].end()

    world.until(deployment)

    assert (deployment.status, len(tried(deployment))) == (Status.FAILED, 1)


def test_F13_each_attempt_is_one_line_with_place_price_answer_and_time(world: World) -> None:
    world.cloud.fail("launch", "capacity")
    deployment = world.until(deploy(world))
    words = "Virtual, 1x A10 (24 GB) in us-east-1, $1.29 an hour, after 0.5 s: Nothing is free."

    page = signed_in(world.user).get(f"/jobs/{deployment.job_id}/blocks/machines/").content.decode()
    answer = Caller(world.user).read(f"training/deploy/auto?deployment_id={deployment.pk}")

    first, second = answer["machines"]
    assert words in " ".join(re.sub(r"<[^>]+>", " ", spoken(page)).split())
    assert (first["platform"], first["attempt"], first["answer"]) == ("lambda", 1, "refused")
    assert (first["hourly"], first["answered_seconds"]) == ("1.29", 0.5)
    assert first["refusal"]["message"] == "Nothing is free."
    assert (second["platform"], second["answer"], second["refusal"]) == ("runpod", "launched", None)


def test_a_cloud_that_takes_no_ssh_key_is_left_for_the_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = deploy(world)

    def full(self: VirtualProvider, public_key: str) -> str:
        if self.cloud is world.cloud:
            raise ProviderRefusedError("The account has as many SSH keys as it may.")
        return "slipway-key"

    monkeypatch.setattr(VirtualProvider, "ensure_ssh_key", full)

    world.until(deployment)

    assert tried(deployment) == [("runpod", "launched")]
    check_end(world.all_clouds, deployment)


def test_F58_a_cloud_that_was_passed_by_is_asked_before_anything_is_given_up(world: World) -> None:
    deployment = deploy(world)
    other = deployment.other_keys.get()
    market.note_silent(other)
    # What a machine of one's own says that has no GPU: for good.
    world.cloud.fail("offers", "auth")

    offers = market.live_offers(deployment)

    assert {offer.platform for offer in offers} == {"runpod"}
    assert world.cloud.calls.count(("offers", "auth")) == 1
