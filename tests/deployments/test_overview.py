"""What is shown of a deployment: money, machines, progress, the finer step."""

from datetime import timedelta
from decimal import Decimal
from itertools import product
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from deployments import overview
from deployments.models import CloudSnapshot, Deployment, Machine
from deployments.models.deployments import LaunchState, Status
from deployments.overview import DeploymentOverview, machine_status
from deployments.providers.base import InstanceStatus
from tests.builders import (
    NOON,
    make_artifact,
    make_deployment,
    make_event,
    make_machine,
    make_metric,
    make_run_state,
)


def line(deployment: Deployment, *, minutes: float = 0) -> DeploymentOverview:
    """Return what a list shows so many minutes after NOON."""
    (found,) = overview.deployment_lines([deployment], now=NOON + timedelta(minutes=minutes))
    return found


class TestMachineStatus:
    """One word for every machine row."""

    @pytest.mark.parametrize(
        ("fields", "word"),
        [
            ({"launch_state": LaunchState.INTENT}, "requested"),
            ({"launch_state": LaunchState.UNKNOWN}, "requested"),
            ({"launch_state": LaunchState.UNKNOWN, "end_wanted_at": NOON}, "requested"),
            ({"launch_state": LaunchState.REFUSED}, "refused"),
            ({"launch_state": LaunchState.NEVER_SEEN}, "never_seen"),
            ({}, "booting"),
            ({"seen_status": "booting"}, "booting"),
            ({"seen_status": "active"}, "active"),
            ({"seen_status": "unhealthy"}, "unhealthy"),
            ({"seen_status": "preempted"}, "preempted"),
            ({"seen_status": "terminating"}, "terminating"),
            ({"seen_status": "unknown"}, "unknown"),
            ({"seen_status": "active", "end_wanted_at": NOON}, "terminating"),
            ({"seen_status": "active", "end_wanted_at": NOON, "gone_at": NOON}, "gone"),
        ],
    )
    def test_the_word_follows_from_the_row(self, fields: dict[str, Any], word: str) -> None:
        machine = Machine(**({"launch_state": LaunchState.LAUNCHED} | fields))

        assert machine_status(machine) == word

    def test_every_row_has_a_word_and_only_a_dead_one_is_called_gone(self) -> None:
        seen = ["", *InstanceStatus]
        for state, status, wanted, gone in product(LaunchState, seen, (None, NOON), (None, NOON)):
            machine = Machine(
                launch_state=state, seen_status=status, end_wanted_at=wanted, gone_at=gone
            )

            word = machine_status(machine)

            assert word
            if word in ("gone", "refused", "never_seen"):
                assert not machine.may_live


@pytest.mark.django_db
class TestMoney:
    """D8, I8: from the request on, up to the quantum, shown up to the cent."""

    def test_before_any_machine_nothing_is_spent_and_the_price_is_not_known(self) -> None:
        shown = line(make_deployment())

        assert shown.cost.accrued == Decimal("0.00")
        assert shown.cost.hourly is None
        assert shown.cost.estimated is None
        assert shown.cost.final is None
        assert shown.bills is False

    def test_a_live_machine_accrues_from_its_request_on_and_is_rounded_up_to_the_cent(self) -> None:
        deployment = make_deployment()
        make_machine(deployment)

        assert line(deployment, minutes=10).cost.accrued == Decimal("0.22")
        assert line(deployment, minutes=10).bills is True

    def test_machines_add_up_before_they_are_rounded(self) -> None:
        deployment = make_deployment()
        make_machine(deployment, billed_usd=Decimal("0.1010"), gone_at=NOON)
        make_machine(deployment, billed_usd=Decimal("0.1010"), gone_at=NOON)
        make_machine(deployment, launch_state=LaunchState.REFUSED, billed_usd=Decimal(0))

        shown = line(deployment)

        assert shown.cost.accrued == Decimal("0.21")
        assert shown.bills is False

    def test_at_the_end_what_accrued_is_the_final_cost(self) -> None:
        deployment = make_deployment(status=Status.COMPLETED, actual_cost=Decimal("0.2151"))
        make_machine(deployment, billed_usd=Decimal("0.2151"), gone_at=NOON)

        cost = line(deployment, minutes=999).cost

        assert cost.final == cost.accrued == Decimal("0.22")


