"""The cloud's own bill: launch accepted to terminated, rounded up to whole minutes.

Lambda bills in one-minute increments without a minimum; when exactly the count starts and ends is
contradictory in its documentation, so the sandbox bills the longer reading (lambda-cloud-api.md
section 8). The ledger lies in the data folder, so that it outlives the process.
"""

import json
import math
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

QUANTUM_SECONDS = 60
SECONDS_PER_HOUR = 3600


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

    def quanta(self, *, now: float) -> int:
        """Return the quanta begun until ``now`` or the end; being launched costs at least one."""
        ended = now if self.terminated_at is None else self.terminated_at
        return max(1, math.ceil((ended - self.launched_at) / QUANTUM_SECONDS))

    def cost_cents(self, *, now: float) -> Decimal:
        """Return the rent in US cents, exact to the 28 digits of Decimal."""
        seconds = self.quanta(now=now) * QUANTUM_SECONDS
        return Decimal(self.price_cents_per_hour) * seconds / SECONDS_PER_HOUR

    def as_json(self, *, now: float) -> dict[str, object]:
        return {
            "machine_id": self.machine_id,
            "name": self.name,
            "instance_type": self.instance_type,
            "region": self.region,
            "price_cents_per_hour": self.price_cents_per_hour,
            "launched_at": iso(self.launched_at),
            "terminated_at": None if self.terminated_at is None else iso(self.terminated_at),
            "billed_seconds": self.quanta(now=now) * QUANTUM_SECONDS,
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
            "quantum_seconds": QUANTUM_SECONDS,
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
