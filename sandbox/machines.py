"""One rented machine: what it is, the state it is in, its files, processes and SSH server."""

import asyncio
import random
import shutil
import signal
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, ClassVar

import asyncssh

from sandbox.catalogue import InstanceType
from sandbox.faults import FaultBook
from sandbox.image import MachineFiles, lose_gpu, note_in_kernel_log, write_image
from sandbox.ledger import LedgerEntry, iso
from sandbox.life_script import LifeScript
from sandbox.options import Settings
from sandbox.processes import end_processes, process_with, send_signal
from sandbox.sftp import Disk
from sandbox.ssh_server import Guest, SshServer

ADDRESS_TRIES = 100
# How often a machine is searched for a process that a fault waits for.
LOOK_SECONDS = 0.1


class Status(StrEnum):
    """The states of a machine; RunPod's phases are read from them (runpod/pod_json.py)."""

    BOOTING = "booting"
    ACTIVE = "active"
    UNHEALTHY = "unhealthy"
    PREEMPTED = "preempted"
    # Only pods can be: the container and its disk are gone, the order stands.
    STOPPED = "stopped"
    TERMINATING = "terminating"
    TERMINATED = "terminated"


@dataclass(frozen=True)
class Order:
    """What a launch asks for at any cloud, after every check has passed."""

    name: str | None
    instance_type: InstanceType
    region: str


@dataclass(frozen=True)
class Site:
    """What every machine of a sandbox stands on."""

    machines_dir: Path
    image_python: Path
    faults: FaultBook


