"""The end of a run, however it goes: what is kept, and the words of its exit event.

Standard library only.
"""

from __future__ import annotations

from typing import Any

import adapter_files
from agent_failures import RunFailedError, as_failure
from agent_merge import merged
from agent_run import Run
from fetch_model import HUB_TOKEN


def conclude(run: Run) -> dict[str, Any]:
    """Perform the run and return the fields of its exit event, whatever happens."""
    outcome, error, has_adapter = "failed", None, False
    try:
        outcome = run.perform()
    except BaseException as problem:  # noqa: BLE001 (the agent must never die without a word)
        error = as_failure(problem)
    # Deleted by fetch_model.py, unless it was never begun or was killed.
    (run.folder / HUB_TOKEN).unlink(missing_ok=True)
    if run.trained:
        try:
            _keep_adapter(run, outcome)
            has_adapter = True
        except BaseException as problem:  # noqa: BLE001 (as above)
            if outcome == "completed":
                outcome, error = "failed", as_failure(problem)
    merge = merged(run) if outcome == "completed" else ""
    if error is None and outcome == "stopped":
        error = _why_stopped(run)
    if error is not None:
        run.log.append("error", **error.as_event())
    status = run.exit_status
    return {
        "outcome": outcome,
        "exit_code": 128 - status if status is not None and status < 0 else status,
        "has_adapter": has_adapter,
        "merge": merge,
        "error_code": error.code if error is not None else "",
    }


def _why_stopped(run: Run) -> RunFailedError | None:
    """Return why a run ended early that nobody asked to stop, else None."""
    reason, job = run.wishes.reason, run.job
    if reason == "deadline":
        return RunFailedError(
            "E_MAX_HOURS",
            f"The run reached its limit of {float(job['deadline_seconds']) / 3600:.4g} hours.",
            remedy="Raise max_hours, or train fewer steps.",
        )
    if reason == "silence":
        return RunFailedError(
            "E_CONTROL_SILENT",
            f"For {float(job['silence_limit_seconds']) / 60:.4g} minutes nobody looked after the "
            "run, so the machine stopped it and saved.",
            remedy="Find out why this server or its worker was away, then start the run again.",
        )
    if reason == "signal":
        return RunFailedError(
            "E_MACHINE_STOPPING",
            "The machine told the run to end, as it does when it is shut down.",
            remedy="Start the run again.",
            retryable=True,
        )
    return None


def _keep_adapter(run: Run, outcome: str) -> None:
    """Check the adapter and write the manifest; raises RunFailedError when there is none.

    A run that did not complete may still have a good checkpoint: then that is its adapter.
    """
    run.say_phase("save")
    base_model = str(run.job["base_model"]["id"])
    if outcome != "completed" and not (run.output / "adapter").exists():
        rescued = adapter_files.rescue(
            run.output, base_model=base_model, revision=run.revision or None
        )
        if rescued is not None:
            run.say("info", f"The adapter is that of {rescued.name}.")
    adapter_files.check(run.output / "adapter")
    files = adapter_files.listed(run.output / "adapter", below=run.output)
    adapter_files.write_manifest(run.folder / "manifest.json", files)
