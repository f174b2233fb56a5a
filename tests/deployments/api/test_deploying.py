"""Looking at deployments and ending them: what is found, what is answered, at what price."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.contrib.auth.models import User

from core.models import AuditEntry
from deployments.models.deployments import Desired, Status
from tests.builders import (
    NOON,
    make_artifact,
    make_deployment,
    make_event,
    make_machine,
    make_metric,
    make_run_state,
    make_user,
)
from tests.deployments.api.calls import FULL, SHORT, SIGN_IN_QUERIES, Caller, error_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def user() -> User:
    return make_user()


class TestGet:
    """``GET /api/training/deploy/{platform}?deployment_id=``."""

    def test_a_deployment_is_found_by_our_id_and_by_the_id_of_any_of_its_machines(
        self, user: User
    ) -> None:
        deployment = make_deployment(user)
        lost, newest = make_machine(deployment), make_machine(deployment)
        caller = Caller(user)

        for text in (str(deployment.pk), lost.instance_id, newest.instance_id):
            answer = caller.read(f"training/deploy/lambda?deployment_id={text}")

            assert answer["deployment_id"] == str(deployment.pk)
            assert set(answer) == FULL

    def test_the_platform_is_the_one_that_was_asked_for_wherever_it_ran(self, user: User) -> None:
        deployment = make_deployment(user)
        fallen_back = make_machine(deployment, platform="elsewhere")
        caller = Caller(user)

        answer = caller.read(f"training/deploy/lambda?deployment_id={deployment.pk}")
        elsewhere = caller.get(f"training/deploy/elsewhere?deployment_id={deployment.pk}")
        by_machine = caller.get(
            f"training/deploy/elsewhere?deployment_id={fallen_back.instance_id}"
        )

        assert answer["platform"] == "lambda"
        assert answer["machines"][0]["platform"] == "elsewhere"
        assert error_of(elsewhere, status=404)["code"] == "E_NOT_FOUND"
        assert error_of(by_machine, status=404)["code"] == "E_NOT_FOUND"

    @pytest.mark.parametrize("text", ["nothing", "%00", "0" * 32, "%F0%9F%9A%A2", "x" * 5000])
    def test_an_id_that_names_nothing_is_not_found(self, user: User, text: str) -> None:
        make_machine(make_deployment(user))

        response = Caller(user).get(f"training/deploy/lambda?deployment_id={text}")

        assert error_of(response, status=404)["code"] == "E_NOT_FOUND"

    @pytest.mark.parametrize("query", ["", "?deployment_id=", "?deployment_id=%20"])
    def test_without_an_id_the_error_names_the_parameter(self, user: User, query: str) -> None:
        # A launch under way has no id at the cloud yet: an empty one must not find it.
        make_machine(make_deployment(user), instance_id="")

        response = Caller(user).get(f"training/deploy/lambda{query}")

        assert error_of(response, status=400)["param"] == "deployment_id"

    def test_everything_about_a_run_under_way_is_shown(self, user: User) -> None:
        deployment = make_deployment(user, status=Status.TRAINING)
        machine = make_machine(
            deployment,
            seen_status="active",
            seen_ip="203.0.113.7",
            active_at=NOON + timedelta(minutes=3),
        )
        make_run_state(
            machine,
            phase="train",
            step=11,
            total_steps=31,
            epoch=0.35,
            stepped_at=NOON + timedelta(seconds=100),
        )
        make_metric(machine, step=1, value=3.0, at=NOON)
        make_metric(machine, step=11, value=1.5, at=NOON + timedelta(seconds=100))
        make_metric(machine, name="eval/loss", step=10, value=None)

        answer = Caller(user).read(f"training/deploy/lambda?deployment_id={deployment.pk}")

        assert (answer["status"], answer["phase"]) == ("training", "train")
        assert answer["instance_id"] == machine.instance_id
        assert answer["progress"] == {
            "step": 11,
            "total_steps": 31,
            "epoch": 0.35,
            "percent": 35.5,
            "seconds_remaining": 200,
        }
        assert answer["metrics"] == {"train/loss": 1.5, "eval/loss": None}
        (shown,) = answer["machines"]
        assert shown == {
            "instance_id": machine.instance_id,
            "name": machine.name,
            "platform": "lambda",
            "attempt": 1,
            "answer": "launched",
            "refusal": None,
            "answered_seconds": 2.0,
            "status": "active",
            "ip": "203.0.113.7",
            "ssh_port": 22,
            "region": "us-east-1",
            "instance_type": "gpu_1x_a10",
            "hourly": "1.29",
            "requested_at": "2026-03-02T12:00:00Z",
            "launched_at": "2026-03-02T12:00:02Z",
            "active_at": "2026-03-02T12:03:00Z",
            "terminate_requested_at": None,
            "gone_at": None,
            "gone_proof": None,
            "billed": None,
            "cloud_billed": None,
        }
        assert answer["cost"]["final"] is None
        assert answer["attention"] is None

    def test_at_the_end_the_cost_is_final_and_the_proof_is_shown(self, user: User) -> None:
        gone_at = NOON + timedelta(minutes=10)
        deployment = make_deployment(
            user,
            status=Status.FAILED,
            actual_cost=Decimal("0.2151"),
            completed_at=gone_at,
            error={"code": "E_OOM", "message": "Out.", "remedy": "Less.", "cost_usd": "0.22"},
        )
        machine = make_machine(
            deployment,
            gone_at=gone_at,
            absent_since=gone_at - timedelta(seconds=40),
            absent_until=gone_at,
            absent_lists=3,
            end_wanted_at=NOON,
            billed_usd=Decimal("0.2151"),
        )
        make_artifact(machine)

        answer = Caller(user).read(f"training/deploy/lambda?deployment_id={deployment.pk}")

        assert answer["cost"]["final"] == answer["cost"]["accrued"] == "0.22"
        (shown,) = answer["machines"]
        assert (shown["status"], shown["billed"]) == ("gone", "0.2151")
        assert shown["gone_proof"] == {
            "lists": 3,
            "since": "2026-03-02T12:09:20Z",
            "until": "2026-03-02T12:10:00Z",
        }
        assert answer["error"] == {
            "code": "E_OOM",
            "message": "Out.",
            "remedy": "Less.",
            "cost_usd": "0.22",
            "bills": False,
        }
        (artifact,) = answer["artifacts"]
        assert artifact["download_url"].startswith("http://testserver/api/artifacts/")

    def test_the_last_twenty_events_come_in_the_order_they_happened(self, user: User) -> None:
        deployment = make_deployment(user)
        machine = make_machine(deployment)
        for number in range(25):
            make_event(deployment, message=f"event {number}", machine=machine)

        answer = Caller(user).read(f"training/deploy/lambda?deployment_id={deployment.pk}")

        assert [event["message"] for event in answer["events"]] == [
            f"event {number}" for number in range(5, 25)
        ]
        assert answer["events"][0]["machine"] == machine.name


class TestList:
    """``GET /api/training/deploy``."""

    def test_all_platforms_are_listed_newest_first(self, user: User) -> None:
        older = make_deployment(user, created_at=NOON)
        newer = make_deployment(user, platform="elsewhere", created_at=NOON + timedelta(hours=1))
        make_deployment()

        answer = Caller(user).read("training/deploy")

        ids = [row["deployment_id"] for row in answer["data"]]
        assert ids == [str(newer.pk), str(older.pk)]
        assert set(answer["data"][0]) == SHORT
        assert answer["has_more"] is False

    def test_the_cursor_leads_on(self, user: User) -> None:
        for hour in range(3):
            make_deployment(user, created_at=NOON + timedelta(hours=hour))
        caller = Caller(user)

        first = caller.read("training/deploy?limit=2")
        last = first["data"][-1]["deployment_id"]
        second = caller.read(f"training/deploy?limit=2&after={last}")

        assert (first["has_more"], second["has_more"]) == (True, False)
        assert len(second["data"]) == 1

    def test_its_queries_do_not_grow_with_the_rows(self, user: User) -> None:
        caller = Caller(user)
        make_run_state(make_machine(make_deployment(user)))
        few = caller.queries_of("training/deploy")

        for _ in range(6):
            deployment = make_deployment(user)
            make_run_state(make_machine(deployment))
            make_run_state(make_machine(deployment))

        assert caller.queries_of("training/deploy") == few <= SIGN_IN_QUERIES + 5


class TestStatusQueries:
    """A status page is polled: it must stay cheap."""

    def test_the_status_queries_do_not_grow_with_machines_events_and_metrics(
        self, user: User
    ) -> None:
        caller = Caller(user)
        deployment = make_deployment(user)
        path = f"training/deploy/lambda?deployment_id={deployment.pk}"
        make_metric(make_machine(deployment))
        few = caller.queries_of(path)

        for number in range(5):
            machine = make_machine(deployment)
            make_run_state(machine)
            make_artifact(machine)
            make_event(deployment, machine=machine)
            make_metric(machine, name=f"m{number}", step=number)

        assert caller.queries_of(path) == few <= SIGN_IN_QUERIES + 10


class TestDelete:
    """``DELETE /api/training/deploy/{platform}?deployment_id=``."""

    def test_asking_for_the_end_is_a_wish_and_asking_again_is_harmless(self, user: User) -> None:
        deployment = make_deployment(user, status=Status.TRAINING)
        path = f"training/deploy/lambda?deployment_id={deployment.pk}"
        caller = Caller(user)

        first, second = caller.delete(path), caller.delete(path)

        assert first.status_code == second.status_code == 202
        assert first.json() == second.json()
        assert set(first.json()) == SHORT
        assert first.json()["status"] == "training"
        deployment.refresh_from_db()
        assert (deployment.desired, deployment.save_wanted) == (Desired.STOP, True)
        assert AuditEntry.objects.filter(action="deployment.stop").count() == 1

    def test_save_false_skips_collecting(self, user: User) -> None:
        deployment = make_deployment(user, status=Status.TRAINING)

        response = Caller(user).delete(
            f"training/deploy/lambda?deployment_id={deployment.pk}&save=false"
        )

        assert response.status_code == 202
        deployment.refresh_from_db()
        assert deployment.save_wanted is False

    def test_a_save_that_is_neither_true_nor_false_is_refused(self, user: User) -> None:
        deployment = make_deployment(user)

        response = Caller(user).delete(
            f"training/deploy/lambda?deployment_id={deployment.pk}&save=no"
        )

        assert error_of(response, status=400)["param"] == "save"
        deployment.refresh_from_db()
        assert deployment.desired == Desired.RUN

    def test_a_read_only_token_cannot_stop(self, user: User) -> None:
        deployment = make_deployment(user)

        response = Caller(user, scopes=["read"]).delete(
            f"training/deploy/lambda?deployment_id={deployment.pk}"
        )

        assert error_of(response, status=403)["code"] == "E_SCOPE"
