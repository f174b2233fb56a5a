"""A pod: a container with its own SSH at an address and a high port, logged in to as root.

What its image does at the start, and prints, is what RunPod's own images do (runpod-api.md
section 5 and repository runpod/containers, container-template/start.sh).
"""

import random
import secrets
import socket
import string
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

import asyncssh

from sandbox.ledger import LedgerEntry
from sandbox.life_script import LifeScript
from sandbox.machines import Machine, Order, Site, Status, bind, bind_free_address
from sandbox.options import Settings
from sandbox.runpod.catalogue import Spot
from sandbox.runpod.image import ENVIRONMENT_PATH, environment_file, write_root_image
from sandbox.runpod.pod_log import PodLog
from sandbox.ssh_server import Guest

ID_LENGTH = 14
ID_LETTERS = string.ascii_lowercase + string.digits
HOST_KEY_KINDS = (("ecdsa-sha2-nistp256", "ECDSA"), ("ssh-ed25519", "ED25519"))
SSH_PRIVATE_PORT = 22


@dataclass(frozen=True)
class PodOrder(Order):
    """What a create asks for, at the place that was found for it."""

    name: str
    spot: Spot
    image: str = ""
    args: str = ""
    entrypoint: tuple[str, ...] = ()
    cmd: tuple[str, ...] = ()
    disk_gb: int = 20
    volume_gb: int = 0
    volume_path: str = ""
    network_volume: Mapping[str, str] | None = None
    ports: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    registry: str | None = None
    template: str | None = None
    is_interruptible: bool = False
    # Told only to the scheduler of v2; kept so that a test can look at what was asked for.
    min_cuda_version: str = ""

    @property
    def has_ssh_port(self) -> bool:
        return f"{SSH_PRIVATE_PORT}/tcp" in self.ports

    def login_keys(self) -> tuple[asyncssh.SSHKey, ...]:
        """Return the keys of PUBLIC_KEY, one a line; what is no key is passed over as by sshd."""
        keys = []
        for line in self.env.get("PUBLIC_KEY", "").splitlines():
            try:
                keys.append(asyncssh.import_public_key(line))
            except asyncssh.KeyImportError:
                continue
        return tuple(keys)


@dataclass(frozen=True)
class Run:
    """A container that runs, or ran: for how long, and where its SSH is, once that shows."""

    uptime_seconds: int
    ip: str | None
    ssh_port: int | None


