"""The account: its keys, machines, bill and faults, and the life of a machine.

A machine is booting, gets its address half way, becomes active when SSH listens; after terminate
it is terminating until every process has ended, then terminated, then out of the list, then
unknown (lambda-cloud-api.md section 6); RunPod's pods live the same life under other names,
and can be stopped. Everything happens in one event loop, so what a request
does between two awaits is all or nothing.
"""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, TypeVar

from sandbox.audit import AuditLog
from sandbox.catalogue import Catalogue
from sandbox.faults import FaultBook, FaultError, checked_values
from sandbox.file_systems import FileSystemBook
from sandbox.firewall import Firewall
from sandbox.ledger import Ledger
from sandbox.machines import Machine, Site, Status
from sandbox.options import Options
from sandbox.processes import end_processes
from sandbox.request_log import RequestLog
from sandbox.runpod.catalogue import PodCatalogue
from sandbox.ssh_keys import SshKeyBook

M = TypeVar("M", bound=Machine)

logger = logging.getLogger(__name__)


class Cloud:
    """All that one sandbox holds."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.settings = options.settings
        self.catalogue = Catalogue()
        self.pod_catalogue = PodCatalogue()
        # The keys of RunPod's account, as their lines were sent.
        self.pod_keys: list[str] = []
        self.ssh_keys = SshKeyBook()
        self.file_systems = FileSystemBook()
        self.firewall = Firewall()
        self.audit = AuditLog()
        self.faults = FaultBook()
        self.requests = RequestLog()
        self.ledger = Ledger(options.data_dir / "ledger.json")
        self.site = Site(
            machines_dir=options.data_dir / "machines",
            image_python=options.image_python,
            faults=self.faults,
        )
        self._machines: dict[str, Machine] = {}
        # How the place that each machine took is given back, once.
        self._give_back: dict[str, Callable[[], None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def clear_leftovers(self) -> None:
        """End what a killed sandbox left behind in this data folder, and close its bill."""
        for machine_id in self.ledger.running():
            await end_processes(machine_id)
        shutil.rmtree(self.site.machines_dir, ignore_errors=True)
        self.ledger.close_all()

    def machines(self) -> list[Machine]:
        """Return every machine that this sandbox ever launched, oldest first."""
        return list(self._machines.values())

    def listed(self, kind: type[M]) -> list[M]:
        """Return the machines of one cloud that its list shows now, oldest first."""
        return [
            machine
            for machine in self.machines()
            if isinstance(machine, kind) and machine.is_shown(self.settings)
        ]

    def find(self, machine_id: str, kind: type[M]) -> M | None:
        """Return a machine as long as a call by id knows it."""
        machine = self._machines.get(machine_id)
        if isinstance(machine, kind) and machine.is_known(self.settings):
            return machine
        return None

    def live_machines(self, kind: type[M]) -> list[M]:
        return [m for m in self.machines() if isinstance(m, kind) and m.is_live()]

    def launch(self, machine: Machine, *, give_back: Callable[[], None] | None = None) -> None:
        """Start a machine's life and its bill; ``give_back`` frees the capacity taken for it."""
        if give_back is not None:
            self._give_back[machine.machine_id] = give_back
        self._machines[machine.machine_id] = machine
        self.ledger.open(machine.ledger_entry())
        self._start(self._boot(machine))

    def terminate(self, machine: Machine, *, stuck_seconds: float | None = 0.0) -> None:
        """Begin the end of a machine; a second time does nothing.

        ``stuck_seconds`` is how much longer than usual it is terminating, None is for ever.
        """
        if machine.is_live() or machine.status is Status.STOPPED:
            machine.status = Status.TERMINATING
            self._start(self._terminate(machine, stuck_seconds))

    def restart(self, machine: Machine) -> None:
        """Begin a reboot: SSH is away for the time of a boot, the status stays as it is.

        What Lambda shows meanwhile is not documented; its example shows ``active``.
        """
        machine.is_restarting = True
        self._start(self._restart(machine))

    def stop(self, machine: Machine) -> None:
        """End container and rent, keep the order; the place is free for others."""
        machine.status = Status.STOPPED
        self.ledger.pause(machine.machine_id)
        self._free_place(machine)
        machine.halt()

    async def start(self, machine: Machine, *, give_back: Callable[[], None]) -> None:
        """Boot a stopped machine from a new image, on the place that was taken for it."""
        self._give_back[machine.machine_id] = give_back
        machine.status = Status.BOOTING
        self.ledger.resume(machine.machine_id)
        await machine.renew()
        self._start(self._boot(machine))

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
        machine.boots += 1
        boot = machine.boots
        await asyncio.sleep(half)
        if script.has("never_placed"):
            return
        if machine.is_live() and machine.boots == boot:
            machine.take_address()
            machine.address_taken()
            if not script.has("ip_late"):
                machine.show_address()
        await asyncio.sleep(half)
        is_over = not machine.is_live() or machine.boots != boot
        if is_over or script.has("boot_never_ends"):
            return
        if script.has("unhealthy"):
            machine.status = Status.UNHEALTHY
            return
        if not script.has("ssh_refused"):
            machine.open_ssh()
        if not machine.is_live():
            return
        machine.status = Status.ACTIVE
        machine.became_active()
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
            "stale_port": machine.show_address,
            "ssh_refused": machine.open_ssh,
            "gpu_lost": machine.lose_gpu,
            "reboot": lambda: self.restart(machine),
        }

    def later(self, machine: Machine, seconds: float, act: Callable[[], None]) -> None:
        """Do something to a machine after so many seconds, if it lives then."""
        self._start(_later(machine, seconds, act))

    def _script_later(self, machine: Machine) -> None:
        """Start what the script wants of an active machine some seconds later."""
        if machine.script.has("signal"):
            self._start(machine.meet_signal(machine.script.faults["signal"]))
        for kind, act in self._acts(machine).items():
            if not machine.script.has(kind):
                continue
            seconds = machine.script.seconds(kind)
            if seconds is not None:
                self.later(machine, seconds, act)

    async def _restart(self, machine: Machine) -> None:
        await machine.go_down()
        await asyncio.sleep(self.settings.boot_seconds)
        if machine.is_live():
            machine.open_ssh()
            machine.became_active()
            if machine.script.has("stale_port"):
                seconds = machine.script.seconds("stale_port") or 0.0
                self.later(machine, seconds, machine.show_address)
        machine.is_restarting = False

    async def _terminate(self, machine: Machine, stuck_seconds: float | None) -> None:
        await asyncio.gather(machine.end(), asyncio.sleep(self.settings.terminate_seconds))
        if stuck_seconds is None:
            return
        await asyncio.sleep(stuck_seconds)
        if not machine.has_vanished:
            await self._close(machine)

    def _preempt(self, machine: Machine) -> None:
        if machine.stops_when_preempted:
            self.stop(machine)
            return
        machine.status = Status.PREEMPTED
        self._start(self._close(machine, status=Status.PREEMPTED))

    async def _close(self, machine: Machine, *, status: Status = Status.TERMINATED) -> None:
        """Wait for the end of a machine, then stop its bill and free its place."""
        await machine.end()
        machine.status = status
        machine.terminated_at = time.time()
        self.ledger.close(machine.machine_id)
        self._free_place(machine)

    def _free_place(self, machine: Machine) -> None:
        give_back = self._give_back.pop(machine.machine_id, None)
        if give_back is not None:
            give_back()

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