@pytest.mark.django_db
class TestHead:
    """The deployment shows the machine it has now, or had last."""

    def test_the_newest_started_machine_counts(self) -> None:
        deployment = make_deployment()
        make_machine(deployment, region="us-east-1")
        newest = make_machine(deployment, region="us-west-1", hourly_price=Decimal("0.75"))
        make_machine(deployment, region="us-south-1", launch_state=LaunchState.REFUSED)

        shown = line(deployment)

        assert (shown.instance_id, shown.region) == (newest.instance_id, "us-west-1")
        assert shown.cost.hourly == Decimal("0.75")
        assert [machine.region for machine in shown.machines] == [
            "us-east-1",
            "us-west-1",
            "us-south-1",
        ]

    def test_without_one_the_request_is_shown(self) -> None:
        deployment = make_deployment(config={"instance_type": "auto", "region": "us-east-1"})
        make_machine(deployment, launch_state=LaunchState.REFUSED, region="us-west-1")

        shown = line(deployment)

        assert (shown.instance_type, shown.region) == ("auto", "us-east-1")
        assert shown.instance_id is None

    def test_the_id_of_a_launch_under_way_is_not_known(self) -> None:
        deployment = make_deployment()
        make_machine(deployment, launch_state=LaunchState.INTENT, instance_id="")

        assert line(deployment).instance_id is None


@pytest.mark.django_db
class TestPhase:
    """The finer step is the machine's word while the machine has the floor."""

    @pytest.mark.parametrize(
        ("status", "told", "shown"),
        [
            (Status.BOOTING, "train", "booting"),
            (Status.PREPARING, "", "preparing"),
            (Status.PREPARING, "install", "install"),
            (Status.TRAINING, "train", "train"),
            (Status.COLLECTING, "save", "save"),
            (Status.COLLECTING, "finished", "collecting"),
            (Status.TERMINATING, "finished", "terminating"),
            (Status.COMPLETED, "finished", "completed"),
        ],
    )
    def test_the_phase_is_the_runs_or_else_the_status(
        self, status: Status, told: str, shown: str
    ) -> None:
        deployment = make_deployment(status=status)
        make_run_state(make_machine(deployment), phase=told)

        assert line(deployment).phase == shown

    def test_once_the_run_is_over_its_last_phase_is_no_news(self) -> None:
        deployment = make_deployment(status=Status.COLLECTING)
        run = make_run_state(make_machine(deployment), phase="train")
        run.exit = {"outcome": "failed"}
        run.save()

        assert line(deployment).phase == "collecting"

    def test_a_machine_that_was_lost_no_longer_speaks(self) -> None:
        deployment = make_deployment(status=Status.PREPARING)
        make_run_state(make_machine(deployment), phase="train", step=9)
        make_machine(deployment)

        shown = line(deployment)

        assert (shown.phase, shown.run, shown.progress) == ("preparing", None, None)


