"""The clouds' own bill: launch accepted to terminated, rounded up to whole quanta.

RunPod bills by the second, with its disks, and its clock starts at creation (runpod-api.md section
7). Lambda bills in one-minute increments without a minimum; when exactly the count starts and ends
is contradictory in its documentation, so the sandbox bills the longer reading (lambda-cloud-api.md
section 8). The ledger lies in the data folder, so that it outlives the process.
"""

import json
import math
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

SECONDS_PER_HOUR = 3600
# RunPod's disks are priced by the month, whose hours it does not say.
HOURS_PER_MONTH = 730
DISK_CENTS_PER_GB_MONTH = 10
STOPPED_VOLUME_CENTS_PER_GB_MONTH = 20


@dataclass
class LedgerEntry:
    """One machine's rent; the price is the one at launch. Times are Unix seconds."""

    machine_id: str
    name: str
    instance_type: str
    region: str
    price_cents_per_hour: int
    launched_at: float
    terminated_at: float | None = None
    quantum_seconds: int = 60
    cloud: str = "lambda"
    # The container's disk is gone while the machine is stopped, the volume stays and costs twice.
    disk_gb: int = 0
    volume_gb: int = 0
    stopped_at: float | None = None
    stopped_seconds: float = 0.0

    def billed_seconds(self, *, now: float) -> int:
        """Return the seconds of the quanta begun; being launched costs at least one."""
        ended = now if self.terminated_at is None else self.terminated_at
        rented = ended - self.launched_at - self._stopped_seconds(now=ended)
        return max(1, math.ceil(rented / self.quantum_seconds)) * self.quantum_seconds

    def compute_cents(self, *, now: float) -> Decimal:
        """Return the rent without disks in US cents, exact to the 28 digits of Decimal."""
        seconds = self.billed_seconds(now=now)
        return Decimal(self.price_cents_per_hour) * seconds / SECONDS_PER_HOUR

    def disk_cents(self, *, now: float) -> Decimal:
        ended = now if self.terminated_at is None else self.terminated_at
        stopped = math.ceil(self._stopped_seconds(now=ended))
        running = (self.disk_gb + self.volume_gb) * DISK_CENTS_PER_GB_MONTH
        resting = self.volume_gb * STOPPED_VOLUME_CENTS_PER_GB_MONTH
        cents = Decimal(running * self.billed_seconds(now=now) + resting * stopped)
        return cents / HOURS_PER_MONTH / SECONDS_PER_HOUR

    def cost_cents(self, *, now: float) -> Decimal:
        """Return what the machine has cost so far."""
        return self.compute_cents(now=now) + self.disk_cents(now=now)

    def _stopped_seconds(self, *, now: float) -> float:
        return self.stopped_seconds + (0.0 if self.stopped_at is None else now - self.stopped_at)

    def as_json(self, *, now: float) -> dict[str, object]:
        return {
            "machine_id": self.machine_id,
            "name": self.name,
            "instance_type": self.instance_type,
            "region": self.region,
            "price_cents_per_hour": self.price_cents_per_hour,
            "launched_at": iso(self.launched_at),
            "terminated_at": None if self.terminated_at is None else iso(self.terminated_at),
            "cloud": self.cloud,
            "quantum_seconds": self.quantum_seconds,
            "billed_seconds": self.billed_seconds(now=now),
            "cost_cents": format(self.cost_cents(now=now), "f"),
        }


class Ledger:
    """All entries, oldest first, written to a file at every change."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._entries: dict[str, LedgerEntry] = {}
        if file.exists():
            for row in json.loads(file.read_text(encoding="utf-8")):
                self._entries[row["machine_id"]] = LedgerEntry(**row)

    def open(self, entry: LedgerEntry) -> None:
        self._entries[entry.machine_id] = entry
        self._save()

    def close(self, machine_id: str) -> None:
        """Stop the count of one machine; one that has stopped stays as it is."""
        entry = self._entries[machine_id]
        if entry.terminated_at is None:
            entry.terminated_at = time.time()
            self._save()

    def pause(self, machine_id: str) -> None:
        """Stop the count of the compute until ``resume``."""
        entry = self._entries[machine_id]
        entry.stopped_at = time.time()
        self._save()

    def resume(self, machine_id: str) -> None:
        entry = self._entries[machine_id]
        if entry.stopped_at is not None:
            entry.stopped_seconds += time.time() - entry.stopped_at
            entry.stopped_at = None
            self._save()

    def entries(self, cloud: str) -> list[LedgerEntry]:
        return [entry for entry in self._entries.values() if entry.cloud == cloud]

    def running(self) -> list[str]:
        """Return the ids of the machines whose count goes on."""
        entries = self._entries.values()
        return [entry.machine_id for entry in entries if entry.terminated_at is None]

    def close_all(self) -> None:
        """Stop every count: what a killed sandbox left open ends at the next start."""
        for machine_id in self._entries:
            self.close(machine_id)

    def as_json(self) -> dict[str, object]:
        now = time.time()
        entries = self._entries.values()
        total = sum((entry.cost_cents(now=now) for entry in entries), Decimal(0))
        return {
            "entries": [entry.as_json(now=now) for entry in entries],
            "total_cents": format(total, "f"),
        }

    def _save(self) -> None:
        text = json.dumps([asdict(entry) for entry in self._entries.values()], indent=1)
        part = self._file.with_suffix(".part")
        part.write_text(text, encoding="utf-8")
        part.replace(self._file)


def iso(unix_seconds: float) -> str:
    """Return a Unix time as ISO 8601 in UTC."""
    return datetime.fromtimestamp(unix_seconds, UTC).isoformat()
