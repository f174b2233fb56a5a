"""One line of the doctor's."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "FAIL"]


@dataclass(frozen=True)
class Finding:
    """What is so, and what to do about it when it should not be."""

    level: Level
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        remedy = f" - {self.remedy}" if self.remedy else ""
        return f"{self.level:<4} {self.what}{remedy}"


Check = Callable[[], Iterator[Finding]]


def ok(what: str) -> Finding:
    return Finding("ok", what)


def warn(what: str, remedy: str) -> Finding:
    return Finding("warn", what, remedy)


def fail(what: str, remedy: str) -> Finding:
    return Finding("FAIL", what, remedy)


def findings_of(check: Check) -> Iterator[Finding]:
    """Yield what a check finds; a check that fails itself is a finding like any other."""
    try:
        yield from check()
    # The doctor looks at broken installations: one broken subject must not hide the rest.
    except Exception as error:  # noqa: BLE001
        name = check.__name__.replace("_", " ")
        why = (str(error).strip() or type(error).__name__).splitlines()[0]
        yield fail(f"{name}: could not be looked at: {why}", "Read the line, and the log.")


def age(seconds: float) -> str:
    """Return a duration for people: 40 s, 12 min, 3 h."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"
