"""What reached the cloud's API, in order. Keys appear as fingerprints, never as themselves."""

import hashlib
import time
from collections import deque
from dataclasses import dataclass, field

from sandbox.ledger import iso

KEPT_REQUESTS = 20_000


@dataclass
class RequestRecord:
    """One request; ``status`` stays None when the connection was closed without an answer."""

    number: int
    method: str
    path: str
    operation: str
    received_at: float
    key_fingerprint: str | None
    cloud: str
    status: int | None = None
    # The names of the machines that it is about, as far as it was read.
    machine: str = ""
    machine_ids: list[str] = field(default_factory=list)
    machine_names: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, object]:
        return {
            "number": self.number,
            "method": self.method,
            "path": self.path,
            "operation": self.operation,
            "cloud": self.cloud,
            "time": iso(self.received_at),
            "status": self.status,
            "key": self.key_fingerprint,
            "machine_ids": self.machine_ids,
            "machine_names": self.machine_names,
            "faults": self.faults,
        }


class RequestLog:
    """The newest requests, oldest first."""

    def __init__(self) -> None:
        self._records: deque[RequestRecord] = deque(maxlen=KEPT_REQUESTS)
        self._count = 0

    def add(
        self, *, method: str, path: str, operation: str, key: str | None, cloud: str
    ) -> RequestRecord:
        self._count += 1
        record = RequestRecord(
            number=self._count,
            method=method,
            path=path,
            operation=operation,
            received_at=time.time(),
            key_fingerprint=None if key is None else fingerprint(key),
            cloud=cloud,
        )
        self._records.append(record)
        return record

    def as_json(self) -> list[dict[str, object]]:
        return [record.as_json() for record in self._records]


def fingerprint(key: str) -> str:
    """Return the first 16 hexadecimal digits of the key's SHA-256."""
    return hashlib.sha256(key.encode(errors="surrogateescape")).hexdigest()[:16]