class Machine(ABC):
    """A machine from its launch to its end. ``cloud`` moves its status; ``end`` leaves nothing.

    Each cloud has its own kind, with what only its machines have.
    """

    cloud: ClassVar[str]
    # A preempted one can be started again, so it is stopped; others end.
    stops_when_preempted: ClassVar[bool] = False

    def __init__(
        self,
        order: Order,
        *,
        site: Site,
        script: LifeScript,
        host_keys: Sequence[asyncssh.SSHKey],
        login_keys: Sequence[asyncssh.SSHKey],
    ) -> None:
        self.machine_id = self.new_id()
        self.order = order
        self.script = script
        self.status = Status.BOOTING
        self.has_vanished = False
        self.is_restarting = False
        self.boots = 0
        self.launched_at = time.time()
        self.terminated_at: float | None = None
        self.ip: str | None = None
        self.ssh_port: int | None = None
        self._site = site
        self._files = MachineFiles(site.machines_dir / self.machine_id[:12])
        self._host_keys = tuple(host_keys)
        self._login_keys = tuple(login_keys)
        self._disk = Disk(script.disk_bytes)
        self._socket: socket.socket | None = None
        self._ending: asyncio.Task[None] | None = None
        self._halting: asyncio.Task[None] | None = None
        self._ssh = self._new_ssh_server()
        self._write_image()

    @staticmethod
    @abstractmethod
    def new_id() -> str:
        """Return a new id as this cloud makes them."""

    @abstractmethod
    def bind_address(self) -> socket.socket:
        """Return a socket bound to a free address for SSH."""

    @abstractmethod
    def ledger_entry(self) -> LedgerEntry:
        """Return the rent as it is at the launch."""

    @abstractmethod
    def is_known(self, settings: Settings) -> bool:
        """Say whether a call by id still finds the machine."""

    @abstractmethod
    def is_shown(self, settings: Settings) -> bool:
        """Say whether the list shows the machine."""

    def guest(self) -> Guest:
        """Return what a login finds."""
        return Guest()

    @abstractmethod
    def address_taken(self) -> None:
        """Note that the machine has been placed."""

    @abstractmethod
    def became_active(self) -> None:
        """Note that the machine is up."""

    def is_live(self) -> bool:
        """Say whether the machine is still there and not on its way out."""
        return not self.has_vanished and self.status in (
            Status.BOOTING,
            Status.ACTIVE,
            Status.UNHEALTHY,
        )

    def rename(self, name: str) -> None:
        self.order = replace(self.order, name=name)

    def take_address(self) -> None:
        """Take a free address in 127/8 and hold its SSH port, which refuses until SSH starts."""
        self._socket = self.bind_address()

    def show_address(self) -> None:
        """Let the API show the address that the machine has."""
        if self._socket is not None:
            self.ip, self.ssh_port = self._socket.getsockname()

    def open_ssh(self) -> None:
        if self._socket is not None:
            self._ssh.start(self._socket)

    def change_address(self) -> None:
        """Move to another address; live connections end, the host key stays."""
        self._close_ssh()
        self.take_address()
        self.show_address()
        self.open_ssh()

    async def go_down(self) -> None:
        """End connections and processes, keep address and home, as a reboot does."""
        if self._socket is not None:
            address = self._socket.getsockname()
            self._close_ssh()
            self._socket = bind(address)
        await end_processes(self.machine_id)

    def halt(self) -> None:
        """Begin to end connections, processes and files, but keep the order."""
        self._close_ssh()
        self._socket = None
        self.ip = self.ssh_port = None
        self._halting = asyncio.create_task(self._clear())

    async def renew(self) -> None:
        """Write the image anew, once what was before has ended."""
        if self._halting is not None:
            await self._halting
        if not self.is_live():
            return
        self._ssh = self._new_ssh_server()
        self._write_image()

    def lose_gpu(self) -> None:
        lose_gpu(self._files)

    async def meet_signal(self, values: Mapping[str, Any]) -> None:
        """Wait for the process that a fault's values name and send it their signal."""
        number = signal.Signals[f"SIG{values['signal']}"]
        while (pid := process_with(self.machine_id, argument=values["process"])) is None:
            await asyncio.sleep(LOOK_SECONDS)
            if not self.is_live():
                return
        await asyncio.sleep(float(values["seconds"]))
        if self.is_live():
            if values["kernel_says"]:
                note_in_kernel_log(self._files, values["kernel_says"])
            send_signal(pid, number, machine_id=self.machine_id)

    def end(self) -> "asyncio.Task[None]":
        """Begin the end, once: connections, then every process, then the files."""
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())
        return self._ending

    async def _end(self) -> None:
        self._ssh.stop()
        if self._socket is not None:
            self._socket.close()
        await self._clear()

    async def _clear(self) -> None:
        await end_processes(self.machine_id)
        await asyncio.to_thread(shutil.rmtree, self._files.folder, ignore_errors=True)

    def _close_ssh(self) -> None:
        self._ssh.stop()
        if self._socket is not None:
            self._socket.close()
        self._ssh = self._new_ssh_server()

    def _new_ssh_server(self) -> SshServer:
        return SshServer(
            self.machine_id,
            self._files,
            name=self.order.name or "",
            cloud=self.cloud,
            host_keys=self._host_keys,
            login_keys=self._login_keys,
            faults=self._site.faults,
            disk=self._disk,
            guest=self.guest(),
        )

    def _write_image(self) -> None:
        write_image(
            self._files,
            instance_type=self.order.instance_type,
            image_python=self._site.image_python,
            script=self.script,
        )

    def as_truth(self, *, pids: list[int]) -> dict[str, object]:
        """Return what is true of the machine, whatever the API says of it."""
        return {
            "id": self.machine_id,
            "name": self.order.name,
            "cloud": self.cloud,
            "status": self.status,
            "has_vanished": self.has_vanished,
            "ip": self.ip,
            "ssh_port": self.ssh_port,
            "pids": pids,
            "home": str(self._files.home),
            "host_keys": [_public_line(key) for key in self._host_keys],
            "instance_type": self.order.instance_type.name,
            "region": self.order.region,
            "price_cents_per_hour": self.order.instance_type.price_cents_per_hour,
            "launched_at": iso(self.launched_at),
            "terminated_at": None if self.terminated_at is None else iso(self.terminated_at),
        }


def _public_line(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


def bind_free_address(port: int) -> socket.socket:
    """Bind a port of a random address of 127/8, never one that others use by habit (T21).

    Port 0 is any high one.
    """
    for _ in range(ADDRESS_TRIES):
        try:
            return bind((f"127.{_byte()}.{_byte()}.{_byte()}", port))
        except OSError:
            continue
    raise OSError(f"No free address in 127/8 after {ADDRESS_TRIES} tries.")


def bind(address: tuple[str, int]) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound


def _byte() -> int:
    return random.SystemRandom().randint(1, 254)
