"""A machine that its user already has, reached over SSH: taken for one run, let go of afterwards.

It is an account of one machine. What is "launched" is the taking of its lock (ssh_host_side.py),
what is "listed" is who has it, and "terminating" it ends a run's processes and removes its folder.
The machine itself is never switched off, and nobody but its owner bills for it.
"""

import json
import re
import shlex
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from ipaddress import IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Any

from core.outbound import Rules, UnansweredError, addresses_of
from deployments.providers import ssh_host_sealed
from deployments.providers.base import (
    Capabilities,
    Endpoint,
    Instance,
    InstanceStatus,
    Launched,
    LaunchRequest,
    LaunchResult,
    Login,
    Offer,
    Pacer,
    Provider,
    ProviderAuthError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
    RefusalReason,
    RequestKind,
    Unknown,
)
from deployments.providers.launch_results import reason_not_sent, refused
from deployments.providers.ssh_host_sealed import Host
from deployments.remote import (
    HostKeyMismatchError,
    Limits,
    Remote,
    RemoteError,
    Result,
    SshAuthError,
    SshTarget,
    connect,
    fingerprint_of,
    shown_host_key,
)

Networks = tuple[IPv4Network | IPv6Network, ...]

LABEL = "Own machine"
REGION = "own"
_PROGRAM = Path(__file__).with_name("ssh_host_side.py")
# Together with the run of the program well within the time that a task has.
_LIMITS = Limits(
    connect_seconds=5,
    banner_seconds=5,
    auth_seconds=5,
    channel_seconds=5,
    kill_seconds=1,
    grace_seconds=2,
)
RESOLVE_SECONDS = 3.0
RUN_SECONDS = 14.0
MIB_PER_GIB = 1024
_RUN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


class SshHost(Provider):
    """One machine of the user's own; the "key" is what the vault keeps of it."""

    capabilities = Capabilities(
        label=LABEL,
        billing_quantum_seconds=1,
        injects_host_key=False,
        interruptible=False,
        registers_ssh_keys=False,
        is_own=True,
    )

    def __init__(self, *, api_key: str, endpoint: Endpoint, pacer: Pacer) -> None:
        super().__init__(api_key=api_key, endpoint=endpoint, pacer=pacer)
        self._host = ssh_host_sealed.read(api_key)

    @classmethod
    def default_endpoint(cls) -> Endpoint:
        return Endpoint("", ssh_port=22, ssh_user="root")

    def login(self) -> Login:
        return Login(self._host.user, self._host.private_key, self._host.host_key)

    def offers(self) -> list[Offer]:
        found = self._ask("look", kind="other")
        gpus = _gpus(found)
        if not gpus:
            raise ProviderRefusedError(
                f"{self._host.where} shows no NVIDIA GPU: nvidia-smi lists none.",
                remedy="Install NVIDIA's driver there, and see that nvidia-smi runs for its user.",
                code="E_NO_GPU",
            )
        name, memory_mib = gpus[0]
        is_free = not found["held"]
        return [
            Offer(
                platform="ssh",
                instance_type=self._host.name,
                region=REGION if is_free else "",
                region_description=self._host.address if is_free else "",
                description=f"{self._host.name}: {len(gpus)}x {name}",
                gpu_name=name,
                gpu_count=len(gpus),
                vram_gib=round(memory_mib / MIB_PER_GIB),
                vcpus=_whole(found.get("cpus")),
                memory_gib=_whole(found.get("memory_gib")),
                storage_gib=_whole(found.get("disk_gib")),
                architecture=_architecture(str(found.get("architecture"))),
                hourly_price_usd=self._host.hourly_price_usd,
                available=is_free,
            )
        ]

    def launch(self, request: LaunchRequest) -> LaunchResult:
        if (request.instance_type, request.region) != (self._host.name, REGION):
            error = ProviderRefusedError(
                f"{self._host.where} is not {request.instance_type} in {request.region}.",
                remedy="Choose one of those on offer.",
            )
            return refused(error, "invalid")
        try:
            self._pacer.wait("launch")
            with self._connected() as remote:
                result = _run(remote, "take", request.name)
        except ProviderError as error:
            # Nothing is taken before somebody is logged in.
            return refused(error, _reason(error))
        except RemoteError as error:
            return Unknown(error.message)
        try:
            held = _answer(result)["held"]
        except ProviderUnavailableError as error:
            return Unknown(error.message)
        if held != request.name:
            return refused(self._is_taken(held), "capacity")
        return Launched(request.name)

    def list_all(self) -> list[Instance]:
        held = self._ask("who", kind="list")["held"]
        return [self._instance(held)] if held else []

    def get(self, instance_id: str) -> Instance | None:
        return self.find(instance_id)

    def terminate(self, instance_id: str) -> None:
        """End a run's processes, remove its folder and let the machine go; it stays on."""
        if not _RUN_NAME.fullmatch(instance_id):
            raise ProviderRefusedError(f"No run on {self._host.where} can have that name.")
        if self._ask("release", instance_id, kind="terminate").get("left"):
            raise ProviderUnavailableError(
                f"Processes of {instance_id} on {self._host.where} do not end.",
                remedy="We try again. If it lasts, restart the machine.",
            )

    def ensure_ssh_key(self, public_key: str) -> str:
        return ""

    def ssh_public_key(self, name: str) -> str:
        raise ProviderRefusedError(
            f"{self._host.where} is your own: no key named {name} is added to it.",
            remedy="Leave ssh_key_name empty; you can log in as ever.",
            code="E_SSH_KEY",
        )

    def check_key(self) -> None:
        self.offers()

    def _ask(self, *words: str, kind: RequestKind) -> dict[str, Any]:
        self._pacer.wait(kind)
        try:
            with self._connected() as remote:
                return _answer(_run(remote, *words))
        except RemoteError as error:
            raise self._unreachable() from error

    @contextmanager
    def _connected(self) -> Iterator[Remote]:
        """Log in; whatever keeps us out is an error of this host's, told by its name."""
        host = self._host
        target = SshTarget(
            host=address_of(host, networks=self._endpoint.networks),
            port=host.port,
            user=host.user,
            private_key=host.private_key,
            host_key=host.host_key,
        )
        with ExitStack() as stack:
            yield self._logged_in(stack, target)

    def _logged_in(self, stack: ExitStack, target: SshTarget) -> Remote:
        host = self._host
        try:
            return stack.enter_context(connect(target, limits=_LIMITS))
        except HostKeyMismatchError as error:
            raise self._another_host_key(target) from error
        except SshAuthError as error:
            raise ProviderAuthError(
                f"{host.where} refuses the private key.",
                remedy=f"Add its public half to {host.user}'s authorized_keys there, or give "
                "another key.",
            ) from error
        except RemoteError as error:
            raise self._unreachable() from error

    def _another_host_key(self, target: SshTarget) -> ProviderRefusedError:
        shown = "another one"
        with suppress(RemoteError):
            shown = fingerprint_of(shown_host_key(target.host, target.port, limits=_LIMITS))
        return ProviderRefusedError(
            f"{self._host.where} shows another SSH host key than the one you confirmed: {shown}, "
            f"not {fingerprint_of(self._host.host_key)}. Nothing was sent to it.",
            remedy="If you have installed it anew, replace the machine in the vault and confirm "
            "its new key; else treat it as an attack.",
            code="E_HOSTKEY",
        )

    def _unreachable(self) -> ProviderUnavailableError:
        return ProviderUnavailableError(
            f"{self._host.where} does not answer over SSH.",
            remedy="See that it is switched on, has python3, and that this server can reach its "
            "port. Nothing of it bills.",
        )

    def _is_taken(self, held: str) -> ProviderRefusedError:
        return ProviderRefusedError(
            f"{self._host.where} is taken by {held}: one run at a time.",
            remedy="Wait for that run's end, or choose another machine.",
            code="E_CAPACITY",
            retryable=True,
        )

    def _instance(self, name: str) -> Instance:
        host = self._host
        return Instance(
            instance_id=name,
            name=name,
            status=InstanceStatus.ACTIVE,
            ip=address_of(host, networks=self._endpoint.networks),
            region=REGION,
            instance_type=host.name,
            description=host.where,
            hourly_price_usd=host.hourly_price_usd,
            ssh_port=host.port,
        )


