"""An instance at Lambda: port 2222 of an address of its own, keys by name and by user data."""

import secrets
import socket
import time
from dataclasses import dataclass
from typing import ClassVar

import asyncssh

from sandbox.file_systems import FileSystem
from sandbox.ledger import LedgerEntry
from sandbox.life_script import LifeScript
from sandbox.machines import Machine, Order, Site, bind_free_address
from sandbox.options import Settings
from sandbox.user_data import read_user_data

SSH_PORT = 2222
BILLED_QUANTUM_SECONDS = 60


@dataclass(frozen=True)
class Mount:
    """A file system and where the machine has it."""

    file_system: FileSystem
    mount_point: str


@dataclass(frozen=True)
class LambdaOrder(Order):
    """What a launch at Lambda asks for."""

    ssh_key_name: str
    login_key: asyncssh.SSHKey
    hostname: str | None = None
    tags: tuple[tuple[str, str], ...] = ()
    user_data: str = ""
    mounts: tuple[Mount, ...] = ()
    firewall_ruleset_ids: tuple[str, ...] = ()


class LambdaMachine(Machine):
    """One instance."""

    cloud: ClassVar[str] = "lambda"
    order: LambdaOrder

    def __init__(self, order: LambdaOrder, *, site: Site, script: LifeScript) -> None:
        self._user_data = read_user_data(order.user_data)
        self.jupyter_token: str | None = None
        injected = () if script.has("host_key_ignored") else self._user_data.host_keys
        super().__init__(
            order,
            site=site,
            script=script,
            host_keys=injected or (asyncssh.generate_private_key("ssh-ed25519"),),
            login_keys=(order.login_key, *self._user_data.login_keys),
        )

    @staticmethod
    def new_id() -> str:
        return secrets.token_hex(16)

    @property
    def private_ip(self) -> str | None:
        return None if self.ip is None else f"10.{self.ip.removeprefix('127.')}"

    def bind_address(self) -> socket.socket:
        return bind_free_address(SSH_PORT)

    def open_ssh(self) -> None:
        """Start SSH, unless the user data gave sshd a host key that it cannot load."""
        if not self._user_data.breaks_sshd:
            super().open_ssh()

    def address_taken(self) -> None:
        """Nothing of an instance depends on it."""

    def became_active(self) -> None:
        self.jupyter_token = self.jupyter_token or secrets.token_hex(16)

    def ledger_entry(self) -> LedgerEntry:
        return LedgerEntry(
            machine_id=self.machine_id,
            name=self.order.name or "",
            instance_type=self.order.instance_type.name,
            region=self.order.region,
            price_cents_per_hour=self.order.instance_type.price_cents_per_hour,
            launched_at=self.launched_at,
            quantum_seconds=BILLED_QUANTUM_SECONDS,
        )

    def is_known(self, settings: Settings) -> bool:
        is_long_gone = self._seconds_since_end() > settings.terminated_get_seconds
        return not (self.has_vanished or is_long_gone)

    def is_shown(self, settings: Settings) -> bool:
        is_hidden = time.time() - self.launched_at < self.script.hidden_for_seconds
        is_long_gone = self._seconds_since_end() > settings.terminated_visible_seconds
        return not (self.has_vanished or is_hidden or is_long_gone)

    def as_truth(self, *, pids: list[int]) -> dict[str, object]:
        return {
            **super().as_truth(pids=pids),
            "ssh_port": SSH_PORT,
            "user_data_problem": self._user_data.problem,
            "tags": [{"key": key, "value": value} for key, value in self.order.tags],
        }

    def _seconds_since_end(self) -> float:
        return 0.0 if self.terminated_at is None else time.time() - self.terminated_at
