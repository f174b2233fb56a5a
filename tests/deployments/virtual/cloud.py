"""A cloud in memory: machines, a bill, and faults on demand, on a clock that a test moves."""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NoReturn

from deployments.providers.base import (
    Capabilities,
    Endpoint,
    Instance,
    InstanceStatus,
    Launched,
    LaunchRequest,
    LaunchResult,
    Offer,
    Pacer,
    Provider,
    ProviderAuthError,
    ProviderError,
    ProviderRateLimitedError,
    ProviderRefusedError,
    ProviderUnavailableError,
    RefusalReason,
    Refused,
    Unknown,
)
from tests.deployments.virtual.agent import Agent, Plan
from tests.deployments.virtual.clock import Clock

QUANTUM_SECONDS = 60


# What each cloud has at first, and how its instance ids begin.
PRICES = {
    "lambda": {("gpu_1x_a10", "us-east-1"): Decimal("1.29")},
    "runpod": {("A10 pod", "US-KS-2"): Decimal("1.19")},
}
IDS = {"lambda": "i", "runpod": "pod"}


class Killed(BaseException):
    """The process dies here; nothing of ours may catch it."""


@dataclass
class VirtualMachine:
    """One machine that was started, and what becomes of it."""

    clock: Clock
    instance_id: str
    name: str
    instance_type: str
    region: str
    hourly_price: Decimal
    ip: str
    host_key: str
    started_at: datetime
    active_from: datetime
    listed_from: datetime
    # May lie ahead: a machine that takes its time to end bills until then.
    ended_at: datetime | None = None
    end_asked_at: datetime | None = None
    shown_as: InstanceStatus | None = None
    # F72: what the catalogue asks now, where that is no longer what this machine costs.
    listed_price: Decimal | None = None
    files: dict[str, bytes] = field(default_factory=dict)
    agent: Agent | None = None

    def lives(self) -> bool:
        return self.ended_at is None or self.clock.now < self.ended_at

    def is_up(self) -> bool:
        return self.lives() and self.clock.now >= self.active_from

    def end(self, *, after: float = 0) -> None:
        """End after so many seconds; a machine that ends already keeps its time."""
        if self.ended_at is None:
            self.ended_at = self.clock.in_seconds(after)

    def bill(self, *, until: datetime | None = None) -> Decimal:
        """Return the cloud's own bill: begun minutes from the start to the end, or to ``until``."""
        ends = [moment for moment in (self.ended_at, until) if moment is not None]
        lived = max(min([self.clock.now, *ends]) - self.started_at, timedelta())
        quanta = -(-lived // timedelta(seconds=QUANTUM_SECONDS))
        return self.hourly_price * quanta * QUANTUM_SECONDS / 3600

    def as_instance(self) -> Instance:
        booting = self.clock.now < self.active_from
        status = self.shown_as or (InstanceStatus.BOOTING if booting else InstanceStatus.ACTIVE)
        if self.ended_at is not None:
            status = InstanceStatus.TERMINATING
        ip = None if booting else self.ip
        return Instance(
            self.instance_id,
            self.name,
            status,
            ip,
            self.region,
            self.instance_type,
            hourly_price_usd=self.listed_price or self.hourly_price,
        )


@dataclass(frozen=True)
class Listing:
    """One list that the cloud gave, truthful or not, and when it was asked for."""

    platform: str
    asked_at: datetime
    shown: tuple[Instance, ...]


@dataclass(frozen=True)
class Session:
    """One login: the host key we had pinned, and the one that the machine has."""

    name: str
    pinned: str
    shown: str


@dataclass(frozen=True)
class Outage:
    """A time in which every call of the account meets the same fault: "error" or "auth"."""

    begin: datetime
    end: datetime
    fault: str


class VirtualCloud:
    """The cloud's side: what there is, what it costs, and what goes wrong next.

    ``platform`` is under which name of PROVIDERS it is known.
    ``faults`` holds, for each kind of call (offers, launch, list, terminate, ssh, start,
    download), what the next calls meet; after these all is well. ``outages`` go before them.
    ``others`` are machines of the account that are not ours. ``keys_used``, ``listings`` and
    ``asked_to_end`` are what the cloud could testify to.
    """

    def __init__(self, clock: Clock, *, platform: str = "lambda") -> None:
        self.clock = clock
        self.platform = platform
        self.reset()

    def reset(self) -> None:
        """Begin anew: an empty account, and nothing goes wrong."""
        self.machines: list[VirtualMachine] = []
        self.others: list[VirtualMachine] = []
        self.outages: list[Outage] = []
        # I7: what may open the account: the owner's present key.
        self.keys: set[str] = set()
        self.keys_used: set[str] = set()
        self.listings: list[Listing] = []
        self.asked_to_end: list[str] = []
        self.private_keys: list[str] = []
        self.sessions: list[Session] = []
        self.faults: dict[str, deque[str]] = defaultdict(deque)
        self.calls: list[tuple[str, str]] = []
        self.troubles = 0
        self.prices = dict(PRICES[self.platform])
        self.plan = Plan()
        # What the next agents do, one after the other, before ``plan`` holds for all.
        self.plans: deque[Plan] = deque()
        self.boot_seconds: float = 30
        self.late_seconds: float = 100
        self.call_seconds: float = 0.5
        self.agents_started: list[str] = []

    def fail(self, kind: str, *faults: str) -> None:
        """Let the next calls of that kind meet these faults; "ok" is none."""
        self.faults[kind].extend(faults)

    def next_fault(self, kind: str) -> str:
        self.clock.advance(self.call_seconds)
        queued = self.faults[kind]
        fault = queued.popleft() if queued else "ok"
        if kind in OVER_HTTP and (outage := self._outage()):
            fault = outage
        self.calls.append((kind, fault))
        self.troubles += fault != "ok"
        return fault

    def _outage(self) -> str:
        now = self.clock.now
        return next((each.fault for each in self.outages if each.begin <= now < each.end), "")

    def shows(self) -> tuple[Instance, ...]:
        """Return the account's machines as a truthful list has them now."""
        listed = [m for m in self.live() if self.clock.now >= m.listed_from]
        return tuple(m.as_instance() for m in [*listed, *self.others])

    def note_session(self, machine: VirtualMachine, *, pinned: str) -> None:
        self.sessions.append(Session(machine.name, pinned, machine.host_key))

    def kill(self) -> NoReturn:
        raise Killed

    def live(self) -> list[VirtualMachine]:
        return [machine for machine in self.machines if machine.lives()]

    @property
    def each(self) -> "tuple[VirtualCloud, ...]":
        """Itself: one cloud is looked at as several are."""
        return (self,)

    def start(self, request: LaunchRequest, *, listed_after: float = 0) -> VirtualMachine:
        """Start a machine; it bills from now on."""
        number = len(self.machines) + 1
        machine = VirtualMachine(
            clock=self.clock,
            instance_id=f"{IDS[self.platform]}-{number}",
            name=request.name,
            instance_type=request.instance_type,
            region=request.region,
            hourly_price=self.prices[request.instance_type, request.region],
            ip=f"127.9.{list(IDS).index(self.platform)}.{number}",
            host_key=request.host_public_key or f"ssh-ed25519 own-{number}",
            started_at=self.clock.now,
            active_from=self.clock.in_seconds(self.boot_seconds),
            listed_from=self.clock.in_seconds(listed_after),
        )
        self.machines.append(machine)
        self.private_keys.append(request.host_private_key)
        return machine

    def provider_class(self) -> type[Provider]:
        """Return a provider whose every object speaks to this cloud."""
        cloud = self

        class Virtual(VirtualProvider):
            def __init__(self, *, api_key: str, endpoint: Endpoint, pacer: Pacer) -> None:
                super().__init__(api_key=api_key, endpoint=endpoint, pacer=pacer)
                self.cloud = cloud
                self.api_key = api_key

        return Virtual


class VirtualProvider(Provider):
    """The client's side, as deployments knows it."""

    cloud: VirtualCloud
    api_key: str
    capabilities = Capabilities(
        label="Virtual",
        billing_quantum_seconds=QUANTUM_SECONDS,
        injects_host_key=True,
        interruptible=False,
        console_url="https://cloud.example/instances",
    )

    @classmethod
    def default_endpoint(cls) -> Endpoint:
        return Endpoint("https://cloud.example/api", ssh_port=22, ssh_user="ubuntu")

    def offers(self) -> list[Offer]:
        fault = self._ask("offers")
        return [
            _offer(self.cloud.platform, instance_type, region, price)
            for (instance_type, region), price in self.cloud.prices.items()
            if fault != "sold_out"
        ]

    def launch(self, request: LaunchRequest) -> LaunchResult:
        self.cloud.keys_used.add(self.api_key)
        fault = self.cloud.next_fault("launch")
        if fault in REFUSALS:
            return REFUSALS[fault]()
        if fault == "killed_before":
            self.cloud.kill()
        if fault in ("failed", "error"):
            return Unknown("The cloud answered 502.")
        late = self.cloud.late_seconds if fault in ("late", "lost_late") else 0
        machine = self.cloud.start(request, listed_after=late)
        if fault == "wrong_type":
            machine.instance_type = "gpu_1x_other"
        if fault == "killed_after":
            self.cloud.kill()
        if fault in ("lost", "lost_late"):
            return Unknown("The answer was lost.")
        if fault == "double":
            return Launched(machine.instance_id, (self.cloud.start(request).instance_id,))
        return Launched(machine.instance_id)

    def find(self, name: str) -> Instance | None:
        return next((i for i in self.list_all() if i.name == name), None)

    def list_all(self) -> list[Instance]:
        asked_at = self.cloud.clock.now
        fault = self._ask("list")
        shown = self.cloud.shows()
        if fault in ("empty", "foreign"):
            shown = ()
        elif fault == "truncated":
            shown = shown[: len(shown) // 2]
        elif fault == "stale" and self.cloud.listings:
            shown = self.cloud.listings[-1].shown
        self.cloud.listings.append(Listing(self.cloud.platform, asked_at, shown))
        return [*shown, SOMEBODY_ELSES] if fault == "foreign" else list(shown)

    def get(self, instance_id: str) -> Instance | None:
        return next((i for i in self.list_all() if i.instance_id == instance_id), None)

    def terminate(self, instance_id: str) -> None:
        known = [*self.cloud.machines, *self.cloud.others]
        meant = [machine for machine in known if machine.instance_id == instance_id]
        for machine in meant:
            self.cloud.asked_to_end.append(machine.name)
            machine.end_asked_at = machine.end_asked_at or self.cloud.clock.now
        fault = self._ask("terminate")
        if fault == "lie":
            return
        if fault == "refused":
            raise ProviderRefusedError("Not now.", remedy="Ask the cloud.")
        for machine in meant:
            machine.end(after=STUCK_SECONDS if fault == "stuck" else 0)
        if fault == "killed_after":
            self.cloud.kill()
        if fault == "lost":
            raise ProviderUnavailableError("The answer was lost.")

    def ensure_ssh_key(self, public_key: str) -> str:
        return "slipway-key"

    def ssh_public_key(self, name: str) -> str:
        return "ssh-ed25519 theirs"

    def check_key(self) -> None:
        self._ask("check")

    def _ask(self, kind: str) -> str:
        self.cloud.keys_used.add(self.api_key)
        fault = self.cloud.next_fault(kind)
        if fault == "error":
            raise ProviderUnavailableError("The cloud does not answer.", remedy="Wait.")
        if fault == "auth":
            raise ProviderAuthError("The cloud refuses the key.", remedy="Make a new one.")
        if fault == "killed":
            self.cloud.kill()
        return fault


def _offer(platform: str, instance_type: str, region: str, price: Decimal) -> Offer:
    return Offer(
        platform=platform,
        instance_type=instance_type,
        region=region,
        region_description=region,
        description="1x A10 (24 GB)",
        gpu_name="A10",
        gpu_count=1,
        vram_gib=24,
        vcpus=30,
        memory_gib=200,
        storage_gib=1400,
        architecture="x86_64",
        hourly_price_usd=price,
        available=True,
    )


def _refused(error: ProviderError, reason: RefusalReason, wait: float | None = None) -> Refused:
    return Refused(error, reason, wait)


OVER_HTTP = frozenset({"offers", "launch", "list", "terminate", "check"})
# How long a machine that is stuck in "terminating" goes on billing.
STUCK_SECONDS = 400
SOMEBODY_ELSES = Instance(
    "i-other", "their-machine", InstanceStatus.ACTIVE, "127.8.0.1", "us-east-1", "gpu_1x_a10"
)
REFUSALS = {
    "capacity": lambda: _refused(ProviderRefusedError("Nothing is free."), "capacity"),
    "rate_limited": lambda: _refused(ProviderRateLimitedError("Too fast."), "rate_limited", 20),
    "unreachable": lambda: _refused(ProviderUnavailableError("No route."), "unreachable"),
    "auth": lambda: _refused(ProviderAuthError("The key is refused."), "auth"),
    "quota": lambda: _refused(ProviderRefusedError("The limit is reached."), "quota"),
    "invalid": lambda: _refused(ProviderRefusedError("No such region."), "invalid"),
}


def total(bills: Iterable[VirtualMachine]) -> Decimal:
    return sum((machine.bill() for machine in bills), Decimal(0))
