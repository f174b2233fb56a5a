"""One rented machine: what it is, the state it is in, its files, processes and SSH server."""

import asyncio
import random
import secrets
import shutil
import signal
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

import asyncssh

from sandbox.catalogue import InstanceType
from sandbox.faults import FaultBook
from sandbox.file_systems import FileSystem
from sandbox.image import MachineFiles, lose_gpu, note_in_kernel_log, write_image
from sandbox.ledger import iso
from sandbox.life_script import LifeScript
from sandbox.processes import end_processes, process_with, send_signal
from sandbox.sftp import Disk
from sandbox.ssh_server import SSH_PORT, SshServer
from sandbox.user_data import read_user_data

ADDRESS_TRIES = 100
# How often a machine is searched for a process that a fault waits for.
LOOK_SECONDS = 0.1


class Status(StrEnum):
    """The states of an instance, in Lambda's words."""

    BOOTING = "booting"
    ACTIVE = "active"
    UNHEALTHY = "unhealthy"
    PREEMPTED = "preempted"
    TERMINATING = "terminating"
    TERMINATED = "terminated"


@dataclass(frozen=True)
class Mount:
    """A file system and where the machine has it."""

    file_system: FileSystem
    mount_point: str


@dataclass(frozen=True)
class Order:
    """What a launch asks for, after every check has passed."""

    name: str | None
    instance_type: InstanceType
    region: str
    ssh_key_name: str
    login_key: asyncssh.SSHKey
    hostname: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    user_data: str = ""
    mounts: tuple[Mount, ...] = ()
    firewall_ruleset_ids: tuple[str, ...] = ()


class Machine:
    """A machine from its launch to its end. ``cloud`` moves its status; ``end`` leaves nothing."""

    def __init__(
        self,
        order: Order,
        *,
        machines_dir: Path,
        image_python: Path,
        script: LifeScript,
        faults: FaultBook,
    ) -> None:
        self.machine_id = secrets.token_hex(16)
        self.order = order
        self.script = script
        self.status = Status.BOOTING
        self.has_vanished = False
        self.is_restarting = False
        self.launched_at = time.time()
        self.terminated_at: float | None = None
        self.ip: str | None = None
        self.private_ip: str | None = None
        self.jupyter_token: str | None = None
        self._files = MachineFiles(machines_dir / self.machine_id[:12])
        self._user_data = read_user_data(order.user_data)
        injected = () if script.has("host_key_ignored") else self._user_data.host_keys
        self._host_keys = injected or (asyncssh.generate_private_key("ssh-ed25519"),)
        self._faults = faults
        self._disk = Disk(script.disk_bytes)
        self._ssh = self._new_ssh_server()
        self._socket: socket.socket | None = None
        self._ending: asyncio.Task[None] | None = None
        write_image(
            self._files,
            instance_type=order.instance_type,
            image_python=image_python,
            script=script,
        )

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
        self._socket = _bind_free_address()

    def show_address(self) -> None:
        """Let the API show the address that the machine has."""
        if self._socket is not None:
            self.ip = self._socket.getsockname()[0]
            self.private_ip = f"10.{self.ip.removeprefix('127.')}"

    def open_ssh(self) -> None:
        """Start SSH, unless the user data gave sshd a host key that it cannot load."""
        if self._socket is None or self._user_data.breaks_sshd:
            return
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
            self._socket = _bind(address)
        await end_processes(self.machine_id)

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
            host_keys=self._host_keys,
            login_keys=(self.order.login_key, *self._user_data.login_keys),
            faults=self._faults,
            disk=self._disk,
        )

    def as_truth(self, *, pids: list[int]) -> dict[str, object]:
        """Return what is true of the machine, whatever the API says of it."""
        return {
            "id": self.machine_id,
            "name": self.order.name,
            "status": self.status,
            "has_vanished": self.has_vanished,
            "ip": self.ip,
            "ssh_port": SSH_PORT,
            "pids": pids,
            "home": str(self._files.home),
            "host_keys": [_public_line(key) for key in self._host_keys],
            "user_data_problem": self._user_data.problem,
            "instance_type": self.order.instance_type.name,
            "region": self.order.region,
            "price_cents_per_hour": self.order.instance_type.price_cents_per_hour,
            "tags": [{"key": key, "value": value} for key, value in self.order.tags],
            "launched_at": iso(self.launched_at),
            "terminated_at": None if self.terminated_at is None else iso(self.terminated_at),
        }


def _public_line(key: asyncssh.SSHKey) -> str:
    return key.export_public_key().decode().strip()


def _bind_free_address() -> socket.socket:
    """Bind the SSH port of a random address of 127/8, never one that others use by habit (T21)."""
    for _ in range(ADDRESS_TRIES):
        try:
            return _bind((f"127.{_byte()}.{_byte()}.{_byte()}", SSH_PORT))
        except OSError:
            continue
    raise OSError(f"No free address in 127/8 after {ADDRESS_TRIES} tries.")


def _bind(address: tuple[str, int]) -> socket.socket:
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
