"""Real processes: the worker tree is killed at every stage, and the two ways of bringing data."""

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from deployments.management.local_stack import LocalStack, running
from deployments.management.verdict import judge
from tests.trainer import sample_data, sample_model, trainer_python

pytestmark = pytest.mark.full
RECIPE = {
    "learning_rate": 5e-3,
    "max_steps": 40,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "max_length": 256,
    "lora_dropout": 0.0,
}
TERMINAL = ("completed", "failed", "cancelled")
# Leases that outlive a killed worker must be waited for; make that short.
SHORT_LEASES = {"LEASE_SECONDS": "8", "SLICE_SECONDS": "4", "CLAIM_SECONDS": "4"}

COUNT_DOWNLOADS = (
    "from datasets.models import DownloadToken;"
    "print(sum(DownloadToken.objects.values_list('uses', flat=True)))"
)


def make_stack(
    tmp_path: Path, *, reachable: bool = False, extra: Mapping[str, str] | None = None
) -> LocalStack:
    return LocalStack(
        tmp_path / "slipway",
        models_dir=sample_model().parent,
        image_python=trainer_python(),
        reachable=reachable,
        extra=extra,
    )


def deploy(stack: LocalStack) -> dict[str, Any]:
    stack.api("POST", "vault/entries", json={"provider": "lambda", "secret": stack.sandbox_key})
    lines = (sample_data() / "chat.jsonl").read_bytes().splitlines(keepends=True)[:400]
    files = {"file": ("chat.jsonl", b"".join(lines))}
    dataset = stack.api("POST", "datasets", files=files, data={"name": "sums"})
    config = {
        "name": "sums",
        "base_model": "local:slipway-sample",
        "dataset_id": dataset["id"],
        "hyperparameters": RECIPE,
        "eval": {"steps": 10},
        "budget_limit": "5.00",
    }
    made = stack.api("POST", "training/configs", json=config)
    asked = {"training_config_id": made["id"], "instance_type": "gpu_1x_a10"}
    answer: dict[str, Any] = stack.api("POST", "training/deploy/lambda", json=asked)
    return answer


def until(
    stack: LocalStack,
    deployment: dict[str, Any],
    reached: Callable[[dict[str, Any]], bool] = lambda d: d["status"] in TERMINAL,
    *,
    seconds: float = 240,
) -> dict[str, Any]:
    give_up = time.monotonic() + seconds
    params = {"deployment_id": deployment["deployment_id"]}
    while time.monotonic() < give_up:
        now: dict[str, Any] = stack.api("GET", "training/deploy/lambda", params=params)
        if reached(now):
            return now
        time.sleep(0.1)
    raise AssertionError(f"not reached in {seconds} s: {json.dumps(now, indent=1)}")


def at(status: str) -> Callable[[dict[str, Any]], bool]:
    return lambda now: now["status"] == status or now["status"] in TERMINAL


def test_F75_a_worker_killed_in_four_stages_of_one_life_changes_nothing(tmp_path: Path) -> None:
    stack = make_stack(tmp_path, extra={"SANDBOX_BOOT_SECONDS": "4", **SHORT_LEASES})
    with running(stack):
        # The launch call is held up, so that the kill falls into it.
        fault = {"on": "launch", "kind": "delay", "seconds": 2, "commit": True}
        stack.control("POST", "faults", json=fault)
        deployment = deploy(stack)
        for status in ("launching", "booting", "training", "collecting"):
            now = until(stack, deployment, at(status))
            assert now["status"] == status, f"missed {status}: {now['status']}"
            if status == "launching":
                launched = stack.control("GET", "requests")["requests"]
                while not any(r["path"].endswith("/launch") for r in launched):
                    time.sleep(0.1)
                    launched = stack.control("GET", "requests")["requests"]
            stack.kill_worker()
            stack.start_worker()

        verdict = judge(stack, until(stack, deployment))

        assert verdict.is_good, [check.text for check in verdict.checks if not check.ok]
        assert len(stack.control("GET", "ledger")["entries"]) == 1


def run_once(tmp_path: Path, *, reachable: bool) -> dict[str, Any]:
    stack = make_stack(tmp_path, reachable=reachable)
    with running(stack):
        ended = until(stack, deploy(stack))
        verdict = judge(stack, ended)
        assert verdict.is_good, [check.text for check in verdict.checks if not check.ok]
        job = f"training/jobs/{ended['job_id']}"
        metrics = stack.api("GET", f"{job}/metrics")
        return {
            "losses": {
                name: (series["step"], series["value"])
                for name, series in metrics.items()
                if name.endswith("/loss")
            },
            "levels": {line["level"] for line in stack.api("GET", f"{job}/logs")["data"]},
            "adapter": {
                file["name"]: file["sha256"]
                for file in ended["artifacts"][0]["files"]
                if file["name"].endswith(".safetensors")
            },
            "downloads": int(stack.manage("shell", "-v", "0", "-c", COUNT_DOWNLOADS)),
        }


def test_data_over_https_and_data_over_ssh_give_the_same_run(tmp_path: Path) -> None:
    over_ssh = run_once(tmp_path / "ssh", reachable=False)
    over_http = run_once(tmp_path / "http", reachable=True)

    assert over_ssh["losses"] == over_http["losses"]
    assert over_ssh["adapter"] == over_http["adapter"]
    assert over_ssh["levels"] == over_http["levels"]
    assert (over_ssh["downloads"], over_http["downloads"]) == (0, 1)
