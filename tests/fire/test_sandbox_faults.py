"""What a cloud and its machines can do wrong, over the real wire, many lives in one stack.

The sandbox is a process of its own, SSH and the agent are real; only training is a stand-in.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as django_settings
from pytest_django.fixtures import Settings

from core.files import sha256_of
from deployments.models import Artifact, Deployment
from deployments.models.deployments import Status
from tests.deployments.virtual.invariants import check_story
from tests.end_to_end.life import QUICK, TOLERATED_SECONDS, Life
from tests.fire.caps import lift_caps
from tests.fire.stand_in import StandIn, make_stand_in
from tests.sandbox_cloud import SandboxHandle, running_sandbox

pytestmark = [
    pytest.mark.full,
    pytest.mark.django_db(transaction=True),
    pytest.mark.xdist_group("fire"),
]
PATIENCE_SECONDS = 300
ADAPTER_BYTES = 4_000_000
# Carries a block of a download (1 MiB) and not two.
CUT_BYTES = 1_500_000
XID = "NVRM: Xid (PCI:0000:06:00): 79, GPU has fallen off the bus."


def launch_fault(kind: str, **values: object) -> dict[str, object]:
    return {"on": "launch", "kind": kind, **values}


def signal(name: str, **values: object) -> dict[str, object]:
    return {"kind": "signal", "signal": name, **values}


@dataclass(frozen=True)
class Case:
    """One life and what is put on it; ``rented`` are the machines on the cloud's bill."""

    name: str
    faults: tuple[dict[str, object], ...] = ()
    status: Status = Status.COMPLETED
    rented: int = 1
    code: str = ""
    # What happens to its machine while it trains, and what must be seen before it trains on.
    happens: tuple[dict[str, object], ...] = ()
    seen: str = ""


CASES = (
    Case("F16 garbage", (launch_fault("garbage"),)),
    Case("F18 listed late", (launch_fault("hide_from_list", seconds=2),)),
    Case("F21 two ids", (launch_fault("two_ids"),), rented=2),
    Case("F27 late address", (launch_fault("ip_late", seconds=1),)),
    Case("F27 another address", happens=({"kind": "ip_changes"},)),
    Case("F29 sshd is late", (launch_fault("ssh_refused", seconds=1),)),
    Case(
        "F30 another host key", (launch_fault("host_key_ignored"),), Status.FAILED, code="E_HOSTKEY"
    ),
    Case("F31 no GPU", (launch_fault("no_stand_in"), launch_fault("gpu_fails")), rented=2),
    Case(
        "F32 another GPU",
        (launch_fault("no_stand_in"), launch_fault("gpu_other", instance_type="gpu_8x_v100")),
        rented=2,
    ),
    Case("F33 no packages once", (launch_fault("install_fails", tries=1),)),
    Case("F33 no packages", (launch_fault("install_fails"),), rented=2),
    Case("F35 small disk", (launch_fault("disk_full", bytes=10**8),), Status.FAILED, code="E_DISK"),
    Case("F43 silence", happens=(signal("STOP", process="agent.py"),), rented=2),
    Case("F46 memory killer", happens=(signal("KILL"),), status=Status.FAILED, code="E_KILLED"),
    Case(
        "F46 GPU falls off the bus",
        happens=({"kind": "gpu_lost"}, signal("ABRT", kernel_says=XID)),
        rented=2,
    ),
    Case("F48 preempted", happens=({"kind": "preempted"},), rented=2),
    Case("F49 vanishes", happens=({"kind": "vanish"},), rented=2),
    Case("F50 unhealthy, at work", happens=({"kind": "unhealthy_later"},), seen="unhealthy"),
    # Its agent is gone with its processes: it falls silent.
    Case("F52 reboots", happens=({"kind": "reboot"},), rented=2),
)


def mark(deployment: Deployment) -> str:
    """Return what the names of all its machines hold, and no other's."""
    return f"-{deployment.pk.hex[:8]}-"


