"""Faults on demand: a script of rows, each used a number of times on the calls it names.

A row is posted to /_sandbox/faults as
``{"on": OPERATION, "kind": KIND, "times": 1, "skip": 0, "after_seconds": 0, "named": "",
"cloud": null, ...the kind's own values}``. ``times`` null means until deleted; ``skip`` lets that
many fitting calls pass first; the row sleeps for ``after_seconds``; ``named`` is a part of the
names of the machines that it is about, ``cloud`` the cloud, null any. In one call at most one row
acts at each stage, the oldest first, so two rows of one stage act one call after the other. The
kinds are in fault_kinds.py.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from sandbox.catalogue import REGIONS
from sandbox.fault_kinds import KINDS, SSH, Stage
from sandbox.runpod.catalogue import DATA_CENTERS, sold_types

CLOUDS = ("lambda", "runpod")
SIGNALS = ("KILL", "STOP", "CONT", "TERM", "INT", "HUP", "SEGV", "ABRT", "BUS")
NUMBERS = ("seconds", "bytes", "bytes_per_second", "keep", "tries")


class FaultError(Exception):
    """A fault row that says nothing sensible."""


class Hit(Protocol):
    """What a fault may act on: a call, a connection, a command."""

    @property
    def operation(self) -> str: ...

    @property
    def machine(self) -> str: ...

    @property
    def cloud(self) -> str: ...

    @property
    def faults(self) -> list[str]: ...


@dataclass
class SshHit:
    """A connection to a machine, or a command on it."""

    machine: str
    operation: str = SSH
    command: str = ""
    cloud: str = "lambda"
    faults: list[str] = field(default_factory=list)


@dataclass
class Fault:
    """One row of the script."""

    number: int
    on: str
    kind: str
    times: int | None
    skip: int
    after_seconds: float
    named: str
    cloud: str | None
    values: dict[str, Any]
    used: int = 0
    posted_at: float = field(default_factory=time.monotonic)

    @property
    def stage(self) -> Stage:
        kind = KINDS[self.kind]
        if kind.stage_after_commit is not None and self.values["commit"]:
            return kind.stage_after_commit
        return kind.stage

    def fits(self, hit: Hit) -> bool:
        """Say whether the row is awake and about this."""
        if self.on not in ("*", hit.operation) or self.cloud not in (None, hit.cloud):
            return False
        if hit.operation not in KINDS[self.kind].operations:
            return False
        if time.monotonic() - self.posted_at < self.after_seconds or self.named not in hit.machine:
            return False
        if not isinstance(hit, SshHit):
            return True
        is_the_machine = self.values.get("machine") in (None, hit.machine)
        return is_the_machine and self.values.get("contains", "") in hit.command

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
            "after_seconds": self.after_seconds,
            "named": self.named,
            "cloud": self.cloud,
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
        after_seconds, named = values.pop("after_seconds", 0), values.pop("named", "")
        cloud = values.pop("cloud", None)
        if not isinstance(kind, str) or kind not in KINDS:
            raise FaultError(f"kind must be one of {', '.join(KINDS)}.")
        if not isinstance(on, str) or on not in ("*", *KINDS[kind].operations):
            raise FaultError(f"{kind} goes on one of *, {', '.join(KINDS[kind].operations)}.")
        if not isinstance(named, str):
            raise FaultError("named must be a text.")
        if cloud is not None and cloud not in CLOUDS:
            raise FaultError(f"cloud must be null or one of {', '.join(CLOUDS)}.")
        self._count += 1
        fault = Fault(
            number=self._count,
            on=on,
            kind=kind,
            times=None if times is None else _count("times", times),
            skip=_count("skip", skip),
            after_seconds=_number("after_seconds", after_seconds),
            named=named,
            cloud=None if cloud is None else str(cloud),
            values=checked_values(kind, values),
        )
        self._faults.append(fault)
        return fault

    def take(self, stage: Stage, hit: Hit) -> Fault | None:
        """Return the row that acts at this stage, count its use and write it down."""
        for fault in self._faults:
            if fault.is_used_up or fault.stage != stage or not fault.fits(hit):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.used += 1
            hit.faults.append(f"{fault.kind}#{fault.number}")
            return fault
        return None

    def clear(self) -> None:
        self._faults.clear()

    def as_json(self) -> list[dict[str, object]]:
        return [fault.as_json() for fault in self._faults]


def checked_values(kind: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the kind's values, its defaults where none were given; raises FaultError."""
    defaults = KINDS[kind].values
    unknown = sorted(values.keys() - defaults.keys())
    if unknown:
        raise FaultError(f"{kind} does not know {', '.join(unknown)}.")
    merged = {**defaults, **values}
    for name in NUMBERS:
        may_be_none = name in defaults and defaults[name] is None
        if name in merged and not (may_be_none and merged[name] is None):
            _number(name, merged[name])
    _check_call_values(merged)
    _check_names(merged)
    return merged


def _check_call_values(values: Mapping[str, Any]) -> None:
    status = values.get("status", 200)
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise FaultError("status must be an HTTP status from 200 to 599.")
    if not isinstance(values.get("headers", {}), dict):
        raise FaultError("headers must be an object.")
    if not isinstance(values.get("commit", False), bool):
        raise FaultError("commit must be true or false.")


def _check_names(values: Mapping[str, Any]) -> None:
    type_name = values.get("instance_type")
    if "instance_type" in values and not any(kind.name == type_name for kind in sold_types()):
        raise FaultError(f"There is no instance type {type_name}.")
    if "region" in values and values["region"] not in (*REGIONS, *DATA_CENTERS):
        raise FaultError(f"There is no region {values['region']}.")
    if not isinstance(values.get("machine"), str | None):
        raise FaultError("machine must be a machine's name, or null for any.")
    for name in ("contains", "process", "kernel_says"):
        if not isinstance(values.get(name, ""), str):
            raise FaultError(f"{name} must be a text.")
    if values.get("signal", "KILL") not in SIGNALS:
        raise FaultError(f"signal must be one of {', '.join(SIGNALS)}.")


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise FaultError(f"{name} must be a number, 0 or more.")
    return value


def _count(name: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise FaultError(f"{name} must be a whole number, 0 or more.")
    return value
