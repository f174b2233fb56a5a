"""The merged model, where the recipe asks for it: made once the adapter is whole and listed.

Standard library only. It is an addition: whatever goes wrong here is told, and the run stays what
it was.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import adapter_files
from agent_run import Run
from agent_watch import StopAskedError

MADE, LEFT = "made", "left"
# For the merged weights, in parts of the base's: room for what is written beside them.
DISK_FACTOR = 1.1


def merged(run: Run) -> str:
    """Return "made", "left" when it could not be made, "" when nobody asked for it."""
    if not (run.job["recipe"].get("export") or {}).get("merged"):
        return ""
    try:
        why = _make(run)
    except StopAskedError as stop:
        why = f"the run was to end, because of a {stop}"
    except Exception as error:  # noqa: BLE001 (an addition never fails the run)
        why = f"{type(error).__name__}: {error}"[:500]
    if why:
        run.say("warning", f"The merged model is not made: {why}. The adapter is whole.")
    return LEFT if why else MADE


def _make(run: Run) -> str:
    """Make it and list it; return why not, "" when it is there."""
    size = sum(path.stat().st_size for path in Path(run.model_path).glob("*.safetensors"))
    free = shutil.disk_usage(run.folder).free
    if free < size * DISK_FACTOR:
        return f"it takes {size / 1024**3:.1f} GiB, and {free / 1024**3:.1f} GiB are free"
    run.say_phase("merge")
    child = run.run_child(
        [run.python, "merge_model.py"],
        name="merge",
        limit_seconds=float(run.limits["merge_seconds"]),
    )
    if child.status != 0:
        return " | ".join(list(child.tail)[-3:])[-500:] or f"exit status {child.status}"
    files = adapter_files.listed(run.output / "merged", below=run.output)
    adapter_files.write_manifest(run.folder / "merged.json", files)
    run.say("info", f"The merged model is made: {len(files)} files.")
    return ""
