"""``manage.py demo``: a whole life on the practice cloud, checked at its end."""

import shutil
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from deployments.management import practice
from deployments.management.local_stack import LocalStack, StackError, running
from deployments.management.verdict import Verdict, judge
from deployments.providers import rented

BUDGET = "2.00"
LIFE_LIMIT_SECONDS = 420.0
KEEP_RUNS = 3
TERMINAL = ("completed", "failed", "cancelled")
RECIPE = {
    "learning_rate": 5e-3,
    "max_steps": 40,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "max_length": 256,
}


class Command(BaseCommand):
    """Rents a machine in the sandbox, trains a real LoRA adapter, brings it home, ends it."""

    help = "Show a whole life: rent a practice machine, train, bring the adapter home, end it."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--cloud", choices=sorted(rented()), default=rented()[0], help="whose wire"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self._cloud: str = options["cloud"]
        data_dir = _fresh_folder(settings.BASE_DIR / "var" / "demo")
        self._say(f"Practice cloud, data below {data_dir.relative_to(settings.BASE_DIR)}")
        self._say("Preparing sample data and a small base model (made once) ...")
        samples, models_dir = practice.sample_data(), practice.models_dir()
        stack = LocalStack(data_dir, models_dir=models_dir, image_python=practice.trainer_python())
        try:
            with running(stack):
                self._say(f"Slipway answers at {stack.url}, the sandbox at {stack.sandbox_url}")
                deployment = self._live(stack, samples / "chat.jsonl")
                verdict = judge(stack, deployment)
        except (StackError, KeyboardInterrupt) as error:
            raise CommandError(f"The demo did not end well: {error}") from None
        self._tell(verdict)
        if not verdict.is_good:
            raise CommandError(f"Logs: {data_dir}")

    def _live(self, stack: LocalStack, data: Path) -> dict[str, Any]:
        """Do what a user would, over REST; return the deployment's last answer."""
        stack.api(
            "POST", "vault/entries", json={"provider": self._cloud, "secret": stack.sandbox_key}
        )
        with data.open("rb") as file:
            dataset = stack.api(
                "POST", "datasets", files={"file": file}, data={"name": "Word problems"}
            )
        self._say(f"Dataset: {dataset['rows']} rows, {dataset['format']}, {dataset['status']}")
        config = stack.api(
            "POST",
            "training/configs",
            json={
                "name": "Word problems",
                "base_model": f"local:{practice.MODEL_NAME}",
                "dataset_id": dataset["id"],
                "method": "sft",
                "hyperparameters": RECIPE,
                "eval": {"steps": 10},
                "budget_limit": BUDGET,
            },
        )
        deployment: dict[str, Any] = stack.api(
            "POST",
            f"training/deploy/{self._cloud}",
            json={"training_config_id": config["id"]},
        )
        self._say(f"Deployed: {deployment['deployment_id']}, budget ${BUDGET}")
        return self._follow(stack, deployment["deployment_id"])

    def _follow(self, stack: LocalStack, deployment_id: str) -> dict[str, Any]:
        give_up, told = time.monotonic() + LIFE_LIMIT_SECONDS, ""
        while time.monotonic() < give_up:
            if ended := stack.ended():
                raise StackError(f"the {ended} process ended by itself")
            now: dict[str, Any] = stack.api(
                "GET", f"training/deploy/{self._cloud}", params={"deployment_id": deployment_id}
            )
            line = _progress_line(now)
            if line != told:
                told = line
                self._say(line)
            if now["status"] in TERMINAL:
                return now
            time.sleep(0.5)
        stack.api(
            "DELETE", f"training/deploy/{self._cloud}?deployment_id={deployment_id}&save=false"
        )
        raise StackError(f"not over after {LIFE_LIMIT_SECONDS:.0f} s; last: {told}")

    def _tell(self, verdict: Verdict) -> None:
        self._say("")
        for check in verdict.checks:
            self._say(f"  {'ok ' if check.ok else 'NOT'} {check.text}")

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()


def _progress_line(now: dict[str, Any]) -> str:
    phase = now["status"] if now["phase"] == now["status"] else f"{now['status']}: {now['phase']}"
    parts = [phase]
    progress = now.get("progress") or {}
    if progress.get("step") is not None:
        parts.append(f"step {progress['step']} of {progress.get('total_steps') or '?'}")
    metrics = now.get("metrics") or {}
    for name in ("train/loss", "eval/loss"):
        if metrics.get(name) is not None:
            parts.append(f"{name} {metrics[name]:.3f}")
    cents = Decimal(now["cost"]["accrued"] or 0) * 100
    return f"  {', '.join(parts)} - {cents:.0f} cents"


def _fresh_folder(parent: Path) -> Path:
    """Return a new folder for this run and remove all but the newest earlier ones."""
    parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in sorted(p for p in parent.iterdir() if p.is_dir())[: -(KEEP_RUNS - 1)]:
        shutil.rmtree(old, ignore_errors=True)
    return parent / f"{datetime.now(UTC):%Y%m%d-%H%M%S}"
