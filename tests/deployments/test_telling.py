"""What people and their programs are told of a life, in which words, and that it stops nothing."""

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import User
from pytest_django.fixtures import Settings

from deployments import costs, strays, telling
from deployments.lifecycle import faults
from deployments.lifecycle.lease import Lease, LeaseLostError
from deployments.models import Deployment, Machine
from deployments.models.deployments import Status
from notifications import kinds, outbox, webhooks
from notifications.models import MAIL, Message
from tests import builders
from tests.builders import NOON
from tests.deployments.virtual.agent import Plan
from tests.deployments.virtual.world import QUICK, World

URL = "https://hooks.example.org/in"
S = Status


def told_to(user: User) -> list[str]:
    """Return the kinds of the messages to the user's webhook, in order."""
    rows = Message.objects.filter(user=user).exclude(receiver=MAIL)
    return list(rows.order_by("created_at").values_list("kind", flat=True))


def body(kind: str) -> dict[str, Any]:
    """Return what the newest message of that kind says to a program."""
    found: dict[str, Any] = json.loads(Message.objects.filter(kind=kind, address="")[0].body)
    return found


@pytest.fixture
def listening(world: World, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> World:
    """A world whose user listens to everything, and whose workers send nothing."""
    settings.TIMING = QUICK
    settings.MAIL_IS_SET_UP = True
    settings.APP_URL = "https://slipway.example.org"
    User.objects.filter(pk=world.user.pk).update(email="reader@example.org")
    webhooks.add(world.user, url=URL)
    monkeypatch.setattr(outbox, "claim_due", lambda *_, **__: 0)
    return world


def test_a_whole_life_is_told_in_order(listening: World) -> None:
    deployment = listening.until(listening.deploy())

    assert told_to(listening.user) == [
        "machine.launched",
        "run.training",
        "run.saved",
        "run.completed",
    ]
    mails = Message.objects.filter(receiver=MAIL).order_by("created_at")
    assert [mail.kind for mail in mails] == ["machine.launched", "run.completed"]
    assert {mail.address for mail in mails} == {"reader@example.org"}
    (machine,) = listening.machines(deployment)
    assert deployment.actual_cost is not None
    launched, completed = body("machine.launched"), body("run.completed")
    assert launched["data"]["bills"] is True
    assert launched["data"]["machines"][0]["instance_id"] == machine.instance_id
    assert completed["data"]["bills"] is False
    assert completed["data"]["cost_usd"] == str(costs.cents_up(deployment.actual_cost))
    assert completed["data"]["url"] == f"https://slipway.example.org/jobs/{deployment.job_id}/"


def test_T20_the_mail_at_a_launch_says_what_it_costs_and_what_to_do_if_it_was_not_you(
    listening: World,
) -> None:
    deployment = listening.until(listening.deploy(), S.BOOTING)

    text = Message.objects.get(receiver=MAIL).body
    (machine,) = listening.machines(deployment)
    for part in (
        "What happened: The cloud accepted the launch.",
        "of $10.00 so far.",
        f"Does it bill: yes, {machine.name}, ",
        " an hour.",
        "If you did not: cancel it on its page, change your password",
        f"The run: https://slipway.example.org/jobs/{deployment.job_id}/",
    ):
        assert part in text


def test_F17_T20_a_machine_that_was_adopted_is_told_of_like_any_other(listening: World) -> None:
    listening.cloud.fail("launch", "lost")

    listening.until(listening.deploy(), S.BOOTING)

    assert told_to(listening.user) == ["machine.launched"]


def test_a_failed_run_is_told_with_its_reason(listening: World) -> None:
    listening.cloud.fail("launch", "quota")

    deployment = listening.until(listening.deploy())

    assert deployment.error is not None
    told = body("run.failed")["data"]
    assert told["code"] == deployment.error["code"]
    assert deployment.error["message"] in told["message"]
    assert (told["bills"], told["cost_usd"]) == (False, "0.00")
    assert told["remedy"]


def test_a_cancelled_run_is_told(listening: World) -> None:
    deployment = listening.until(listening.deploy(), S.TRAINING)
    listening.cancel(deployment, save=False)

    listening.until(deployment)

    assert told_to(listening.user)[-1] == "run.cancelled"


def test_F53_each_share_of_the_budget_is_told_once(listening: World) -> None:
    listening.cloud.plan = Plan(exit_at=10**6)
    deployment = listening.until(listening.deploy(budget_limit=Decimal("1.00")), hours=12)

    kinds_told = told_to(listening.user)
    assert kinds_told.count("run.budget_80") == 1
    assert kinds_told.count("run.budget_95") <= 1
    assert deployment.budget_warned in (80, 95)
    eighty = body("run.budget_80")["data"]
    assert Decimal("0.80") <= Decimal(eighty["cost_usd"]) < Decimal("0.90")
    assert eighty["message"].startswith("80 % of the budget is used: $0.8")


# By single events.


def events_told(deployment: Deployment, kind: str, message: str, **changes: object) -> list[str]:
    """Write an event as the lifecycle does; return the kinds that were told."""
    lease = Lease.take(deployment.pk, purpose="tick", seconds=50)
    assert lease is not None
    lease.write(deployment=changes, event=lease.event(kind, message))
    return told_to(deployment.user)


@pytest.fixture
def live(db: None) -> Deployment:
    deployment = builders.make_deployment(status=S.TRAINING)
    builders.make_machine(deployment)
    webhooks.add(deployment.user, url=URL)
    return deployment


def test_F65_a_machine_that_cannot_be_ended_is_told_as_such(live: Deployment) -> None:
    fault = faults.not_proven_gone("slwtst-1", region="us-east-1")

    told = events_told(live, "attention", fault["message"], attention=fault)

    assert told == ["machine.cannot_end"]
    assert body("machine.cannot_end")["data"]["remedy"] == fault["remedy"]


def test_F56_a_key_that_was_revoked_is_told_with_the_way_out(live: Deployment) -> None:
    fault = faults.out_of_reach(
        "E_KEY_REFUSED", "Refused.", machine="i-1 in us-east-1", console_url="https://example.org"
    )

    told = events_told(live, "attention", fault["message"], attention=fault)

    assert told == ["run.attention"]
    said = body("run.attention")["data"]
    assert (said["code"], said["bills"]) == ("E_KEY_REFUSED", True)
    assert "end i-1 in us-east-1 by hand at https://example.org" in said["remedy"]


def test_F18_a_machine_that_comes_after_the_end_is_told_and_then_the_new_cost(
    live: Deployment,
) -> None:
    Deployment.objects.filter(pk=live.pk).update(status=S.COMPLETED, actual_cost=0)
    live.machines.update(gone_at=NOON, billed_usd=0)
    stray = strays.note(
        live.vault_entry,
        instance_id="late-1",
        name=Machine.objects.get().name,
        machine=Machine.objects.get(),
        now=NOON + timedelta(minutes=5),
    )
    strays.close(stray, now=NOON + timedelta(minutes=9))

    assert told_to(live.user) == ["run.attention", "run.completed"]
    assert body("run.attention")["data"]["bills"] is True
    assert body("run.completed")["data"]["bills"] is False
    assert "instead of $0.00" in body("run.completed")["data"]["message"]


def test_F21_while_a_run_lives_its_attention_says_it_once(live: Deployment) -> None:
    strays.note(live.vault_entry, instance_id="x", name="x", machine=live.machines.get(), now=NOON)

    assert told_to(live.user) == []


@pytest.mark.parametrize("kind", ["queued", "active", "launch_requested", "gone", "attention_over"])
def test_the_small_steps_are_nobodys_news(live: Deployment, kind: str) -> None:
    assert events_told(live, kind, "A step.") == []


def test_I17_what_looks_like_a_secret_or_a_second_line_does_not_get_out(live: Deployment) -> None:
    Deployment.objects.filter(pk=live.pk).update(name="sums\r\nBcc: all@example.org")

    events_told(live, "launched", f"Started with {builders.SECRET}\nand more")

    said = body("machine.launched")["data"]
    assert builders.SECRET not in json.dumps(said)
    assert said["name"] == "sums Bcc: all@example.org"
    assert "\n" not in said["message"]


def test_a_fault_in_telling_stops_no_change(
    live: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(outbox, "tell", broken)

    assert events_told(live, "launched", "Started.", phase="train") == []

    live.refresh_from_db()
    assert live.phase == "train"
    assert live.events.get().kind == "launched"


def test_a_change_that_is_lost_is_told_nobody(live: Deployment) -> None:
    lease = Lease.take(live.pk, purpose="tick", seconds=50)
    assert lease is not None
    Deployment.objects.filter(pk=live.pk).update(version=99)

    with pytest.raises(LeaseLostError):
        lease.write(event=lease.event("launched", "Started."))

    assert not Message.objects.exists()


def test_every_kind_that_can_be_told_can_be_chosen() -> None:
    told = {*telling.TOLD.values(), *telling.ENDS.values(), kinds.CANNOT_END}

    assert told == set(kinds.KINDS) == set(telling.REMEDIES)


def test_without_a_public_address_the_path_is_told(live: Deployment) -> None:
    events_told(live, "launched", "Started.")

    assert body("machine.launched")["data"]["url"] == f"/jobs/{live.job_id}/"
