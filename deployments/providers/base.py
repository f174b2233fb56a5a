"""The contract between Slipway and a cloud: what is asked, what may be answered.

Nothing here waits, loops or repeats: one call is at most a few requests, and who calls decides
whether to call again (D2, D3). Raw JSON never leaves a provider's module.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import ClassVar, Literal, Protocol

from core import errors
from deployments.providers.probes import Probes

RequestKind = Literal["launch", "terminate", "list", "other"]
RefusalReason = Literal[
    "capacity", "rate_limited", "unreachable", "auth", "quota", "invalid", "other"
]


class InstanceStatus(StrEnum):
    """The life of a machine in one vocabulary; every raw word of a cloud maps to one of these."""

    BOOTING = "booting"
    ACTIVE = "active"
    UNHEALTHY = "unhealthy"
    PREEMPTED = "preempted"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    # A word we do not know says nothing, least of all that a machine is gone.
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Endpoint:
    """Where a cloud's API answers and how its machines are logged in to.

    ``ssh_port`` holds where a machine does not tell its own. ``image`` and ``disk_gb`` are for
    clouds that let us choose them; "" and 0 leave the choice to the provider.
    """

    base_url: str
    ssh_port: int
    ssh_user: str
    read_timeout_seconds: float = 30
    launch_timeout_seconds: float = 30
    image: str = ""
    disk_gb: int = 0
    # Networks that are not public in which a user's own machine may be (T22).
    networks: tuple[IPv4Network | IPv6Network, ...] = ()


@dataclass(frozen=True)
class Capabilities:
    """What a cloud can do, and what a person needs to know of it."""

    label: str
    # Running time is billed in steps of this length.
    billing_quantum_seconds: int
    # Whether we can give a machine its SSH host key, and so know it before the first contact (T7).
    injects_host_key: bool
    # Whether the cloud may take a machine away while it is paid for.
    interruptible: bool
    # Where a person sees and ends machines by hand when we cannot (F14, F56).
    console_url: str = ""
    # Whether log-in keys are registered in the account; else each launch carries them.
    registers_ssh_keys: bool = True
    # Whether the cloud tells a machine's host keys on a way of its own (T7).
    tells_host_keys: bool = False
    # Whether the cloud says afterwards what a machine cost.
    tells_bills: bool = False
    # Whether its machines are the user's own: taken and let go of, never rented, ended or billed.
    is_own: bool = False


@dataclass(frozen=True)
class Offer:
    """One machine type in one region; ``region`` is "" when no region has one free.

    The price is US dollars per hour for the whole machine, before tax. ``vram_gib`` is that of
    one card; None when the cloud does not say.
    """

    platform: str
    instance_type: str
    region: str
    region_description: str
    description: str
    gpu_name: str
    gpu_count: int
    vram_gib: int | None
    vcpus: int
    memory_gib: int
    storage_gib: int
    architecture: str
    hourly_price_usd: Decimal
    available: bool


@dataclass(frozen=True)
class Instance:
    """A machine as the cloud shows it; ``ip`` may come late and may change (F27), as may the port.

    The price is that of an hour now, None where the cloud does not say. ``ssh_port`` None: the
    cloud's usual one.
    """

    instance_id: str
    name: str
    status: InstanceStatus
    ip: str | None
    region: str
    instance_type: str
    description: str = ""
    hourly_price_usd: Decimal | None = None
    ssh_port: int | None = None


@dataclass(frozen=True)
class Login:
    """How a machine is logged in to that knows its user's key and not ours.

    ``host_key`` is the OpenSSH line that its user has confirmed.
    """

    user: str
    private_key: str = field(repr=False)
    host_key: str


@dataclass(frozen=True)
class LaunchRequest:
    """Everything one launch needs. ``name`` is the idempotency key (D1).

    The host keys are OpenSSH texts for the machine itself, "" to let it make its own;
    ``login_public_key`` is ours, registered under ``ssh_key_name`` where the cloud does that;
    ``authorized_keys`` are public keys to let in besides it (T19).
    """

    name: str
    instance_type: str
    region: str
    ssh_key_name: str
    # A private key must not reach a log by way of a traceback (I17).
    host_private_key: str = field(repr=False)
    host_public_key: str
    login_public_key: str = ""
    authorized_keys: tuple[str, ...] = ()


class ProviderError(errors.ProviderError):
    """A cloud refused, failed, or could not be reached.

    ``retryable``: whether the same request may succeed later without anybody changing anything.
    """

    retryable: bool = False

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        code: str | None = None,
        details: Sequence[object] | None = None,
        retryable: bool | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, code=code, details=details)
        if retryable is not None:
            self.retryable = retryable


class ProviderAuthError(ProviderError):
    """The cloud does not accept the key, or not for this (401, 403)."""

    code = "E_AUTH"


class ProviderUnavailableError(ProviderError):
    """No answer, a failure at the cloud, or an answer that cannot be read: nothing is known."""

    code = "E_PROVIDER_UNREACHABLE"
    retryable = True


class ProviderRateLimitedError(ProviderError):
    """The cloud says we ask too often (429)."""

    code = "E_RATE_LIMITED_BY_PROVIDER"
    retryable = True

    def __init__(
        self,
        message: str,
        *,
        remedy: str = "",
        details: Sequence[object] | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message, remedy=remedy, details=details)
        self.retry_after_seconds = retry_after_seconds


class ProviderBusyError(ProviderError):
    """Our own pace has no room for this request now; the cloud was not asked (D9)."""

    code = "E_PROVIDER_BUSY"
    retryable = True

    def __init__(self, message: str, *, retry_after_seconds: float) -> None:
        super().__init__(message, remedy="Nothing to do: we ask again in a moment.")
        self.retry_after_seconds = retry_after_seconds


class ProviderRefusedError(ProviderError):
    """The cloud understood and said no; its own code is in ``details``."""

    code = "E_PROVIDER"


@dataclass(frozen=True)
class Launched:
    """The cloud accepted the launch. More than one id is a mistake of the cloud's (F21)."""

    instance_id: str
    extra_instance_ids: tuple[str, ...] = ()


