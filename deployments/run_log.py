"""The run log of a machine, taken into the database: each (machine, sequence number) once.

What arrives is data from a machine we rent, not from us: sizes are capped, names and numbers
checked, times are ours (F42, T3).
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.database import retried
from core.time import database_now
from deployments import metric_rows, sample_rows
from deployments.event_values import (
    MAX_STEP,
    MAX_VALUES,
    JsonObject,
    MetricValues,
    finite,
    metric_values,
    whole,
)
from deployments.models import Checkpoint, Deployment, LogLine, Machine, RunState

MAX_LINE_BYTES = 65536
MAX_PUSHED_EVENTS = 500
MAX_DEPTH = 8
MAX_OBJECT_BYTES = 16384
SHA256 = re.compile(r"[0-9a-f]{64}")
ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
LEVELS = frozenset({"debug", "info", "warning", "error"})
REQUESTS = frozenset({"dataset", "base_model"})
# What somebody must act upon.
URGENT = frozenset({"request", "exit"})


@dataclass(frozen=True)
class Taken:
    """How far the log is now, and how many events were new."""

    accepted_through: int
    new_events: int


def parse_lines(chunk: bytes) -> tuple[list[JsonObject], int]:
    """Return the events of the complete lines in ``chunk`` and how many bytes those lines are.

    A line that is not one JSON object with a sequence number is passed over: nothing that a
    machine writes may stop the reading.
    """
    end = chunk.rfind(b"\n") + 1
    if end == 0 and len(chunk) >= MAX_LINE_BYTES:
        # A line without an end would hold up the log for ever: skip what is there of it.
        return [], len(chunk)
    events: list[JsonObject] = []
    for line in chunk[:end].split(b"\n"):
        if not line or len(line) > MAX_LINE_BYTES:
            continue
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(event, dict) and whole(event.get("seq")) is not None:
            events.append(event)
    return events, end


def ingest(
    machine: Machine,
    events: Sequence[JsonObject],
    *,
    log_offset: int | None = None,
    without_gap: bool = False,
) -> Taken:
    """Take the events that are new, in order of their numbers; repeat at will (I10).

    ``log_offset`` is where the pull goes on reading; it moves in the same transaction, and by
    the pull alone, so a push never makes it pass over a line. ``without_gap`` stops at the first
    number that is missing: a pushed batch may have overtaken another one, whose events would
    otherwise be lost. The pull needs no such care: it reads the file from its start.

    Done again while the database is away (F76): each try begins from what is known by then.
    """
    now = database_now()

    def take() -> Taken:
        run, _ = RunState.objects.select_for_update().get_or_create(machine=machine)
        before = run.accepted_through
        new = sorted(
            (event for event in events if (whole(event.get("seq")) or 0) > before),
            key=lambda event: int(event["seq"]),
        )
        taken = 0
        told: MetricValues = {}
        for event in new:
            if int(event["seq"]) <= run.accepted_through:
                continue
            if without_gap and int(event["seq"]) > run.accepted_through + 1:
                break
            run.accepted_through = int(event["seq"])
            for key, value in metric_values(event, step=run.step).items():
                # The first word about a metric at a step counts (I10).
                told.setdefault(key, value)
            handler = _HANDLERS.get(_word(event.get("kind")))
            if handler is not None:
                handler(machine, run, event, now)
            taken += 1
        metric_rows.keep(machine, told, at=now)
        if log_offset is not None:
            run.log_offset = max(run.log_offset, log_offset)
        if taken:
            run.news_at = now
            run.silent_seconds = 0
        run.save()
        return Taken(accepted_through=run.accepted_through, new_events=taken)

    return retried(take)


def ingest_pushed(machine: Machine, sent: Sequence[object]) -> Taken:
    """Take a batch that a machine pushed, as far as it goes on where we are (F41).

    What is no numbered event is passed over, as in the file. An end or a wish is looked at now,
    not at the next poll.
    """
    events = [
        event
        for event in sent[:MAX_PUSHED_EVENTS]
        if isinstance(event, dict) and whole(event.get("seq")) is not None
    ]
    taken = ingest(machine, events, without_gap=True)
    if taken.new_events and any(_word(event.get("kind")) in URGENT for event in events):
        now = database_now()
        Deployment.objects.filter(pk=machine.deployment_id, next_tick_at__gt=now).update(
            next_tick_at=now
        )
    return taken


def _phase(machine: Machine, run: RunState, event: JsonObject, now: datetime) -> None:
    run.phase = _text(event.get("phase"), limit=40)
    run.phase_detail = _text(event.get("detail"), limit=300)
    run.phase_since = now


def _log(machine: Machine, run: RunState, event: JsonObject, now: datetime) -> None:
    level = _word(event.get("level"))
    LogLine.objects.create(
        job=machine.deployment.job,
        machine=machine,
        seq=run.accepted_through,
        at=now,
        level=level if level in LEVELS else "info",
        source=_text(event.get("source"), limit=20),
        text=_text(event.get("text"), limit=4000),
    )


def _progress(machine: Machine, run: RunState, event: JsonObject, now: datetime) -> None:
    step = whole(event.get("step"), limit=MAX_STEP)
    total = whole(event.get("total_steps"), limit=MAX_STEP)
    if step is not None and step != run.step:
        run.step = step
        run.stepped_at = now
        run.stalled_seconds = 0
        run.first_step_at = run.first_step_at or now
    if total is not None:
        run.total_steps = total
    epoch = finite(event.get("epoch"))
    if epoch is not None:
        run.epoch = epoch


def _heartbeat(machine: Machine, run: RunState, event: JsonObject, now: datetime) -> None:
    run.heartbeat = _small_object(event)


def _environment(machine: Machine, run: RunState, event: JsonObject, now: datetime) -> None:
    run.environment = _small_object(event)


def _checkpoint(machine: Machine, run: RunState, event: JsonObject, now: datetime) -> None:
    step = whole(event.get("step"), limit=MAX_STEP)
    if step is None:
        return
    told = {
        "path": _text(event.get("path"), limit=300),
        "size_bytes": whole(event.get("size_bytes")) or 0,
        "files": listed_files(event.get("files")),
        "at": now,
        "fetch_tried_at": None,
        "left_because": "",
    }
    rows = Checkpoint.objects.filter(machine=machine, step=step)
    # What is home stays as it was told when it came.
    if rows.filter(home_at__isnull=True).update(**told) == 0:
        rows.get_or_create(
            machine=machine, step=step, defaults={"job": machine.deployment.job, **told}
        )


def _sample(machine: Machine, run: RunState, event: JsonObject, now: datetime) -> None:
    number = whole(event.get("number"), limit=sample_rows.MOST - 1)
    step = whole(event.get("step"), limit=MAX_STEP)
    if number is None:
        return
    names = ("prompt", "reference", "base", "answer")
    told = {name: _text(event[name], limit=sample_rows.MAX_TEXT) for name in names if name in event}
    sample_rows.keep(machine, number=number, step=step, told=told, at=now)


def _request(machine: Machine, run: RunState, event: JsonObject, now: datetime) -> None:
    wanted = _word(event.get("request"))
    if wanted in REQUESTS and wanted not in run.requests:
        run.requests = [*run.requests, wanted]


def _error(machine: Machine, run: RunState, event: JsonObject, now: datetime) -> None:
    run.error = {
        "code": _text(event.get("code"), limit=40) or "E_TRAINING",
        "message": _text(event.get("message"), limit=2000),
        "remedy": _text(event.get("remedy"), limit=1000),
        "retryable": event.get("retryable") is True,
    }


def _exit(machine: Machine, run: RunState, event: JsonObject, now: datetime) -> None:
    outcome, merge = _word(event.get("outcome")), _word(event.get("merge"))
    run.exit = {
        "outcome": outcome if outcome in ("completed", "stopped", "failed") else "failed",
        "exit_code": whole(event.get("exit_code")),
        "has_adapter": event.get("has_adapter") is True,
        # Whether a merged model was "made" or "left"; "" where none was asked for.
        "merge": merge if merge in ("made", "left") else "",
        "error_code": _text(event.get("error_code"), limit=40),
    }


Handler = Callable[[Machine, RunState, JsonObject, datetime], None]
_HANDLERS: dict[str, Handler] = {
    "phase": _phase,
    "log": _log,
    "metrics": _progress,
    "progress": _progress,
    "heartbeat": _heartbeat,
    "environment": _environment,
    "checkpoint": _checkpoint,
    "sample": _sample,
    "request": _request,
    "error": _error,
    "exit": _exit,
}


def listed_files(value: object) -> list[dict[str, object]]:
    """Return the well-formed {name, size, sha256} entries of a list a machine sent."""
    if not isinstance(value, list):
        return []
    files: list[dict[str, object]] = []
    for item in value[:200]:
        if not isinstance(item, dict):
            continue
        size, digest = whole(item.get("size")), _word(item.get("sha256"))
        if size is not None and SHA256.fullmatch(digest):
            name = _text(item.get("name"), limit=200)
            files.append({"name": name, "size": size, "sha256": digest})
    return files


def _word(value: object) -> str:
    return value if isinstance(value, str) else ""


def _text(value: object, *, limit: int) -> str:
    """Return printable text of bounded length; escape sequences and NULs are taken out.

    Lists and objects give none: showing one that is nested deeply enough fails.
    """
    if value is None or not isinstance(value, (str, int, float)):
        return ""
    text = str(value)[: limit * 4].encode("utf-8", "replace").decode("utf-8")
    return ANSI.sub("", text)[:limit]


def _small_object(event: JsonObject) -> dict[str, Any] | None:
    """Return the event as plain JSON without our envelope; None when it is too large."""
    body = {key: value for key, value in event.items() if key not in ("seq", "kind", "time")}
    kept: dict[str, Any] = _plain(body)
    return kept if len(json.dumps(kept)) <= MAX_OBJECT_BYTES else None


def _plain(value: object, *, depth: int = 0) -> Any:
    """Return the value as every database keeps it: no NUL, lone surrogate or NaN, not too deep.

    PostgreSQL's jsonb refuses the first two, and a refusal would hold up the log for ever.
    """
    if isinstance(value, dict) and depth < MAX_DEPTH:
        items = list(value.items())[:MAX_VALUES]
        return {_text(key, limit=100): _plain(each, depth=depth + 1) for key, each in items}
    if isinstance(value, list) and depth < MAX_DEPTH:
        return [_plain(each, depth=depth + 1) for each in value[:MAX_VALUES]]
    if isinstance(value, str):
        return _text(value, limit=2000)
    if isinstance(value, float):
        return finite(value)
    fits = isinstance(value, int) and abs(value) < 2**63
    return value if fits else None
