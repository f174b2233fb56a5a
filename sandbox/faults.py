"""Faults on demand: a script of rows, each used a number of times on the calls it names.

A row is posted to /_sandbox/faults as
``{"on": OPERATION, "kind": KIND, "times": 1, "skip": 0, ...the kind's own values}``. ``times``
null means until deleted; ``skip`` lets that many fitting calls pass first. In one call at most one
row acts at each stage, the oldest first, so two rows of one kind act one call after the other.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from sandbox.request_log import RequestRecord

Stage = Literal[
    "delay_before", "before", "capacity", "list", "terminate", "boot", "listing", "delay_after",
    "after",
]  # fmt: skip

OPERATIONS = (
    "launch", "list", "get", "terminate", "instance-types", "ssh-keys", "regions", "images",
)  # fmt: skip


class FaultError(Exception):
    """A fault row that says nothing sensible."""


@dataclass(frozen=True)
class Kind:
    """What a kind of fault may be put on, where in a call it acts, and its values' defaults."""

    stage: Stage
    stage_after_commit: Stage | None = None
    operations: tuple[str, ...] = OPERATIONS
    values: Mapping[str, object] = field(default_factory=dict)


KINDS: Mapping[str, Kind] = {
    # The call is lost on its way, or its answer is: the connection closes without a word (F17).
    "drop_before_commit": Kind("before"),
    "drop_after_commit": Kind("after"),
    # Any status and body (F16: 5xx, HTML; F15: 429). ``commit`` true acts first, then answers so.
    "status": Kind(
        "before",
        stage_after_commit="after",
        values={"status": 503, "body": None, "headers": {}, "retry_after": None, "commit": False},
    ),
    # 200 with JSON cut in the middle, after acting (F16).
    "garbage": Kind("after"),
    "delay": Kind(
        "delay_before", stage_after_commit="delay_after", values={"seconds": 1.0, "commit": False}
    ),
    # The launch is refused for capacity although the catalogue says yes (F13).
    "capacity": Kind("capacity", operations=("launch",)),
    # A launched machine stays in booting for ever (F25), or becomes unhealthy (F26) ...
    "boot_never_ends": Kind("boot", operations=("launch",)),
    "unhealthy": Kind("boot", operations=("launch",)),
    # ... or is gone some seconds after it became active (F28, F49) ...
    "vanish": Kind("boot", operations=("launch",), values={"seconds": 0.0}),
    # ... or shows in the list only some seconds after the launch (F18).
    "hide_from_list": Kind("listing", operations=("launch",), values={"seconds": 5.0}),
    # Terminate answers as if, and nothing happens (F65).
    "ok_but_alive": Kind("terminate", operations=("terminate",)),
    # The list is empty by mistake (F68).
    "empty_list": Kind("list", operations=("list",)),
}


@dataclass
class Fault:
    """One row of the script."""

    number: int
    on: str
    kind: str
    times: int | None
    skip: int
    values: dict[str, Any]
    used: int = 0

    @property
    def stage(self) -> Stage:
        kind = KINDS[self.kind]
        if kind.stage_after_commit is not None and self.values["commit"]:
            return kind.stage_after_commit
        return kind.stage

    def fits(self, operation: str) -> bool:
        return self.on in ("*", operation) and operation in KINDS[self.kind].operations

    @property
    def is_used_up(self) -> bool:
        return self.times is not None and self.used >= self.times

    @property
    def seconds(self) -> float:
        return float(self.values["seconds"])

    def as_json(self) -> dict[str, object]:
        return {
            "id": self.number,
            "on": self.on,
            "kind": self.kind,
            "times": self.times,
            "skip": self.skip,
            "used": self.used,
            **self.values,
        }


class FaultBook:
    """The script: rows in the order they were posted."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._count = 0

    def add(self, row: Mapping[str, object]) -> Fault:
        """Take a posted row into the script; raises FaultError."""
        values = dict(row)
        on, kind = values.pop("on", None), values.pop("kind", None)
        times, skip = values.pop("times", 1), values.pop("skip", 0)
        if not isinstance(kind, str) or kind not in KINDS:
            raise FaultError(f"kind must be one of {', '.join(KINDS)}.")
        if not isinstance(on, str) or on not in ("*", *KINDS[kind].operations):
            raise FaultError(f"{kind} goes on one of *, {', '.join(KINDS[kind].operations)}.")
        self._count += 1
        fault = Fault(
            number=self._count,
            on=on,
            kind=kind,
            times=None if times is None else _count("times", times),
            skip=_count("skip", skip),
            values=_checked_values(kind, values),
        )
        self._faults.append(fault)
        return fault

    def take(self, stage: Stage, record: RequestRecord) -> Fault | None:
        """Return the row that acts at this stage of this call, count its use and write it down."""
        for fault in self._faults:
            if fault.is_used_up or fault.stage != stage or not fault.fits(record.operation):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.used += 1
            record.faults.append(f"{fault.kind}#{fault.number}")
            return fault
        return None

    def clear(self) -> None:
        self._faults.clear()

    def as_json(self) -> list[dict[str, object]]:
        return [fault.as_json() for fault in self._faults]


def _checked_values(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    defaults = KINDS[kind].values
    unknown = sorted(values.keys() - defaults.keys())
    if unknown:
        raise FaultError(f"{kind} does not know {', '.join(unknown)}.")
    merged = {**defaults, **values}
    seconds = merged.get("seconds", 0)
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or seconds < 0:
        raise FaultError("seconds must be a number, 0 or more.")
    status = merged.get("status", 200)
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise FaultError("status must be an HTTP status from 200 to 599.")
    if not isinstance(merged.get("headers", {}), dict):
        raise FaultError("headers must be an object.")
    return merged


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise FaultError(f"{name} must be a whole number, 0 or more.")
    return value
