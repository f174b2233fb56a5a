"""What the proof found, steps and facts: as JSON for programs, as Markdown for people."""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings

# The test plan of the system that Slipway replaces, in its order.
PLAN = (
    "The cloud's key is in the vault and works",
    "The SSH login key is usable and registered",
    "A test training config stands on a test dataset",
    "A deployment is accepted and a machine is rented",
    "The machine's status is followed until it trains",
    "Training runs on the machine, seen by SSH",
    "Metrics arrive",
    "The machine is ended and proven gone",
    "The cost is tracked and within the limit",
)


@dataclass(frozen=True)
class Step:
    """One step of the plan; ``passed`` None: it was not reached."""

    number: int
    passed: bool | None
    detail: str = ""

    def __str__(self) -> str:
        word = {True: "pass", False: "FAIL", None: "----"}[self.passed]
        detail = f": {self.detail}" if self.detail else ""
        return f"{word} {self.number}. {PLAN[self.number - 1]}{detail}"


@dataclass(frozen=True)
class Fact:
    """One thing the cloud showed, in words that can stand beside the reference."""

    topic: str
    what: str
    value: str


@dataclass
class Report:
    """Everything one proof has to tell."""

    platform: str
    base_url: str
    started_at: datetime
    max_usd: str
    steps: list[Step] = field(default_factory=list)
    facts: list[Fact] = field(default_factory=list)
    deployment_id: str = ""
    cost_usd: str = ""

    @property
    def is_good(self) -> bool:
        """Whether every step of the plan passed."""
        return len(self.steps) == len(PLAN) and all(step.passed for step in self.steps)

    def fill_up(self) -> None:
        """Add the steps that were not reached, so that the plan is always told as a whole."""
        reached = {step.number for step in self.steps}
        missing = [n for n in range(1, len(PLAN) + 1) if n not in reached]
        self.steps += [Step(number, passed=None) for number in missing]
        self.steps.sort(key=lambda step: step.number)

    def write(self) -> Path:
        """Write both files below the data folder and return the Markdown's path."""
        data_dir: Path = settings.SLIPWAY_DATA_DIR
        folder = data_dir / "proofs"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        stem = f"{self.platform}-{self.started_at:%Y%m%d-%H%M%S}"
        told = {
            **asdict(self),
            "started_at": self.started_at.isoformat(),
            "steps": [{**asdict(step), "name": PLAN[step.number - 1]} for step in self.steps],
            "passed": self.is_good,
        }
        _write(folder / f"{stem}.json", json.dumps(told, indent=1) + "\n")
        return _write(folder / f"{stem}.md", self.as_markdown())

    def as_markdown(self) -> str:
        """Return the report for people."""
        lines = [
            f"# Proof of {self.platform}, {self.started_at:%Y-%m-%d %H:%M} UTC",
            "",
            f"Endpoint {self.base_url}; limit {self.max_usd} USD; cost {self.cost_usd or 'none'} "
            f"USD; deployment {self.deployment_id or 'none'}.",
            "",
            "| step | | what was seen |",
            "|---|---|---|",
        ]
        for step in self.steps:
            word = {True: "pass", False: "FAIL", None: "not reached"}[step.passed]
            row = (f"{step.number}. {PLAN[step.number - 1]}", word, step.detail)
            lines.append(_row(row))
        lines += ["", "| topic | fact | value |", "|---|---|---|"]
        lines += [_row((fact.topic, fact.what, fact.value)) for fact in self.facts]
        return "\n".join(lines) + "\n"


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(" ".join(cell.replace("|", "/").split()) for cell in cells) + " |"


def _write(path: Path, text: str) -> Path:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    return path
