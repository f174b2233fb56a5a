"""Load a file with the library ``datasets``, in the trainer's Python; print seconds as JSON."""

import importlib
import json
import sys
import tempfile
import time

if __name__ == "__main__":
    # In this Python it is the library, not our app of that name.
    datasets = importlib.import_module("datasets")
    datasets.disable_progress_bars()
    with tempfile.TemporaryDirectory() as cache:
        begun, begun_cpu = time.perf_counter(), time.process_time()
        loaded = datasets.load_dataset(
            "json", data_files=sys.argv[1], split="train", cache_dir=cache
        )
        seconds, cpu = time.perf_counter() - begun, time.process_time() - begun_cpu
        print(json.dumps({"rows": len(loaded), "seconds": seconds, "cpu_seconds": cpu}))