@pytest.mark.django_db
class TestProgress:
    """How far, and how long still; what is not known stays unknown."""

    def run(self, **fields: Any) -> overview.Progress | None:
        status = fields.pop("status", Status.TRAINING)
        first = fields.pop("first", None)
        deployment = make_deployment(status=status)
        machine = make_machine(deployment)
        make_run_state(machine, **fields)
        if first is not None:
            make_metric(machine, step=first[0], at=NOON + timedelta(seconds=first[1]))
        return line(deployment).progress

    def test_without_a_step_there_is_none(self) -> None:
        assert self.run() is None

    def test_a_step_without_a_total_has_no_percentage(self) -> None:
        progress = self.run(step=5)

        assert progress is not None
        assert (progress.step, progress.total_steps, progress.percent) == (5, None, None)

    def test_more_steps_than_announced_are_still_a_hundred_percent(self) -> None:
        progress = self.run(step=12, total_steps=10)

        assert progress is not None
        assert progress.percent == 100.0

    def test_the_time_left_follows_the_pace_since_the_first_step(self) -> None:
        # 20 steps in 60 s since the first news at step 10, 70 steps to go.
        progress = self.run(
            step=30, total_steps=100, stepped_at=NOON + timedelta(seconds=90), first=(10, 30)
        )

        assert progress is not None
        assert progress.seconds_remaining == 210

    @pytest.mark.parametrize(
        "fields",
        [
            {"first": None},
            {"first": (30, 90)},
            {"first": (10, 90)},
            {"total_steps": None},
            {"status": Status.COLLECTING},
            {"exit": {"outcome": "completed"}},
        ],
    )
    def test_without_a_pace_or_outside_training_the_time_left_is_not_known(
        self, fields: dict[str, Any]
    ) -> None:
        told = {
            "step": 30,
            "total_steps": 100,
            "stepped_at": NOON + timedelta(seconds=90),
            "first": (10, 30),
        }

        progress = self.run(**(told | fields))

        assert progress is not None
        assert progress.seconds_remaining is None

    def test_a_fresh_machine_is_measured_by_its_own_steps(self) -> None:
        deployment = make_deployment(status=Status.TRAINING)
        make_metric(make_machine(deployment), step=1, at=NOON - timedelta(hours=5))
        fresh = make_machine(deployment)
        make_metric(fresh, step=50, at=NOON)
        stepped_at = NOON + timedelta(seconds=10)
        make_run_state(fresh, step=60, total_steps=100, stepped_at=stepped_at)

        progress = line(deployment).progress

        assert progress is not None
        assert progress.seconds_remaining == 40


@pytest.mark.django_db
class TestOverview:
    """Everything about one deployment, at a fixed price."""

    def test_it_has_what_lists_leave_out(self) -> None:
        deployment = make_deployment()
        machine = make_machine(deployment)
        make_run_state(machine, environment={"cpu_stand_in": True})
        make_metric(machine, step=1, value=3.0)
        make_metric(machine, step=2, value=2.0)
        make_event(deployment, machine=machine, message="Hello.")
        artifact = make_artifact(machine)
        CloudSnapshot.objects.create(vault_entry_id=deployment.vault_entry_id, listed_at=NOON)

        shown = overview.deployment_overview(deployment, now=NOON)

        assert shown.metrics["train/loss"].value == 2.0
        assert shown.metrics["train/loss"].step == 2
        assert [event.message for event in shown.events] == ["Hello."]
        assert shown.events[0].machine == machine.name
        assert shown.artifacts == (artifact,)
        assert shown.cloud is not None
        assert shown.cloud.listed_at == NOON
        assert shown.run is not None
        assert shown.run.is_cpu_stand_in

    def test_the_proof_of_gone_is_shown_only_once_it_is_complete(self) -> None:
        deployment = make_deployment()
        absent = {"absent_since": NOON, "absent_until": NOON, "absent_lists": 1}
        make_machine(deployment, **absent)
        make_machine(deployment, gone_at=NOON, **(absent | {"absent_lists": 2}))

        open_, proven = line(deployment).machines

        assert open_.gone_proof is None
        assert proven.gone_proof is not None
        assert proven.gone_proof.lists == 2

    def test_i17_the_sealed_key_is_never_loaded(self) -> None:
        deployment = make_deployment()
        make_machine(deployment)

        with CaptureQueriesContext(connection) as captured:
            overview.deployment_overview(Deployment.objects.get(pk=deployment.pk), now=NOON)

        assert not any("api_key_encrypted" in query["sql"] for query in captured)

    def test_many_deployments_cost_as_many_queries_as_one(self) -> None:
        deployments = [make_deployment() for _ in range(4)]
        for deployment in deployments:
            make_run_state(make_machine(deployment))

        with CaptureQueriesContext(connection) as captured:
            lines = overview.deployment_lines(deployments, now=NOON)

        assert [each.deployment_id for each in lines] == [each.pk for each in deployments]
        assert len(captured) == 3

    def test_nothing_to_list_is_an_empty_list(self) -> None:
        assert overview.deployment_lines([], now=NOON) == []
        assert overview.job_lines([], now=NOON) == []
