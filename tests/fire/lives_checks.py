"""What must hold of rows, cloud and bill: while the lives last, and when all are over."""

import time
from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db.models import Count

from core.files import sha256_of
from core.installation import installation_id
from core.time import database_now
from deployments.management.local_stack import LocalStack
from deployments.models import Artifact, Deployment, Machine, Metric, Stray, WorkerHeartbeat
from deployments.models.deployments import Status
from sandbox.request_log import fingerprint
from tests.deployments.virtual.invariants import check_story

# I1, I3: how long a late or second machine may live after it was first seen here, times being
# as short as they are.
LATE_SECONDS = 120.0
LIVING = ("booting", "active", "unhealthy")
QUANTUM_SECONDS = 60
# I6: the documented time that stopping takes, with one quantum.
STOP_SECONDS = 180 + QUANTUM_SECONDS
# I8.
TOLERATED_SECONDS = 2 * QUANTUM_SECONDS + 60
WORKERS, QUEUES = 2, 2


def mark(deployment: Deployment) -> str:
    """Return what the names of all its machines hold, and no other's."""
    return f"-{deployment.pk.hex[:8]}-"


class Watch:
    """Compares the cloud with the rows again and again."""

    def __init__(self, stack: LocalStack) -> None:
        self.looks = 0
        self.wrong: list[str] = []
        self._stack = stack
        self._unwanted_since: dict[str, float] = {}

    def look(self) -> None:
        """I1, I3: whatever lives has a row that wants it, one for each deployment."""
        self.looks += 1
        machines = self._stack.control("GET", "machines")["machines"]
        # Read after the cloud: a row is written before its machine is asked for (D1).
        rows = {row.name: row for row in Machine.objects.select_related("deployment")}
        wanted: Counter[object] = Counter()
        for machine in machines:
            if machine["status"] not in LIVING or machine["has_vanished"]:
                continue
            row = rows.get(machine["name"])
            if row is None:
                self.wrong.append(f"I1: nobody owns {machine['name']}")
            elif row.instance_id in ("", machine["id"]) and row.may_live:
                if row.deployment.is_terminal:
                    self.wrong.append(f"I1: {row.deployment.pk} is over and {row.name} lives")
                wanted[row.deployment_id] += 1
            else:
                self._note_unwanted(machine, row)
        for deployment_id, count in wanted.items():
            # Two ids under one name, until the answer is read.
            names = {row.name for row in rows.values() if row.deployment_id == deployment_id}
            if count > 1 and len(names) > 1:
                self.wrong.append(f"I3: {deployment_id} has {count} machines at once")

    def _note_unwanted(self, machine: dict[str, Any], row: Machine) -> None:
        since = self._unwanted_since.setdefault(machine["id"], time.monotonic())
        if time.monotonic() - since > LATE_SECONDS:
            self.wrong.append(f"I1: {row.deployment_id}: {row.name} outlives its welcome")


def wrong_at_the_end(stack: LocalStack, deployments: list[Deployment]) -> Iterator[str]:
    """Yield what does not hold, each with the deployment that it is about."""
    ledger = stack.control("GET", "ledger")["entries"]
    owned = set(Machine.objects.values_list("name", flat=True))
    for row in ledger:
        if row["terminated_at"] is None:
            yield f"I1: {row['name']} lives on"
        if row["name"] not in owned:
            yield f"I1: nobody owns {row['name']}"
    yield from _wrong_requests(stack)
    if (beats := _fresh_beats()) != WORKERS * QUEUES:
        yield f"{beats} queues of two workers are alive, not {WORKERS * QUEUES}"
    for deployment in deployments:
        bill = [row for row in ledger if mark(deployment) in row["name"]]
        for text in (*_wrong_story(deployment), *_wrong_money(deployment, bill)):
            yield f"{deployment.pk} ({deployment.status}): {text}"
        for text in (*_wrong_end(deployment), *_wrong_numbers(deployment)):
            yield f"{deployment.pk} ({deployment.status}): {text}"


def _wrong_requests(stack: LocalStack) -> Iterator[str]:
    """I7, I15: only the one key was sent, and only what is ours was ended."""
    prefix = f"{installation_id()}-"
    for request in stack.control("GET", "requests")["requests"]:
        if request["key"] != fingerprint(stack.sandbox_key):
            yield f"I7: another key was sent: {request}"
        if not all(name.startswith(prefix) for name in request["machine_names"]):
            yield f"I15: {request}"


def _fresh_beats() -> int:
    """Return how many queue processes have taken a task lately, each worker's own."""
    now = database_now()
    rows = WorkerHeartbeat.objects.filter(name__contains="@")
    return sum((now - row.beat_at).total_seconds() < settings.TIMING.lease_seconds for row in rows)


def _wrong_story(deployment: Deployment) -> Iterator[str]:
    """I4, I13."""
    try:
        check_story(deployment)
    except AssertionError as error:
        yield str(error)


def _wrong_money(deployment: Deployment, bill: list[dict[str, Any]]) -> Iterator[str]:
    """I6, I8."""
    dollars = {row["machine_id"]: Decimal(row["cost_cents"]) / 100 for row in bill}
    rates = [Decimal(row["price_cents_per_hour"]) / 100 for row in bill]
    most = deployment.budget_limit + max(rates, default=Decimal(0)) * STOP_SECONDS / 3600
    if sum(dollars.values(), Decimal(0)) > most:
        yield f"I6: it cost {sum(dollars.values())}, with a budget of {deployment.budget_limit}"
    ours = Decimal(0)
    for machine in deployment.machines.exclude(instance_id=""):
        ours += machine.billed_usd or 0
        theirs = dollars.pop(machine.instance_id)
        tolerated = theirs + machine.hourly_price * TOLERATED_SECONDS / 3600 + Decimal("0.0001")
        if machine.billed_usd is None or not theirs <= machine.billed_usd <= tolerated:
            yield f"I8: {machine.name} was {machine.billed_usd} to us, {theirs} to the cloud"
    strays = Stray.objects.filter(deployment=deployment, billed_usd__isnull=False)
    late = sum((stray.billed_usd or Decimal(0) for stray in strays), Decimal(0))
    if sum(dollars.values(), Decimal(0)) > late:
        yield f"I8: {dollars} of late machines, {late} to us"
    if deployment.actual_cost != ours + late:
        yield f"I8: it cost {deployment.actual_cost}, its machines {ours + late}"


def _wrong_end(deployment: Deployment) -> Iterator[str]:
    """I11, I21."""
    error = deployment.error
    if deployment.status == Status.COMPLETED and not deployment.artifacts.exists():
        yield "I11: completed without an adapter"
    if deployment.status == Status.FAILED and not (error and error["code"] and error["remedy"]):
        yield f"I21: it failed without a reason: {error}"
    if error and error["bills"]:
        yield "I20: it is over and told to bill"
    if deployment.attention is not None:
        yield f"I21: it asks for attention: {deployment.attention}"
    for artifact in Artifact.objects.filter(deployment=deployment):
        path = Path(settings.SLIPWAY_DATA_DIR) / artifact.path
        if not path.is_file() or sha256_of(path) != artifact.sha256:
            yield f"I11: {artifact.path} is not on disk as it was recorded"


def _wrong_numbers(deployment: Deployment) -> Iterator[str]:
    """I10."""
    values = Metric.objects.filter(job=deployment.job, name="train/loss")
    if values.values("step").annotate(count=Count("pk")).filter(count__gt=1).exists():
        yield "I10: a step has two losses"
    if any(value.value != 3 / value.step for value in values):
        yield "I10: a loss is not what was told"