class Pod(Machine):
    """One pod."""

    cloud: ClassVar[str] = "runpod"
    stops_when_preempted: ClassVar[bool] = True
    order: PodOrder

    def __init__(self, order: PodOrder, *, site: Site, script: LifeScript) -> None:
        self.log = PodLog()
        self.started_at: float | None = None
        # What ran before it was stopped; GraphQL goes on showing it.
        self.last_run: Run | None = None
        self.changed_at = time.time()
        self.change_text = "Rented by User"
        self.is_locked = False
        # A host has been found; from then on the image is pulled.
        self.is_placed = False
        # Shown on after a terminate that was answered: the vendor's lie of section 6.
        self.outlives_terminate = False
        self._kept_ip: str | None = None
        self._old_address: tuple[str | None, int | None] | None = None
        self.proxy_suffix = secrets.token_hex(4)
        self.pod_key = secrets.token_urlsafe(24)
        super().__init__(
            order,
            site=site,
            script=script,
            host_keys=[asyncssh.generate_private_key(kind) for kind, _ in HOST_KEY_KINDS],
            login_keys=order.login_keys() if order.has_ssh_port else (),
        )

    @staticmethod
    def new_id() -> str:
        return "".join(random.SystemRandom().choice(ID_LETTERS) for _ in range(ID_LENGTH))

    def bind_address(self) -> socket.socket:
        """Return a socket on a new port, of the address that the pod has had on Secure Cloud."""
        if self._kept_ip is not None and not self._is_community:
            return bind((self._kept_ip, 0))
        return bind_free_address(0)

    def show_address(self) -> None:
        super().show_address()
        self._kept_ip = self.ip
        if self.script.has("stale_port") and self._old_address is not None:
            (self.ip, self.ssh_port), self._old_address = self._old_address, None

    def guest(self) -> Guest:
        path = environment_file(self._files)
        return Guest(user="root", paths={ENVIRONMENT_PATH: str(path)})

    def open_ssh(self) -> None:
        """Start SSH, as the image does when it was given a key."""
        if self.order.env.get("PUBLIC_KEY"):
            super().open_ssh()

    async def go_down(self) -> None:
        """Reset the container: processes and connections end, the public port is another."""
        self.started_at = None
        self._old_address = self.ip, self.ssh_port
        await super().go_down()
        self._move()

    def address_taken(self) -> None:
        self.is_placed = True
        self._write_environment()
        self.log.add("system", f"create container {self.order.image}", "pulling image")

    def became_active(self) -> None:
        self.started_at = time.time()
        self._write_environment()
        self.log.add("system", "start container")
        self.log.add("container", "Starting Nginx service...", "Pod Started")
        if self.order.env.get("PUBLIC_KEY"):
            self.log.add("container", "Setting up SSH...", *self._fingerprint_lines())
        self.log.add(
            "container",
            "Exporting environment variables...",
            "Start script(s) finished, Pod is ready to use.",
        )

    def halt(self) -> None:
        self.last_run = self.run()
        self._old_address = self.ip, self.ssh_port
        self.started_at = None
        self.log.add("system", "stop container", "remove container")
        super().halt()

    def run(self) -> Run | None:
        """Return what runs now."""
        if self.started_at is None:
            return None
        return Run(int(time.time() - self.started_at), self.ip, self.ssh_port)

    def note_change(self, text: str) -> None:
        """Write down what happened last, in the words of GraphQL's ``lastStatusChange``."""
        self.change_text, self.changed_at = text, time.time()

    def edit(self, **changes: object) -> None:
        self.order = replace(self.order, **changes)  # type: ignore[arg-type]  # checked before

    def ledger_entry(self) -> LedgerEntry:
        return LedgerEntry(
            machine_id=self.machine_id,
            name=self.order.name,
            instance_type=self.order.instance_type.name,
            region=self.order.region,
            price_cents_per_hour=self.order.instance_type.price_cents_per_hour,
            launched_at=self.launched_at,
            quantum_seconds=1,
            cloud=self.cloud,
            disk_gb=self.order.disk_gb,
            volume_gb=self.order.volume_gb,
        )

    def is_known(self, settings: Settings) -> bool:
        is_ending = self.status in (Status.TERMINATING, Status.TERMINATED)
        lingers = self.outlives_terminate and self.status is Status.TERMINATING
        return not self.has_vanished and (lingers or not is_ending)

    def is_shown(self, settings: Settings) -> bool:
        is_hidden = time.time() - self.launched_at < self.script.hidden_for_seconds
        return self.is_known(settings) and not is_hidden

    def as_truth(self, *, pids: list[int]) -> dict[str, object]:
        return {
            **super().as_truth(pids=pids),
            "tier": self.order.spot.tier,
            "image": self.order.image,
            "gpu_count": self.order.instance_type.gpus,
            "disk_gb": self.order.disk_gb,
            "min_cuda_version": self.order.min_cuda_version,
            "pod_key": self.pod_key,
        }

    @property
    def _is_community(self) -> bool:
        return self.order.spot.tier.value == "COMMUNITY"

    def _move(self) -> None:
        """Take another port, which refuses until SSH starts, and let the API show it."""
        if self._socket is not None:
            self._socket.close()
        self.take_address()
        self._write_environment()
        self.show_address()

    def _fingerprint_lines(self) -> list[str]:
        """Return what start.sh and ssh-keygen -lf print of each host key."""
        if self.script.has("log_without_host_keys"):
            return []
        told = []
        shown = ["SSH host keys:"]
        for key, (_, name) in zip(self._host_keys, HOST_KEY_KINDS, strict=True):
            line = f"256 {key.get_fingerprint()} root@{self.machine_id} ({name})"
            told += [f"{name} key fingerprint:", line]
            shown += [f"Key: /etc/ssh/ssh_host_{name.lower()}_key.pub", line]
        return [*told, *shown]

    def _write_image(self) -> None:
        super()._write_image()
        write_root_image(self._files)

    def _write_environment(self) -> None:
        """Write what the start script leaves in /etc/rp_environment: all but PUBLIC_KEY."""
        address = self._socket.getsockname() if self._socket else ("", 0)
        variables = {
            **{name: value for name, value in self.order.env.items() if name != "PUBLIC_KEY"},
            "RUNPOD_POD_ID": self.machine_id,
            "RUNPOD_POD_HOSTNAME": f"{self.machine_id}-{self.proxy_suffix}",
            "RUNPOD_DC_ID": self.order.region,
            "RUNPOD_GPU_COUNT": str(self.order.instance_type.gpus),
            "RUNPOD_CPU_COUNT": str(self.order.instance_type.vcpus),
            "RUNPOD_PUBLIC_IP": address[0],
            "RUNPOD_TCP_PORT_22": str(address[1]),
            "RUNPOD_API_KEY": self.pod_key,
        }
        lines = [f'export {name}="{value}"\n' for name, value in variables.items()]
        environment_file(self._files).write_text("".join(lines), encoding="utf-8")
