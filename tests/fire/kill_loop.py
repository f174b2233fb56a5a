"""Whole runs while web, worker and queues are killed, again and again (F75, I1 to I4, I8, I11).

``python -m tests.fire.kill_loop --runs 20 --kills 50 --seed 1`` starts a Slipway of its own on the
sandbox cloud, real SSH and real training included (``--stand-in``: all but training);
DATABASE_URL names another database than SQLite. It prints every kill, then what does not hold; the
exit status says whether all did.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

from deployments.management.local_stack import LocalStack, StackError, running
from deployments.management.verdict import adapter_at_home, cost_agrees
from tests.fire.api import persistently
from tests.fire.killer import Killer
from tests.fire.restarts import Restarts
from tests.fire.stand_in import StandIn, make_stand_in
from tests.trainer import sample_data, sample_model, trainer_python

TERMINAL = ("completed", "failed", "cancelled")
AT_ONCE = 5
PATIENCE_SECONDS = 900
STEPS = 40
RECIPE = {
    "learning_rate": 5e-3,
    "max_steps": STEPS,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "max_length": 256,
    "lora_dropout": 0.0,
}
# A lease that outlives its worker, and a queue that stands still, must be waited for.
QUICK = {
    "LEASE_SECONDS": "10",
    "SLICE_SECONDS": "5",
    "CLAIM_SECONDS": "4",
    "CANARY_SECONDS": "1",
    "STALL_LIMIT_SECONDS": "15",
    "SWEEP_SECONDS": "10",
    "LAUNCH_INTERVAL_SECONDS": "0.5",
    "API_READS_PER_MINUTE": "100000",
    "API_WRITES_PER_MINUTE": "10000",
}
# When a user stops some of the runs; the others are left alone.
STOPS = ("booting", "preparing", "training", "collecting")
STOPPED_SHARE = 0.25
# A web worker whose master was killed ends its request first.
CUT_OFF_SECONDS = 5


@dataclass
class Run:
    """One run as it was asked for, and what is known of it."""

    name: str
    stop_at: str
    status: str = "asked for"
    stopped: bool = False
    last: dict[str, Any] = field(default_factory=dict)


class Loop:
    """Starts runs, follows them, and judges them when all is over."""

    def __init__(
        self, stack: LocalStack, *, base_model: str, runs: int, kills: int, seed: int
    ) -> None:
        self.runs: list[Run] = []
        self.killer = Killer(seed=seed, told=self._statuses)
        self._stack = stack
        self._base_model = base_model
        self._wanted = runs
        self._kills = kills
        self._random = random.Random(seed)  # noqa: S311
        self._config = ""

    def perform(self) -> None:
        """Return when every run is over and every kill is done; raises when that takes too long."""
        self._config = self._set_up()
        give_up = time.monotonic() + PATIENCE_SECONDS + 60 * self._wanted
        with Restarts(self._stack), self.killer:
            while self._open() or self._is_one_missing():
                if time.monotonic() > give_up:
                    raise TimeoutError(f"Still open: {self._statuses()}")
                if self._is_one_missing() and len(self._open()) < AT_ONCE:
                    self._start_one()
                # So that the last runs have their share of kills as well.
                share = self._kills * len(self.runs) // self._wanted
                self.killer.allowed = min(share, self._kills)
                for run in self._open():
                    self._look(run)
                time.sleep(0.2)
            # Whoever was killed last must be up again before anybody is asked.
            persistently(lambda: self._stack.api("GET", "training/deploy"))

    def _open(self) -> list[Run]:
        return [run for run in self.runs if run.status not in TERMINAL]

    def _is_one_missing(self) -> bool:
        if len(self.runs) < self._wanted:
            return True
        # No kill goes by without a run that could suffer from it.
        return self.killer.done < self._kills and not self._open()

    def _statuses(self) -> str:
        counted = Counter(run.status for run in self._open())
        return ", ".join(f"{count} {status}" for status, count in counted.items()) or "none open"

    def _set_up(self) -> str:
        stack = self._stack
        stack.api("POST", "vault/entries", json={"provider": "lambda", "secret": stack.sandbox_key})
        lines = (sample_data() / "chat.jsonl").read_bytes().splitlines(keepends=True)[:400]
        files = {"file": ("chat.jsonl", b"".join(lines))}
        dataset = stack.api("POST", "datasets", files=files, data={"name": "sums"})
        config = {
            "name": "sums",
            "base_model": self._base_model,
            "dataset_id": dataset["id"],
            "hyperparameters": RECIPE,
            "eval": {"steps": 10},
            "budget_limit": "5.00",
        }
        made: str = stack.api("POST", "training/configs", json=config)["id"]
        return made

    def _start_one(self) -> None:
        stops = self._random.random() < STOPPED_SHARE
        run = Run(f"run {len(self.runs) + 1}", self._random.choice(STOPS) if stops else "")
        self.runs.append(run)
        asked = {
            "training_config_id": self._config,
            "instance_type": "gpu_1x_a10",
            "name": run.name,
        }
        keys = iter(lambda: str(uuid4()), "")
        headers = {"Idempotency-Key": next(keys)}

        def deploy() -> dict[str, Any]:
            answer: dict[str, Any] = self._stack.api(
                "POST", "training/deploy/lambda", json=asked, headers=headers
            )
            return answer

        def look_then_deploy() -> dict[str, Any]:
            listed = self._stack.api("GET", "training/deploy", params={"limit": 100})["data"]
            found = next((line for line in listed if line["name"] == run.name), None)
            return found or deploy()

        try:
            run.last = persistently(deploy)
        except StackError as error:
            if "E_REQUEST_IN_PROGRESS" not in str(error):
                raise
            # The web process was killed in the middle of it, so it will never be answered. What
            # to do then is what the error's remedy says, once nothing of it can be at work.
            time.sleep(CUT_OFF_SECONDS)
            headers["Idempotency-Key"] = next(keys)
            run.last = persistently(look_then_deploy)

    def _look(self, run: Run) -> None:
        params = {"deployment_id": run.last["deployment_id"]}
        path = "training/deploy/lambda"
        run.last = persistently(lambda: self._stack.api("GET", path, params=params))
        run.status = run.last["status"]
        if run.stop_at == run.status and not run.stopped:
            persistently(lambda: self._stack.api("DELETE", path, params=params))
            run.stopped = True

    def wrong(self) -> Iterator[str]:
        """Yield what does not hold, in words."""
        ledger = self._stack.control("GET", "ledger")["entries"]
        for machine in self._stack.control("GET", "machines")["machines"]:
            if machine["status"] != "terminated":
                yield f"I1: {machine['name']} is {machine['status']}"
        names = Counter(row["name"] for row in ledger)
        yield from (f"I3: {count} machines named {n}" for n, count in names.items() if count > 1)
        owned = {machine["name"] for run in self.runs for machine in run.last["machines"]}
        yield from (f"I1: nobody owns {name}" for name in names if name not in owned)
        for run in self.runs:
            mine = [machine["name"] for machine in run.last["machines"]]
            rows = [row for row in ledger if row["name"] in mine]
            yield from (f"{run.name}: {text}" for text in self._wrong_of(run, rows))

    def _wrong_of(self, run: Run, rows: list[dict[str, Any]]) -> Iterator[str]:
        allowed = ("cancelled", "completed") if run.stopped else ("completed",)
        if run.status not in allowed:
            yield f"it is {run.status}: {run.last['error']}"
        # Nothing was wrong with any machine, so none was replaced.
        if len(rows) > 1 or (not rows and not run.stopped):
            yield f"I3: {len(rows)} machines were rented"
        checks = [cost_agrees(run.last, rows)]
        if run.last["artifacts"] or run.status == "completed":
            checks.append(adapter_at_home(self._stack, run.last))
        yield from (check.text for check in checks if not check.ok)
        job = f"training/jobs/{run.last['job_id']}"
        losses = self._stack.api("GET", f"{job}/metrics", params={"keys": "train/loss"})
        steps = losses.get("train/loss", {"step": []})["step"]
        if run.status == "completed" and steps != list(range(1, STEPS + 1)):
            yield f"I10: the steps told are {steps}"
        texts = [line["text"] for line in self._stack.api("GET", f"{job}/logs")["data"]]
        if any("agent was started again" in text for text in texts):
            yield "I11: the agent was started twice"


def _trainer() -> StandIn:
    return StandIn(trainer_python(), sample_model().parent, f"local:{sample_model().name}")


def _stand_in(folder: Path) -> StandIn:
    return make_stand_in(folder / "stand-in", step_seconds=0.2)


def main(arguments: list[str]) -> int:
    """Run the loop with these arguments and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--stand-in", action="store_true")
    asked = parser.parse_args(arguments)
    seed = asked.seed if asked.seed is not None else random.SystemRandom().randrange(10**6)
    began = time.monotonic()
    print(f"{asked.runs} runs, {asked.kills} kills, seed {seed}")
    database = os.environ.get("DATABASE_URL")
    with tempfile.TemporaryDirectory(prefix="slipway-kills-") as folder:
        trainer = _stand_in(Path(folder)) if asked.stand_in else _trainer()
        stack = LocalStack(
            Path(folder) / "slipway",
            models_dir=trainer.models_dir,
            image_python=trainer.python,
            extra={**QUICK, **({"DATABASE_URL": database} if database else {})},
        )
        with running(stack):
            loop = Loop(
                stack,
                base_model=trainer.base_model,
                runs=asked.runs,
                kills=asked.kills,
                seed=seed,
            )
            loop.perform()
            wrong = list(loop.wrong())
        wrong += [f"{process} lives on" for process in loop.killer.left_alive()]
    ended = Counter(run.status for run in loop.runs)
    print(f"runs: {dict(ended)}; kills: {dict(loop.killer.roles)}")
    print("\n".join(wrong) or "everything holds", f"({time.monotonic() - began:.0f} s)")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
