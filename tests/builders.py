"""One plain function per model, with defaults that are valid; a test says only what it is about."""

import hashlib
import io
import itertools
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User

from core import tokens
from datasets.models import Dataset
from datasets.services import create_dataset
from deployments import checkpoints, metric_rows, recipes
from deployments.archives import pack
from deployments.models import (
    Artifact,
    Checkpoint,
    Deployment,
    Draft,
    Event,
    HubPush,
    LogLine,
    Machine,
    Metric,
    RunState,
    Sample,
    SampleAnswer,
    SpendingLimits,
    Stray,
    TrainingConfig,
    TrainingJob,
)
from deployments.models.deployments import LaunchState
from deployments.models.limits import THE_ROW
from secrets_vault.kinds import kind_of, register_kind
from secrets_vault.models import VaultEntry
from secrets_vault.services import add_entry, entry_for

NOON = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PROVIDER = "lambda"
SECRET = "secret_slipway-test_0123456789abcdef.q7R2t9XzK4mW8pLd"

_numbers = itertools.count(1)


def make_user(username: str | None = None, **fields: Any) -> User:
    """Make a user who can sign in by ``force_login`` only; a password hash takes too long."""
    return User.objects.create_user(username or f"user{next(_numbers)}", **fields)


def make_vault_entry(
    user: User | None = None, *, provider: str = PROVIDER, secret: str = SECRET, label: str = ""
) -> VaultEntry:
    """Seal a key; a provider that nobody registered is registered without a check."""
    if kind_of(provider) is None:
        register_kind(provider, provider.capitalize())
    return add_entry(user or make_user(), provider=provider, secret=secret, label=label)


def make_token(
    user: User | None = None, *, scopes: Sequence[str] = tokens.DEFAULT_SCOPES, **fields: Any
) -> str:
    """Make an API token and return its text, for ``Authorization: Bearer``."""
    _, plaintext = tokens.create_token(
        user or make_user(), name=fields.pop("name", "test"), scopes=scopes, **fields
    )
    return plaintext


def chat_rows(count: int = 12) -> list[dict[str, Any]]:
    """Return rows of chat messages, no two alike."""
    return [
        {
            "messages": [
                {"role": "user", "content": f"What is {number} plus {number}?"},
                {"role": "assistant", "content": f"It is {number + number}."},
            ]
        }
        for number in range(1, count + 1)
    ]


def json_lines(rows: Iterable[object]) -> bytes:
    """Return the rows as a file of JSON lines."""
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def make_dataset(
    user: User | None = None,
    *,
    content: bytes | None = None,
    name: str = "sums",
    mapping: Mapping[str, str] | None = None,
) -> Dataset:
    """Upload a file; without ``content`` twelve good rows of chat messages."""
    file = io.BytesIO(json_lines(chat_rows()) if content is None else content)
    return create_dataset(user or make_user(), file=file, name=name, mapping=mapping)


def make_config(user: User | None = None, **fields: Any) -> TrainingConfig:
    """Keep a training config on a good dataset of the same user."""
    owner = user or make_user()
    dataset = fields.pop("dataset", None) or make_dataset(owner)
    values = {"name": "Sums", "base_model": "example/tiny-llama"} | fields
    return TrainingConfig.objects.create(user=owner, dataset=dataset, **values)


def make_draft(user: User | None = None, **fields: Any) -> Draft:
    """Make an untouched draft of a run, with nothing chosen."""
    values: dict[str, Any] = {"created_at": NOON, "updated_at": NOON} | fields
    return Draft.objects.create(user=user or make_user(), **values)


