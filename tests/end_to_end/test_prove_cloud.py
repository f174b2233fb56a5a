"""``manage.py prove_cloud`` against the sandbox: a whole life, and lives that go wrong.

Without a worker, so that the command does the ticks itself. What the facts say is the sandbox's
doing; that they are there, and that nothing is left, is ours.
"""

import contextlib
import json
from dataclasses import replace
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError
from pytest_django.fixtures import Settings

from deployments import services
from deployments.management.proof import machine_look, refusals
from deployments.models import Deployment
from deployments.models.deployments import Status
from deployments.providers.lambda_probes import LambdaProbes
from deployments.providers.probes import Refusal
from secrets_vault.services import add_entry
from tests.builders import make_user
from tests.end_to_end.life import QUICK
from tests.sandbox_cloud import SandboxHandle

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.full]


@pytest.fixture(autouse=True)
def owner(cloud: SandboxHandle, settings: Settings) -> None:
    """One user with a key; a cloud that soon forgets an ended machine."""
    settings.TIMING = replace(QUICK, expected_boot_seconds=60)
    cloud.control(
        "POST", "settings", {"terminated_visible_seconds": 1, "terminated_get_seconds": 3}
    )
    add_entry(make_user("prover"), provider="lambda", secret=cloud.api_key)


def prove(*arguments: str) -> str:
    out = StringIO()
    call_command("prove_cloud", "lambda", *arguments, stdout=out)
    return out.getvalue()


def fails(*arguments: str) -> str:
    out = StringIO()
    with pytest.raises(CommandError):
        call_command("prove_cloud", "lambda", *arguments, stdout=out)
    return out.getvalue()


def report(folder: Path) -> dict[str, Any]:
    (file,) = (folder / "proofs").glob("*.json")
    told: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return told


def machines(cloud: SandboxHandle) -> list[str]:
    return [m["status"] for m in cloud.control("GET", "machines")["machines"]]


def test_a_whole_life_passes_every_step_and_leaves_nothing(
    cloud: SandboxHandle, data_folder: Path
) -> None:
    said = prove("--max-usd", "0.50", "--provoke-rate-limit")

    told = report(data_folder)
    assert told["passed"], said
    assert [step["passed"] for step in told["steps"]] == [True] * 9
    assert machines(cloud) == ["terminated"]
    assert Decimal(told["cost_usd"]) <= Decimal("0.50")
    assert Deployment.objects.get().status == Status.CANCELLED
    facts = {(fact["topic"], fact["what"]): fact["value"] for fact in told["facts"]}
    assert facts["refusals", "GET of an unknown id"] == "404 global/object-does-not-exist"
    assert facts["refusals", "launch of an unknown type"].startswith("4")
    assert facts["instance", "ip, when active"] == "set"
    assert "terminated" in facts["after terminate", "what GET by id says"]
    assert "404" in facts["after terminate", "what GET by id says"]
    assert facts["machine", "login user"] != "none"
    assert facts["machine", "outbound, to the cloud's own API"] == "401"
    assert facts["training environment", "torch"]
    assert ("boot", "SSH login with the pinned host key, from the launch request") in facts
    markdown = next((data_folder / "proofs").glob("*.md")).read_text(encoding="utf-8")
    assert "| 8. The machine is ended and proven gone | pass |" in markdown
    assert cloud.api_key not in said + markdown + json.dumps(told)


def test_a_machine_that_cannot_be_looked_at_is_ended_all_the_same(
    cloud: SandboxHandle, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(machine: object) -> None:
        raise RuntimeError("no look")

    monkeypatch.setattr(machine_look, "look", broken)

    said = fails()

    assert "FAIL 6. Training runs on the machine, seen by SSH: RuntimeError: no look" in said
    assert "pass 8. The machine is ended and proven gone" in said
    assert "---- 7." not in said.split("facts;")[0]
    assert [step["passed"] for step in report(data_folder)["steps"]][6] is None
    assert machines(cloud) == ["terminated"]


def test_F76_a_database_that_is_away_for_a_moment_does_not_keep_the_machine_alive(
    cloud: SandboxHandle, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, failures = services.cancel, iter([True, True])

    def away_at_first(*args: Any, **options: Any) -> Deployment:
        if next(failures, False):
            raise OperationalError("the database is away")
        return whole(*args, **options)

    def broken(machine: object) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(machine_look, "look", broken)
    monkeypatch.setattr(services, "cancel", away_at_first)

    said = fails()

    assert "pass 8. The machine is ended and proven gone" in said
    assert machines(cloud) == ["terminated"]


def test_who_interrupts_it_leaves_nothing_behind_and_asks_nothing_more(
    cloud: SandboxHandle, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(machine: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(machine_look, "look", interrupted)

    said = fails()

    assert "Interrupted: ending the machine first." in said
    assert "pass 8." in said
    assert machines(cloud) == ["terminated"]
    assert "refusals" not in {fact["topic"] for fact in report(data_folder)["facts"]}


def test_I13_a_launch_whose_answer_is_lost_is_one_machine_and_is_ended(
    cloud: SandboxHandle,
) -> None:
    cloud.control("POST", "faults", {"on": "launch", "kind": "drop_after_commit"})

    prove()

    assert machines(cloud) == ["terminated"]


def test_F21_a_launch_that_starts_two_machines_leaves_neither(cloud: SandboxHandle) -> None:
    cloud.control("POST", "faults", {"on": "launch", "kind": "two_ids"})

    said = StringIO()
    with contextlib.suppress(CommandError):
        call_command("prove_cloud", "lambda", stdout=said)

    assert "pass 8." in said.getvalue()
    assert machines(cloud) == ["terminated", "terminated"]


def test_too_small_a_limit_rents_nothing(cloud: SandboxHandle, data_folder: Path) -> None:
    said = fails("--max-usd", "0.02")

    assert "FAIL 4. A deployment is accepted and a machine is rented: A budget of 0.02" in said
    assert machines(cloud) == []
    facts = {fact["what"]: fact["value"] for fact in report(data_folder)["facts"]}
    assert facts["launches"] == "not asked: too little is left of the limit"


def test_a_wrong_limit_or_user_is_refused_before_anything_is_asked(cloud: SandboxHandle) -> None:
    with pytest.raises(CommandError, match="--max-usd"):
        prove("--max-usd", "much")
    with pytest.raises(CommandError, match="--max-usd"):
        prove("--max-usd", "0")
    with pytest.raises(CommandError, match="no user"):
        prove("--user", "nobody")

    assert machines(cloud) == []


def test_a_probe_that_is_not_refused_is_ended_and_told(
    cloud: SandboxHandle, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Should the cloud take a launch that names what does not exist, it must not stay."""

    def taken(self: LambdaProbes, **asked: str) -> list[Refusal]:
        body: dict[str, object] = {
            "name": asked["name"],
            "instance_type_name": asked["instance_type"],
            "region_name": asked["region"],
            "ssh_key_names": [asked["ssh_key_name"]],
        }
        answer = self.ask("POST", "/instance-operations/launch", body=body, launch=True)
        content: Any = answer.content
        return [Refusal("launch", "200", tuple(content["data"]["instance_ids"]))]

    monkeypatch.setattr(LambdaProbes, "refused_launches", taken)
    monkeypatch.setattr(refusals, "PAUSE_SECONDS", 0.1)

    prove()

    facts = {fact["what"]: fact["value"] for fact in report(data_folder)["facts"]}
    assert facts["launch"] == "200: NOT refused; the machine was ended and proven gone"
    assert machines(cloud) == ["terminated", "terminated"]
