"""``python -m tests.chaos --lives 10000``: as many seeded lives as wanted, on all processors.

Prints what was lived and every violation with its script and story; the exit status says whether
every invariant held in every life, and enough of those that could succeed did.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.chaos import RESULTS, SEEDS

ROOT = Path(__file__).resolve().parents[2]
# A process takes so many lives at a time; the last one to end is not waited for long.
BATCH = 50
SUCCESS_SHARE = 0.99
FAULTS_SHOWN = 40
MOVES = (("moved", 0), ("clouds", 1))


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lives", type=int, default=1000)
    parser.add_argument("--from", dest="first", type=int, default=1)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args(arguments)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="slipway-chaos-") as folder:
        lives = _live(asked.first, asked.lives, processes=asked.processes, folder=Path(folder))
    return _report(lives, wanted=asked.lives, seconds=time.monotonic() - began)


def _live(first: int, count: int, *, processes: int, folder: Path) -> list[dict[str, Any]]:
    waiting = [(s, min(s + BATCH, first + count)) for s in range(first, first + count, BATCH)]
    running: list[subprocess.Popen[bytes]] = []
    while waiting or running:
        while waiting and len(running) < processes:
            running.append(_begin(waiting.pop(0), folder))
        running = [process for process in running if process.poll() is None]
        time.sleep(0.2)
    lines = [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def _begin(seeds: tuple[int, int], folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "tests/chaos/on_demand.py"],
        cwd=ROOT,
        env={
            **os.environ,
            SEEDS: json.dumps(seeds),
            RESULTS: str(folder / f"{seeds[0]}.jsonl"),
        },
        stdout=subprocess.DEVNULL,
    )


def _report(lives: list[dict[str, Any]], *, wanted: int, seconds: float) -> int:
    violations = [life for life in lives if "violation" in life]
    told = [life for life in lives if "violation" not in life]
    could = [life for life in told if life["bound_to_succeed"]]
    unlucky = [life["seed"] for life in could if not life["succeeded"]]
    faults: Counter[str] = Counter()
    for life in told:
        faults.update(life["faults"])
    for life in violations:
        print(life["violation"], end="\n\n")
    print(f"{len(lives)} of {wanted} lives in {seconds:.0f} s, {len(violations)} violations")
    print(f"outcomes: {dict(Counter(life['status'] for life in told).most_common())}")
    print(f"errors: {dict(Counter(life['error_code'] or 'none' for life in told).most_common())}")
    print(f"machines rented: {sum(life['machines'] for life in told)}")
    moved, both = (sum(life[key] > least for life in told) for key, least in MOVES)
    print(f"rented at the cloud that was not preferred: {moved} lives, at both: {both}")
    print(f"simulated: {sum(life['hours'] for life in told):.0f} hours")
    print(f"faults and acts: {sum(faults.values())}: {dict(faults.most_common(FAULTS_SHOWN))}")
    print(f"could succeed: {len(could)}, did not: {len(unlucky)} {unlucky}")
    enough = len(unlucky) <= len(could) * (1 - SUCCESS_SHARE)
    return 0 if enough and not violations and len(lives) == wanted else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
