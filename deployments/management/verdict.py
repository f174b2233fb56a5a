"""What must be true at the end of a life on the practice cloud, each point checked by itself."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import requests

from deployments.management.local_stack import LocalStack

QUANTUM_SECONDS = 60
# I8: our bill is never under the cloud's ledger, and over it by at most this much.
TOLERATED_SECONDS = 2 * QUANTUM_SECONDS + 60


@dataclass(frozen=True)
class Check:
    """One statement and whether it holds."""

    ok: bool
    text: str


@dataclass(frozen=True)
class Verdict:
    """All statements about one ended deployment."""

    checks: tuple[Check, ...]

    @property
    def is_good(self) -> bool:
        """Whether every statement holds."""
        return all(check.ok for check in self.checks)


def judge(stack: LocalStack, deployment: dict[str, Any]) -> Verdict:
    """Check a deployment's last answer against the disk, the metrics and the sandbox's ledger."""
    return Verdict(checks=tuple(_checks(stack, deployment)))


def _checks(stack: LocalStack, deployment: dict[str, Any]) -> Iterator[Check]:
    error = deployment["error"]
    why = f" ({error['code']}: {error['message']})" if error else ""
    yield Check(deployment["status"] == "completed", f"run {deployment['status']}{why}")
    yield adapter_at_home(stack, deployment)
    yield _loss(stack, deployment)
    yield from (_gone(machine) for machine in deployment["machines"])
    ledger = stack.control("GET", "ledger")["entries"]
    live = [m for m in stack.control("GET", "machines")["machines"] if m["status"] != "terminated"]
    yield Check(not live, f"{len(live)} live machines in the sandbox's ledger")
    yield cost_agrees(deployment, ledger)


def adapter_at_home(stack: LocalStack, deployment: dict[str, Any]) -> Check:
    """Check that the adapter is on disk as it was recorded, and is what the API hands out."""
    if not deployment["artifacts"]:
        return Check(ok=False, text="no adapter came home")
    artifact = deployment["artifacts"][0]
    at_home = stack.data_dir.glob(f"artifacts/{deployment['job_id']}/*/{artifact['name']}")
    path = next(at_home, None)
    if path is None or hashlib.sha256(path.read_bytes()).hexdigest() != artifact["sha256"]:
        return Check(ok=False, text=f"{artifact['name']} is not on disk as it was recorded")
    answer = requests.get(
        artifact["download_url"],
        headers={"Authorization": f"Bearer {stack.token}"},
        timeout=60,
    )
    same = answer.ok and answer.content == path.read_bytes()
    return Check(same, f"adapter at {path}, {artifact['size_bytes']} bytes")


def _loss(stack: LocalStack, deployment: dict[str, Any]) -> Check:
    series = stack.api(
        "GET", f"training/jobs/{deployment['job_id']}/metrics", params={"keys": "eval/loss"}
    ).get("eval/loss", {"value": []})
    values = [value for value in series["value"] if value is not None]
    if len(values) < 2:
        return Check(ok=False, text="fewer than two evaluations")
    return Check(values[-1] < values[0], f"eval loss {values[0]:.3f} first, {values[-1]:.3f} last")


def _gone(machine: dict[str, Any]) -> Check:
    gone = machine["gone_at"]
    return Check(bool(gone), f"machine {machine['name']} gone at {gone}, proven by two lists")


def cost_agrees(deployment: dict[str, Any], ledger: list[dict[str, Any]]) -> Check:
    """Check the final cost against the cloud's bill for the deployment's machines (I8)."""
    ours = Decimal(deployment["cost"]["final"] or 0)
    theirs = sum((Decimal(row["cost_cents"]) for row in ledger), Decimal(0)) / 100
    rate = sum((Decimal(row["price_cents_per_hour"]) for row in ledger), Decimal(0)) / 100
    # We print whole cents, rounded up.
    tolerated = theirs + rate * TOLERATED_SECONDS / 3600 + Decimal("0.01")
    return Check(theirs <= ours <= tolerated, f"cost ${ours}, the sandbox's ledger ${theirs:.4f}")