@dataclass(frozen=True)
class Refused:
    """Nothing was started, for certain."""

    error: ProviderError
    reason: RefusalReason
    retry_after_seconds: float | None = None


@dataclass(frozen=True)
class Unknown:
    """A machine may or may not have been started; only the list can tell (D2)."""

    detail: str


LaunchResult = Launched | Refused | Unknown


class Pacer(Protocol):
    """Keeps one pace per key across processes (D9)."""

    def wait(self, kind: RequestKind) -> None:
        """Return when a request of this kind may go out; raises ProviderBusyError if not soon."""


class Provider(ABC):
    """One cloud under one key.

    Every method but ``launch`` raises ProviderError when the cloud does not give a good answer;
    an error is absence of knowledge, never the knowledge that something is absent (I13).
    """

    capabilities: ClassVar[Capabilities]

    def __init__(self, *, api_key: str, endpoint: Endpoint, pacer: Pacer) -> None:
        self._endpoint = endpoint
        self._pacer = pacer

    @classmethod
    @abstractmethod
    def default_endpoint(cls) -> Endpoint:
        """Return the vendor's own address, port and user."""

    @classmethod
    def probes(cls, *, api_key: str, endpoint: Endpoint, pacer: Pacer) -> Probes | None:
        """Return raw questions for ``prove_cloud``; None where a cloud's have not been written."""
        return None

    @abstractmethod
    def offers(self) -> list[Offer]:
        """Return what can be rented now, one entry per type and region."""

    @abstractmethod
    def launch(self, request: LaunchRequest) -> LaunchResult:
        """Ask once for one machine; a cloud that says no, or nothing, is a result and no error."""

    def find(self, name: str) -> Instance | None:
        """Return the machine of that name from a fresh list, or None when it is not listed.

        Names need not be unique at a cloud: one that still lives is the one that matters.
        """
        found = [instance for instance in self.list_all() if instance.name == name]
        found.sort(key=lambda instance: instance.status == InstanceStatus.TERMINATED)
        return found[0] if found else None

    @abstractmethod
    def list_all(self) -> list[Instance]:
        """Return every machine of the account; never a part of it."""

    @abstractmethod
    def get(self, instance_id: str) -> Instance | None:
        """Return one machine; None says that the cloud does not know the id, which is no proof."""

    @abstractmethod
    def terminate(self, instance_id: str) -> None:
        """Ask to end a machine; harmless when repeated. Returning is no proof that it ended."""

    @abstractmethod
    def ensure_ssh_key(self, public_key: str) -> str:
        """Register a public key unless it is there; return the name it is registered under.

        "" where the cloud registers none: the launch then carries the key itself.
        """

    @abstractmethod
    def ssh_public_key(self, name: str) -> str:
        """Return the public key registered under a name; raises when there is none."""

    def login(self) -> Login | None:
        """Return how its machines are logged in to; None: with our key, as the endpoint's user."""
        return None

    def account_marker(self, public_key: str) -> str:
        """Return what tells this account from others; "" where the cloud tells nothing (F68).

        ``public_key`` is one that is registered there under an id of the account's own.
        """
        return ""

    def host_key_fingerprints(self, instance_id: str) -> frozenset[str]:
        """Return what the cloud tells of a machine's SSH host keys, as "SHA256:..." (T7).

        Empty: it tells nothing, or nothing yet.
        """
        return frozenset()

    def billed_usd(self, instance_id: str, *, since: datetime) -> Decimal | None:
        """Return what the cloud says a machine has cost in all; None where it says nothing yet.

        ``since`` is when the machine was asked for.
        """
        return None

    def balance_usd(self) -> Decimal | None:
        """Return the account's credit; None where the cloud does not tell. Never raises."""
        return None

    @abstractmethod
    def check_key(self) -> None:
        """Ask one cheap question to see whether the cloud accepts the key (F4)."""
