"""Watching one machine's life from outside: when what shows, and for how long."""

import logging
import time
from collections.abc import Iterator
from datetime import datetime

from core.time import database_now
from deployments.management.proof.report import Fact
from deployments.models import Deployment, Machine
from deployments.providers.base import Pacer, ProviderBusyError, ProviderError, RequestKind
from deployments.providers.probes import Probes

logger = logging.getLogger(__name__)

# How long an ended machine is asked after when the cloud goes on knowing it.
AFTERWARDS_SECONDS = 300.0
LONGEST_WAIT_SECONDS = 5.0


class PatientPacer:
    """Waits for its turn however long that takes: the proof is in no hurry, the worker is."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer

    def wait(self, kind: RequestKind) -> None:
        """Return when a request of this kind may go out."""
        while True:
            try:
                self._pacer.wait(kind)
            except ProviderBusyError as error:
                time.sleep(min(error.retry_after_seconds + 0.1, LONGEST_WAIT_SECONDS))
            else:
                return


class Observer:
    """Notes first sights; ``probes`` None where a cloud's raw answers are not asked."""

    def __init__(self, probes: Probes | None) -> None:
        self._probes = probes
        self.statuses: list[tuple[str, datetime]] = []
        self._machine: Machine | None = None
        self._ip_first: tuple[datetime, str] | None = None
        self._shapes: dict[str, dict[str, str]] = {}
        self._told: dict[str, list[tuple[float, str]]] = {"the list": [], "GET by id": []}

    def look(self, deployment: Deployment) -> None:
        """Note what is new; a probe that fails is no reason to stop anything."""
        if not self.statuses or self.statuses[-1][0] != deployment.status:
            self.statuses.append((deployment.status, database_now()))
        machine = deployment.machines.order_by("-attempt", "-node").first()
        if machine is None or not machine.instance_id:
            return
        self._machine = machine
        if self._ip_first is None and machine.seen_ip:
            self._ip_first = (machine.seen_at or database_now(), machine.seen_status)
        try:
            self._probe(machine)
        except ProviderError as error:
            logger.warning("A probe was not answered: %s", error.message)

    def afterwards(self) -> None:
        """Go on asking after the ended machine until the cloud no longer knows it."""
        machine, told = self._machine, self._told["GET by id"]
        give_up = time.monotonic() + AFTERWARDS_SECONDS
        while self._probes and machine and time.monotonic() < give_up:
            if told and told[-1][1].startswith("4"):
                return
            try:
                self._probe(machine)
            except ProviderError as error:
                logger.warning("A probe was not answered: %s", error.message)
            time.sleep(0.2)

    def facts(self) -> Iterator[Fact]:
        """Tell what was noted."""
        yield from self._boot_facts()
        for when, shape in self._shapes.items():
            for name, value in shape.items():
                yield Fact("instance", f"{name}, {when}", value)
        for where, told in self._told.items():
            line = ", ".join(f"{word} at +{seconds:.0f} s" for seconds, word in told)
            if line:
                yield Fact("after terminate", f"what {where} says", line)

    def _probe(self, machine: Machine) -> None:
        if self._probes is None:
            return
        when = "when active" if machine.active_at else "while booting"
        if when not in self._shapes and machine.terminate_requested_at is None:
            self._shapes[when] = self._probes.shape(machine.instance_id)
        asked = machine.terminate_requested_at
        if asked is None:
            return
        for where, ask in (("the list", self._probes.in_list), ("GET by id", self._probes.by_id)):
            word, told = ask(machine.instance_id), self._told[where]
            if not told or told[-1][1] != word:
                told.append(((database_now() - asked).total_seconds(), word))

    def _boot_facts(self) -> Iterator[Fact]:
        m = self._machine
        if m is None:
            return
        moments = {
            "launch answered": m.launch_ended_at,
            "active in the list, seen": m.active_at,
            "SSH login with the pinned host key": m.login_at,
            "agent started": m.agent_started_at,
        }
        if self._ip_first is not None:
            at, status = self._ip_first
            moments[f"address shown, then {status}"] = at
        for what, moment in moments.items():
            value = f"+{(moment - m.requested_at).total_seconds():.1f} s" if moment else "not seen"
            yield Fact("boot", f"{what}, from the launch request", value)
        for status, since in self.statuses:
            yield Fact("timeline", status, since.isoformat(timespec="seconds"))