@dataclass
class Lives:
    """Many deployments of one user at one sandbox, driven by one loop."""

    life: Life
    stand_in: StandIn
    running: dict[str, Deployment] = field(default_factory=dict)

    def deploy(self, name: str, *, held: bool = False, steps: int = 3) -> Deployment:
        seed = len(self.running) + 1
        if held:
            self.stand_in.hold(seed).touch()
        self.running[name] = self.life.deploy(
            name=name,
            base_model=self.stand_in.base_model,
            hyperparameters={"seed": seed, "max_steps": steps},
        )
        return self.running[name]

    def let_go(self, name: str) -> None:
        self.stand_in.hold(list(self.running).index(name) + 1).unlink(missing_ok=True)

    def until_all(self, reached: Callable[[], bool]) -> None:
        """Work until it is so; the story of whatever is not over is told otherwise."""
        some = next(iter(self.running.values()))
        try:
            self.life.until(some, lambda _: reached(), seconds=PATIENCE_SECONDS)
        except AssertionError:
            raise AssertionError(self.stories()) from None

    def stories(self) -> str:
        told = []
        for name, deployment in self.running.items():
            deployment.refresh_from_db()
            lines = [f"{e.at:%H:%M:%S} {e.kind}: {e.message}" for e in deployment.events.all()]
            told.append("\n  ".join([f"{name}: {deployment.status}", *lines]))
        return "\n".join(told)

    def are_over(self) -> bool:
        return all(self.now(name).is_terminal for name in self.running)

    def are_all(self, status: Status) -> bool:
        return all(self.now(name).status == status for name in self.running)

    def now(self, name: str) -> Deployment:
        deployment = self.running[name]
        deployment.refresh_from_db()
        return deployment

    def living(self) -> list[str]:
        """Return the machines whose bill goes on; one that was preempted has ended as well."""
        return [row["name"] for row in self.life.ledger() if row["terminated_at"] is None]

    def bill(self, deployment: Deployment) -> list[dict[str, Any]]:
        """Return the cloud's bill for a deployment, whatever its rows say."""
        return [row for row in self.life.ledger() if mark(deployment) in row["name"]]


@pytest.fixture
def lives(tmp_path: Path, settings: Settings) -> Iterator[Lives]:
    stand_in = make_stand_in(tmp_path / "stand-in", adapter_bytes=ADAPTER_BYTES)
    settings.LOCAL_MODELS_DIR = stand_in.models_dir
    settings.ALLOW_CPU_MACHINES = True
    settings.LAMBDA_SSH_PORT = 2222
    settings.TIMING = replace(
        QUICK, silence_limit_seconds=10, ssh_limit_seconds=30, save_seconds=4, collect_seconds=6
    )
    with running_sandbox(tmp_path / "cloud", image_python=stand_in.python) as cloud:
        settings.LAMBDA_API_BASE_URL = cloud.base_url
        for region in ("us-east-1", "us-west-1"):
            free = {"instance_type": "gpu_1x_a10", "region": region, "free": 40}
            cloud.control("POST", "capacity", free)
        lift_caps()
        yield Lives(Life.begin(cloud), stand_in)


def test_each_fault_of_a_machine_ends_as_the_catalogue_says(lives: Lives) -> None:
    cloud = lives.life.cloud
    for case in CASES:
        deployment = lives.deploy(case.name, held=bool(case.happens))
        for row in case.faults:
            cloud.control("POST", "faults", {**row, "named": mark(deployment)})
    happening = {case.name: case for case in CASES if case.happens}

    lives.until_all(lambda: let_happen(lives, happening) and lives.are_over())

    found = {case.name: outcome(lives, case) for case in CASES}
    wanted = {case.name: (case.status, case.rented, case.code) for case in CASES}
    assert found == wanted, lives.stories()
    assert lives.living() == []
    for case in CASES:
        check_money_and_story(lives, lives.now(case.name))


def let_happen(lives: Lives, happening: dict[str, Case]) -> bool:
    """Let each case's event happen once it trains; True when all have."""
    for name, case in list(happening.items()):
        deployment = lives.now(name)
        if deployment.status != Status.TRAINING:
            continue
        # A case whose line or list was slow may be at its second machine already.
        machine = deployment.machines.order_by("-attempt")[0]
        if not case.seen or case.seen != machine.seen_status:
            for event in case.happens:
                path = f"machines/{machine.instance_id}/happen"
                lives.life.cloud.control("POST", path, event)
        if case.seen in ("", machine.seen_status):
            lives.let_go(name)
            del happening[name]
    return not happening


