"""What a finished run tells of itself to the outside, read from its rows and its adapter."""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from deployments import base_models, clouds, model_catalogue, overview
from deployments.archives import artifact_folder
from deployments.exports.model_card import CardFacts
from deployments.job_parts import evaluation_of
from deployments.models import Artifact, TrainingJob
from deployments.resuming import recipe_of
from deployments.shown import DeploymentOverview
from deployments.workload import held_back, share_held_out

CONFIG = "adapter/adapter_config.json"
LARGEST_CONFIG_BYTES = 1_000_000
TRAIN_LOSS, EVAL_LOSS = "train/loss", "eval/loss"


def card_facts(artifact: Artifact, *, now: datetime) -> CardFacts:
    """Return what the artifact's card tells; ``now`` is the database's time."""
    job, deployment = artifact.job, artifact.deployment
    run = overview.deployment_overview(deployment, now=now)
    known = model_catalogue.curated(job.model_name)
    recipe, evaluation = recipe_of(deployment), evaluation_of(job)
    held_out = held_back(job.dataset.rows, share=share_held_out(recipe["eval"]))
    return CardFacts(
        name=job.name,
        base_model=job.model_name,
        is_on_hub=not job.model_name.startswith(base_models.LOCAL),
        revision=base_revision(artifact),
        licence=known.licence if known else "",
        method=str(recipe["method"]),
        dataset_sha256=job.dataset_sha256,
        rows=job.dataset.rows,
        eval_rows=held_out if evaluation is None else evaluation.rows,
        eval_is_apart=evaluation is not None,
        settings=recipe["hyperparameters"],
        steps=run.progress.step if run.progress else None,
        train_loss=next(iter(losses(job, TRAIN_LOSS)[-1:]), None),
        eval_losses=_first_lowest_last(losses(job, EVAL_LOSS)),
        cost_usd=run.cost.accrued,
        machine_hours=_machine_hours(run, now=now),
        hardware=_hardware(run),
        versions=versions(run),
    )


def base_revision(artifact: Artifact) -> str:
    """Return the commit of the base model that the adapter was trained on, "" if none is known."""
    path = artifact_folder(artifact.machine) / CONFIG
    return str(_json_of(path).get("revision") or "")


def losses(job: TrainingJob, name: str) -> list[float]:
    """Return a loss in order of step, without values that are no numbers; one query."""
    rows = job.metrics.filter(name=name, value__isnull=False).order_by("step")
    return [value for value in rows.values_list("value", flat=True) if value is not None]


def versions(run: DeploymentOverview) -> dict[str, str]:
    """Return the versions of what trained, as the machine told."""
    told = (run.run.environment if run.run else None) or {}
    found = told.get("versions")
    if not isinstance(found, dict):
        return {}
    return {str(name)[:60]: str(version)[:60] for name, version in sorted(found.items())}


def _first_lowest_last(values: list[float]) -> tuple[float, float, float] | None:
    return (values[0], min(values), values[-1]) if values else None


def _machine_hours(run: DeploymentOverview, *, now: datetime) -> float:
    rented = [machine for machine in run.machines if machine.launched_at is not None]
    seconds = sum(
        ((machine.gone_at or now) - machine.requested_at).total_seconds() for machine in rented
    )
    return seconds / 3600


def _hardware(run: DeploymentOverview) -> tuple[str, ...]:
    lines = [
        f"{machine.description or machine.instance_type} at "
        f"{clouds.capabilities(machine.platform).label}, {machine.hourly} USD an hour"
        for machine in run.machines
        if machine.launched_at is not None
    ]
    return tuple(dict.fromkeys(lines))


def _json_of(path: Path) -> dict[str, Any]:
    """Return a small JSON object that came from a machine; empty where it is none."""
    try:
        if path.stat().st_size > LARGEST_CONFIG_BYTES:
            return {}
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return content if isinstance(content, dict) else {}
