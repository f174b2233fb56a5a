"""The account: its keys, machines, bill and faults, and the life of a machine.

A machine is booting, gets its address half way, becomes active when SSH listens; after terminate
it is terminating until every process has ended, then terminated, then out of the list, then
unknown (lambda-cloud-api.md section 6). Everything happens in one event loop, so what a request
does between two awaits is all or nothing.
"""

import asyncio
import logging
import secrets
import shutil
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from sandbox.audit import AuditLog
from sandbox.catalogue import Catalogue
from sandbox.faults import FaultBook, FaultError, checked_values
from sandbox.file_systems import FileSystemBook
from sandbox.firewall import Firewall
from sandbox.ledger import Ledger, LedgerEntry
from sandbox.life_script import LifeScript
from sandbox.machines import Machine, Order, Status
from sandbox.options import Options
from sandbox.processes import end_processes
from sandbox.request_log import RequestLog
from sandbox.ssh_keys import SshKeyBook

logger = logging.getLogger(__name__)


class Cloud:
    """All that one sandbox holds."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.settings = options.settings
        self.catalogue = Catalogue()
        self.ssh_keys = SshKeyBook()
        self.file_systems = FileSystemBook()
        self.firewall = Firewall()
        self.audit = AuditLog()
        self.faults = FaultBook()
        self.requests = RequestLog()
        self.ledger = Ledger(options.data_dir / "ledger.json")
        self._machines_dir = options.data_dir / "machines"
        self._machines: dict[str, Machine] = {}
        # The free machine that each took, to be given back once.
        self._places: dict[str, tuple[str, str]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def clear_leftovers(self) -> None:
        """End what a killed sandbox left behind in this data folder, and close its bill."""
        for machine_id in self.ledger.running():
            await end_processes(machine_id)
        shutil.rmtree(self._machines_dir, ignore_errors=True)
        self.ledger.close_all()

    def machines(self) -> list[Machine]:
        """Return every machine that this sandbox ever launched, oldest first."""
        return list(self._machines.values())

    def listed(self) -> list[Machine]:
        """Return the machines that the list shows now."""
        return [machine for machine in self.machines() if self._is_listed(machine)]

    def find(self, machine_id: str) -> Machine | None:
        """Return a machine as long as GET by id knows it."""
        machine = self._machines.get(machine_id)
        if machine is None or machine.has_vanished:
            return None
        if _seconds_since_end(machine) > self.settings.terminated_get_seconds:
            return None
        return machine

    def live_machines(self) -> list[Machine]:
        return [machine for machine in self.machines() if machine.is_live()]

    def launch(
        self, order: Order, *, script: LifeScript, place: tuple[str, str] | None = None
    ) -> Machine:
        """Start a machine's life and its bill; ``place`` is the capacity that was taken for it."""
        machine = Machine(
            order,
            machines_dir=self._machines_dir,
            image_python=self.options.image_python,
            script=script,
            faults=self.faults,
        )
        if place is not None:
            self._places[machine.machine_id] = place
        self._machines[machine.machine_id] = machine
        self.ledger.open(
            LedgerEntry(
                machine_id=machine.machine_id,
                name=order.name or "",
                instance_type=order.instance_type.name,
                region=order.region,
                price_cents_per_hour=order.instance_type.price_cents_per_hour,
                launched_at=machine.launched_at,
            )
        )
        self._start(self._boot(machine))
        return machine

    def terminate(self, machine: Machine, *, stuck_seconds: float | None = 0.0) -> None:
        """Begin the end of a machine; a second time does nothing.

        ``stuck_seconds`` is how much longer than usual it is terminating, None is for ever.
        """
        if machine.is_live():
            machine.status = Status.TERMINATING
            self._start(self._terminate(machine, stuck_seconds))

    def restart(self, machine: Machine) -> None:
        """Begin a reboot: SSH is away for the time of a boot, the status stays as it is.

        What Lambda shows meanwhile is not documented; its example shows ``active``.
        """
        machine.is_restarting = True
        self._start(self._restart(machine))

    def vanish(self, machine: Machine) -> None:
        """Take a machine away without a word: no list shows it from now on."""
        if not machine.has_vanished and machine.terminated_at is None:
            machine.has_vanished = True
            self._start(self._close(machine))

    async def close(self) -> None:
        """End every machine, as the cloud itself ends."""
        for machine in self.machines():
            self.vanish(machine)
        await asyncio.gather(*(machine.end() for machine in self.machines()))
        self.ledger.close_all()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _boot(self, machine: Machine) -> None:
        script, half = machine.script, self.settings.boot_seconds / 2
        await asyncio.sleep(half)
        if machine.is_live():
            machine.take_address()
            if not script.has("ip_late"):
                machine.show_address()
        await asyncio.sleep(half)
        if not machine.is_live() or script.has("boot_never_ends"):
            return
        if script.has("unhealthy"):
            machine.status = Status.UNHEALTHY
            return
        if not script.has("ssh_refused"):
            machine.open_ssh()
        if not machine.is_live():
            return
        machine.status = Status.ACTIVE
        machine.jupyter_token = secrets.token_hex(16)
        self._script_later(machine)

    def happen(self, machine: Machine, kind: str, values: Mapping[str, Any]) -> None:
        """Let something happen to an active machine now; raises FaultError."""
        acts = self._acts(machine)
        if kind not in (*acts, "signal"):
            raise FaultError(f"kind must be one of {', '.join(acts)}, signal.")
        values = checked_values(kind, values)
        if kind == "signal":
            self._start(machine.meet_signal(values))
        elif machine.is_live():
            acts[kind]()

    def _acts(self, machine: Machine) -> dict[str, Callable[[], None]]:
        """Return what can happen to an active machine, by the kind of fault."""
        return {
            "vanish": lambda: self.vanish(machine),
            "preempted": lambda: self._preempt(machine),
            "unhealthy_later": lambda: _set_status(machine, Status.UNHEALTHY),
            "ip_late": machine.show_address,
            "ip_changes": machine.change_address,
            "ssh_refused": machine.open_ssh,
            "gpu_lost": machine.lose_gpu,
            "reboot": lambda: self.restart(machine),
        }

    def _script_later(self, machine: Machine) -> None:
        """Start what the script wants of an active machine some seconds later."""
        if machine.script.has("signal"):
            self._start(machine.meet_signal(machine.script.faults["signal"]))
        for kind, act in self._acts(machine).items():
            if not machine.script.has(kind):
                continue
            seconds = machine.script.seconds(kind)
            if seconds is not None:
                self._start(_later(machine, seconds, act))

    async def _restart(self, machine: Machine) -> None:
        await machine.go_down()
        await asyncio.sleep(self.settings.boot_seconds)
        if machine.is_live():
            machine.open_ssh()
        machine.is_restarting = False

    async def _terminate(self, machine: Machine, stuck_seconds: float | None) -> None:
        await asyncio.gather(machine.end(), asyncio.sleep(self.settings.terminate_seconds))
        if stuck_seconds is None:
            return
        await asyncio.sleep(stuck_seconds)
        if not machine.has_vanished:
            await self._close(machine)

    def _preempt(self, machine: Machine) -> None:
        machine.status = Status.PREEMPTED
        self._start(self._close(machine, status=Status.PREEMPTED))

    async def _close(self, machine: Machine, *, status: Status = Status.TERMINATED) -> None:
        """Wait for the end of a machine, then stop its bill and free its place."""
        await machine.end()
        machine.status = status
        machine.terminated_at = time.time()
        self.ledger.close(machine.machine_id)
        place = self._places.pop(machine.machine_id, None)
        if place is not None:
            self.catalogue.give_back(*place)

    def _is_listed(self, machine: Machine) -> bool:
        is_hidden = time.time() - machine.launched_at < machine.script.hidden_for_seconds
        is_long_gone = _seconds_since_end(machine) > self.settings.terminated_visible_seconds
        return not (machine.has_vanished or is_hidden or is_long_gone)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(_report_failure)


async def _later(machine: Machine, seconds: float, act: Callable[[], None]) -> None:
    await asyncio.sleep(seconds)
    if machine.is_live():
        act()


def _set_status(machine: Machine, status: Status) -> None:
    machine.status = status


def _report_failure(task: "asyncio.Task[None]") -> None:
    """Say at once that a machine's life broke off; nobody waits for the task."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("The life of a machine broke off.", exc_info=error)


def _seconds_since_end(machine: Machine) -> float:
    return 0.0 if machine.terminated_at is None else time.time() - machine.terminated_at
