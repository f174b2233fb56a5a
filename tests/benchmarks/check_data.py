"""Check a file as the worker does, in a process of its own; print seconds and memory as JSON.

The memory is what the check took at its peak above what the worker holds when it has nothing to do.
"""

import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path


def main() -> None:
    import django

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    django.setup()
    # What an idle worker has imported.
    from datasets import validation
    from deployments import tasks  # noqa: F401

    idle_kib = _kib("VmRSS")
    # Like the other's imports, not part of the time; its memory is part of ours.
    from pyarrow import compute  # noqa: F401

    digest = hashlib.sha256()
    with Path(sys.argv[1]).open("rb") as file, tempfile.TemporaryFile() as rows:

        def write(content: bytes) -> None:
            digest.update(content)
            rows.write(content)

        begun, begun_cpu = time.perf_counter(), time.process_time()
        outcome = validation.check(file, mapping=None, write=write)
        rows.flush()
        seconds, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
    told = {
        "rows": outcome.rows,
        "findings": outcome.findings.totals,
        "seconds": seconds,
        "cpu_seconds": cpu,
        "peak_mb": (_kib("VmHWM") - idle_kib) / 1024,
    }
    print(json.dumps(told))


def _kib(name: str) -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(f"{name}:"))


if __name__ == "__main__":
    main()