def address_of(host: Host, *, networks: Networks) -> str:
    """Return the IP address to connect to: a public one, or one of ``networks`` (T22).

    Names are asked anew each time.
    Raises: ProviderRefusedError for an address that may not be asked; ProviderUnavailableError for
    a name that leads nowhere now.
    """
    try:
        found = addresses_of(host.address, host.port, RESOLVE_SECONDS)
    except (UnansweredError, TimeoutError) as error:
        raise ProviderUnavailableError(
            f"The name {host.address} of your machine {host.name} does not resolve now.",
            remedy="Check the name, or give the machine's IP address.",
        ) from error
    rules = Rules(networks=networks)
    for text in found:
        # What stands behind a % names an interface of this server.
        if not rules.allow(ip_address(text.partition("%")[0])):
            raise ProviderRefusedError(
                f"{host.address} leads to {text}, which is no public address.",
                remedy="Give an address at which your machine is reached from the internet, or ask "
                "the operator to add its network to SSH_NETWORKS.",
                code="E_HOST_ADDRESS",
            )
    return found[0]


def _reason(error: ProviderError) -> RefusalReason:
    """Return why nothing was taken: one that is switched off may be on again in a moment."""
    reason = reason_not_sent(error)
    return "unreachable" if reason == "other" and error.retryable else reason


def _run(remote: Remote, *words: str) -> Result:
    program = _PROGRAM.read_bytes()
    command = shlex.join(["python3", "-", *words])
    return remote.run(command, timeout_seconds=RUN_SECONDS, stdin=program)


def _answer(result: Result) -> dict[str, Any]:
    """Return what the program told; anything else tells nothing (I13)."""
    try:
        answer = json.loads(result.stdout) if result.exit_status == 0 else None
    except ValueError:
        answer = None
    held = answer.get("held") if isinstance(answer, dict) else None
    if not isinstance(answer, dict) or not isinstance(held, str):
        raise ProviderUnavailableError(
            "Your machine gave no answer that can be read: "
            f"{(result.stderr or result.stdout).strip()[-300:] or 'it said nothing'}.",
            remedy="It needs python3 (3.9 or newer) and a login shell that prints nothing.",
        )
    if held and not _RUN_NAME.fullmatch(held):
        raise ProviderUnavailableError(
            "Your machine is taken by something that has no name of a run.",
            remedy="Look at slipway/.taken in its login home; remove the file if nothing runs.",
        )
    return answer


def _gpus(found: dict[str, Any]) -> list[tuple[str, int]]:
    listed = found.get("gpus")
    return [
        (str(each["name"])[:100], int(each["memory_mib"]))
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict) and each.get("name") and isinstance(each.get("memory_mib"), int)
    ]


def _whole(value: object) -> int:
    return value if isinstance(value, int) and 0 <= value < 10**6 else 0


def _architecture(name: str) -> str:
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(name.lower(), name.lower())[:20]