def make_job(user: User | None = None, **fields: Any) -> TrainingJob:
    """Make a job with a frozen recipe, not yet deployed."""
    owner = user or make_user()
    config = fields.pop("training_config", None) or make_config(owner)
    recipe = recipes.freeze(
        method=config.method,
        base_model=config.base_model,
        hyperparameters=config.hyperparameters,
        evaluation=config.eval,
    )
    values: dict[str, Any] = {
        "training_config": config,
        "name": config.name,
        "model_name": config.base_model,
        "dataset": config.dataset,
        "dataset_path": config.dataset.normalised_path,
        "dataset_sha256": config.dataset.normalised_sha256,
        "config": recipe,
    }
    return TrainingJob.objects.create(user=owner, **(values | fields))


def make_deployment(user: User | None = None, **fields: Any) -> Deployment:
    """Make a deployment of a job of its own, accepted at NOON, with a budget of 10 USD."""
    owner = user or (fields["job"].user if "job" in fields else make_user())
    job = fields.pop("job", None) or make_job(owner)
    values: dict[str, Any] = {
        "training_config": job.training_config,
        "vault_entry": entry_for(owner, PROVIDER) or make_vault_entry(owner),
        "platform": PROVIDER,
        "name": job.name,
        "url": f"/jobs/{job.pk}/",
        "config": {"instance_type": "gpu_1x_a10", "region": "us-east-1", "ssh_key_name": None},
        "budget_limit": Decimal("10.00"),
        "max_hourly_price": Decimal("1.29"),
        "max_hours": Decimal(24),
        "status_since": NOON,
        "created_at": NOON,
        "next_tick_at": NOON,
    }
    return Deployment.objects.create(user=owner, job=job, **(values | fields))


def make_machine(deployment: Deployment | None = None, **fields: Any) -> Machine:
    """Make the next machine of a deployment: launched at NOON at 1.29 USD an hour."""
    owner = deployment or make_deployment()
    attempt = fields.pop("attempt", owner.machines.count() + 1)
    number = next(_numbers)
    values: dict[str, Any] = {
        "vault_entry_id": owner.vault_entry_id,
        "attempt": attempt,
        "name": f"slwtst-{owner.pk.hex[:8]}-a{attempt}-n0-t{number}",
        "platform": owner.platform,
        "instance_type": "gpu_1x_a10",
        "region": "us-east-1",
        "description": "1x A10 (24 GB)",
        "vram_gib": 24,
        "hourly_price": Decimal("1.29"),
        "launch_state": LaunchState.LAUNCHED,
        "instance_id": uuid.uuid4().hex,
        "requested_at": NOON,
        "launch_ended_at": NOON + timedelta(seconds=2),
    }
    return Machine.objects.create(deployment=owner, **(values | fields))


def make_stray(deployment: Deployment | None = None, **fields: Any) -> Stray:
    """Make a second machine under a run's name, at 1.29 USD an hour from NOON on."""
    owner = deployment or make_deployment()
    values: dict[str, Any] = {
        "vault_entry_id": owner.vault_entry_id,
        "instance_id": uuid.uuid4().hex,
        "name": f"slwtst-{owner.pk.hex[:8]}-a1-n0-t{next(_numbers)}",
        "hourly_price": Decimal("1.29"),
    }
    moments = ("first_seen_at", "last_seen_at", "terminate_after", "bills_from")
    return Stray.objects.create(
        deployment=owner, **(values | dict.fromkeys(moments, NOON) | fields)
    )


def make_limits(**fields: Any) -> SpendingLimits:
    """Write the installation's one row of limits; what is not given is as it was, or default."""
    row, _ = SpendingLimits.objects.update_or_create(pk=THE_ROW, defaults=fields)
    row.refresh_from_db()
    return row


def make_run_state(machine: Machine | None = None, **fields: Any) -> RunState:
    """Make what a machine's run log has told: nothing yet, unless said."""
    return RunState.objects.create(machine=machine or make_machine(), **fields)


def make_event(deployment: Deployment | None = None, **fields: Any) -> Event:
    """Make one line of a deployment's story."""
    values = {"at": NOON, "kind": "note", "message": "Something happened."} | fields
    return Event.objects.create(deployment=deployment or make_deployment(), **values)