def outcome(lives: Lives, case: Case) -> tuple[str, int, str]:
    deployment = lives.now(case.name)
    return deployment.status, len(lives.bill(deployment)), (deployment.error or {}).get("code", "")


def check_money_and_story(lives: Lives, deployment: Deployment) -> None:
    check_story(deployment)
    bills = {row["machine_id"]: Decimal(row["cost_cents"]) / 100 for row in lives.bill(deployment)}
    for machine in deployment.machines.exclude(instance_id=""):
        assert machine.billed_usd is not None
        tolerated = bills[machine.instance_id] + machine.hourly_price * TOLERATED_SECONDS / 3600
        assert bills[machine.instance_id] <= machine.billed_usd <= tolerated, deployment.name
    if deployment.status == Status.COMPLETED:
        artifact = Artifact.objects.get(deployment=deployment)
        path = Path(django_settings.SLIPWAY_DATA_DIR) / artifact.path
        assert sha256_of(path) == artifact.sha256
    # I11: one agent on each machine, unless the machine itself went down under it.
    starts = deployment.events.filter(kind="agent_started").count()
    assert starts <= deployment.machines.count(), lives.stories()


def test_what_goes_wrong_with_the_account_and_the_line_changes_no_run(
    lives: Lives, settings: Settings
) -> None:
    settings.TIMING = replace(settings.TIMING, terminate_alarm_seconds=2)
    cloud = lives.life.cloud
    names = ("cut", "slow", "unanswered")
    for name in names:
        lives.deploy(name, held=True)
    # F39: of what is run on a machine, the start is the first that names it.
    unanswered = mark(lives.now("unanswered"))
    row = {"on": "exec", "kind": "exec_unanswered", "contains": unanswered, "named": unanswered}
    cloud.control("POST", "faults", row)
    lives.until_all(lambda: lives.are_all(Status.TRAINING))

    # F68: another account's list says nothing of our machines.
    cloud.control("POST", "faults", {"on": "list", "kind": "foreign_list", "times": 2})
    lives.until_all(lambda: used(cloud, "foreign_list") == 2)
    # F56: nothing is known while the key is refused, and it is told.
    cloud.control("POST", "faults", {"on": "*", "kind": "status", "status": 401, "times": None})
    lives.until_all(lambda: all(lives.now(name).attention for name in names))
    cloud.control("DELETE", "faults")
    lives.until_all(lambda: not any(lives.now(name).attention for name in names))
    assert lives.are_all(Status.TRAINING)
    # F72: what runs costs what it cost.
    price = {"instance_type": "gpu_1x_a10", "price_cents_per_hour": 999}
    cloud.control("POST", "prices", price)
    # F60: the adapter comes home over a line that breaks and over one that is slow; F67.
    bad = {"on": "ssh", "times": None, "named": mark(lives.now("cut"))}
    cloud.control("POST", "faults", {**bad, "kind": "ssh_cut", "bytes": CUT_BYTES})
    slow = {**bad, "named": mark(lives.now("slow")), "kind": "ssh_throttle"}
    cloud.control("POST", "faults", {**slow, "bytes_per_second": CUT_BYTES})
    cloud.control("POST", "faults", {"on": "terminate", "kind": "stuck_terminating", "seconds": 5})
    for name in names:
        lives.let_go(name)
    lives.until_all(lives.are_over)

    for name in names:
        deployment = lives.now(name)
        assert deployment.status == Status.COMPLETED, lives.stories()
        assert len(lives.bill(deployment)) == 1
        assert deployment.attention is None
        check_money_and_story(lives, deployment)
    assert used(cloud, "ssh_cut") > ADAPTER_BYTES // CUT_BYTES
    alarms = [d.events.filter(kind="attention").count() for d in map(lives.now, names)]
    # Each was out of reach once, and then cost more than agreed to whoever rents the next one; the
    # one that was stuck in terminating alarmed for that too.
    assert sorted(alarms)[-1] == 3, lives.stories()
    assert lives.living() == []


def used(cloud: SandboxHandle, kind: str) -> int:
    rows = cloud.control("GET", "faults")["faults"]
    return sum(row["used"] for row in rows if row["kind"] == kind)
