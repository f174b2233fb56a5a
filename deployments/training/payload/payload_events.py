"""How train.py and fetch_model.py talk to the agent: JSON lines into a pipe it hands them.

Standard library only. Started by hand, without an agent, they talk to standard error.
"""

from __future__ import annotations

import functools
import json
import os
import sys
import traceback
from typing import Any, Callable, Mapping

from agent_failures import EXIT_CODES, RunFailedError, code_of_text, failure
from agent_log import finite


def tell(kind: str, **fields: Any) -> None:
    """Tell the agent one thing; numbers that are not finite arrive as null.

    Of several processes the first tells, but of a failure each does: it need not be the first's.
    """
    if kind != "failure" and os.environ.get("RANK", "0") != "0":
        return
    line = json.dumps({"kind": kind, **finite(fields)}, allow_nan=False) + "\n"
    pipe = _pipe()
    if pipe is None:
        sys.stderr.write(line)
    else:
        os.write(pipe, line.encode())


@functools.lru_cache(maxsize=None)
def _pipe() -> int | None:
    """Return the agent's pipe; None without one.

    torchrun closes it for the processes it starts, but holds it open itself.
    """
    descriptor = os.environ.get("SLIPWAY_EVENTS_FD", "")
    if not descriptor.isdigit():
        return None
    if "TORCHELASTIC_RUN_ID" in os.environ:
        return os.open(f"/proc/{os.getppid()}/fd/{descriptor}", os.O_WRONLY)
    return int(descriptor)


def say(level: str, text: str) -> None:
    """Add a line to the run's log."""
    tell("log", level=level, text=text)


def run_and_classify(work: Callable[[], int], *, job: Mapping[str, Any]) -> int:
    """Do the work; return its exit status, or that of the failure, told to the agent in words."""
    try:
        return work()
    except RunFailedError as problem:
        found = problem
    except Exception as problem:  # noqa: BLE001 (every end of a run is told in words)
        traceback.print_exc()
        text = f"{type(problem).__name__}: {problem}"
        if isinstance(problem, OSError) and problem.errno == 28:
            found = failure("E_DISK", job=job, detail=text[:500])
        else:
            found = failure(code_of_text(text), job=job, detail=text[:1500])
    tell("failure", **found.as_event())
    return EXIT_CODES.get(found.code, EXIT_CODES["E_TRAINING"])