def make_metric(machine: Machine | None = None, **fields: Any) -> Metric:
    """Make one value of ``train/loss`` at step 1, told at NOON."""
    rented = machine or make_machine()
    values = {"name": "train/loss", "step": 1, "value": 2.0, "at": NOON} | fields
    kept = Metric.objects.create(job=rented.deployment.job, machine=rented, **values)
    metric_rows.rebuild_buckets(kept.job_id)
    return kept


def make_log_line(machine: Machine | None = None, **fields: Any) -> LogLine:
    """Make one line of a machine's log, under the next free number."""
    rented = machine or make_machine()
    values = {
        "seq": next(_numbers),
        "at": NOON,
        "level": "info",
        "source": "agent",
        "text": "All is well.",
    } | fields
    return LogLine.objects.create(job=rented.deployment.job, machine=rented, **values)


def make_checkpoint(machine: Machine | None = None, **fields: Any) -> Checkpoint:
    """Make a checkpoint the machine has told of."""
    rented = machine or make_machine()
    values = {"step": next(_numbers), "at": NOON, "size_bytes": 1024} | fields
    values.setdefault("path", f"output/checkpoint-{values['step']}")
    return Checkpoint.objects.create(job=rented.deployment.job, machine=rented, **values)


def make_checkpoint_at_home(machine: Machine | None = None, **fields: Any) -> Checkpoint:
    """Put a checkpoint's files and the archive of its adapter into the data folder."""
    made = make_checkpoint(machine, **({"step": 40} | fields))
    folder = checkpoints.folder_of(made)
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "adapter_model.safetensors": b"weights of step %d" % made.step,
        "adapter_config.json": b"{}",
        "optimizer.pt": b"a pickle",
    }
    for name, content in files.items():
        (folder / name).write_bytes(content)
    listed = [
        {
            "name": f"{folder.name}/{name}",
            "size": len(content),
            "sha256": hashlib.sha256(content).hexdigest(),
        }
        for name, content in files.items()
    ]
    archive = pack(folder.parent, listed[:2], name=f"{folder.name}.tar.gz")
    made.files = listed
    made.home_at = made.at
    made.home_path = str(archive.relative_to(settings.SLIPWAY_DATA_DIR))
    made.home_sha256 = hashlib.sha256(archive.read_bytes()).hexdigest()
    made.home_size_bytes = archive.stat().st_size
    made.save()
    return made


def make_artifact(
    machine: Machine | None = None, *, content: bytes = b"adapter bytes", **fields: Any
) -> Artifact:
    """Put an adapter's archive into the data folder and record that it is home."""
    rented = machine or make_machine()
    job = rented.deployment.job
    path = f"artifacts/{job.pk}/{rented.name}/adapter.tar.gz"
    file: Path = settings.SLIPWAY_DATA_DIR / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    values: dict[str, Any] = {
        "name": "adapter.tar.gz",
        "path": path,
        "size_bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
        "saved_at": NOON,
    }
    return Artifact.objects.create(
        job=job, deployment=rented.deployment, machine=rented, **(values | fields)
    )


def make_push(artifact: Artifact | None = None, **fields: Any) -> HubPush:
    """Make a wish to have an artifact on the Hub."""
    values = {"repo_id": "ada/support", "created_at": NOON} | fields
    return HubPush.objects.create(artifact=artifact or make_artifact(), **values)


def make_answer(machine: Machine | None = None, **fields: Any) -> SampleAnswer:
    """Make an answer to a prompt of its own."""
    rented = machine or make_machine()
    asked = Sample.objects.create(
        job=rented.deployment.job, number=next(_numbers), prompt="What is 2 + 3?", at=NOON
    )
    values = {"step": 1, "answer": "5", "at": NOON} | fields
    return SampleAnswer.objects.create(sample=asked, machine=rented, **values)
