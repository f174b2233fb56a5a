"""What goes into a run's folder on the machine: the payload's files, and job.json."""

import time
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

PAYLOAD = Path(__file__).parent / "payload"
PROGRAMS = frozenset({"agent.py", "bootstrap.sh"})

# Name in the run folder, file here, mode there.
PAYLOAD_FILES: tuple[tuple[str, Path, int], ...] = tuple(
    (path.name, path, 0o700 if path.name in PROGRAMS else 0o600)
    for path in sorted(PAYLOAD.iterdir())
    if path.suffix in (".py", ".sh", ".txt")
)


def run_folder(machine_name: str) -> str:
    """Return the folder of a machine's run, relative to the login home."""
    return str(PurePosixPath("slipway") / machine_name)


def build_job(
    *,
    run_id: str,
    recipe: Mapping[str, object],
    base_model: Mapping[str, object],
    dataset: Mapping[str, object],
    deadline_seconds: float,
    heartbeat_seconds: float,
    silence_limit_seconds: float,
    allow_cpu: bool,
    expected: Mapping[str, object],
    job_url: str = "",
    resume_from: str = "",
    sharding: str = "",
    torch_index_url: str = "",
    hub_endpoint: str = "",
    limits: Mapping[str, object] | None = None,
    issued_at: float | None = None,
) -> dict[str, object]:
    """Return the content of job.json.

    ``job_url`` is the job's address for its machine (API.md section 5); empty: the machine cannot
    reach us. The token for it lies in the file ``token``, never here. ``resume_from`` names the
    checkpoint below ``output`` to go on from; empty: from the start. ``sharding`` "fsdp2" spreads
    the base model over the machine's cards; empty: each holds all of it. ``torch_index_url`` is an
    index with torch builds for older drivers; without one such a machine must bring its own
    torch. ``hub_endpoint`` is another Hub than the public one. After ``silence_limit_seconds``
    without a sign of us the agent stops the run and saves; 0 is never. ``limits`` replaces some of
    the agent's own (``LIMITS`` in payload/agent_run.py). ``issued_at`` (Unix seconds, now by
    default) shows whether clocks agree.
    """
    return {
        "run_id": run_id,
        "issued_at": time.time() if issued_at is None else issued_at,
        "recipe": dict(recipe),
        "base_model": dict(base_model),
        "dataset": dict(dataset),
        "deadline_seconds": deadline_seconds,
        "heartbeat_seconds": heartbeat_seconds,
        "silence_limit_seconds": silence_limit_seconds,
        "allow_cpu": allow_cpu,
        "expected": dict(expected),
        "job_url": job_url,
        "resume_from": resume_from,
        "sharding": sharding,
        "torch_index_url": torch_index_url,
        "hub_endpoint": hub_endpoint,
        "limits": dict(limits or {}),
    }
