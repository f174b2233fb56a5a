"""What of job.json says what is trained: the same for a machine, a repeat, and a preview."""

from typing import Any, TypedDict

from datasets.models import Dataset
from deployments import base_models, resuming
from deployments.models import Deployment


class JobParts(TypedDict):
    """What ``build_job`` takes of a deployment, whichever machine it is for."""

    recipe: dict[str, Any]
    base_model: dict[str, object]
    dataset: dict[str, Any]


def parts_of(deployment: Deployment) -> JobParts:
    """Return recipe, base model and data of a deployment, as ``build_job`` takes them."""
    job = deployment.job
    return {
        "recipe": resuming.recipe_of(deployment),
        "base_model": base_models.for_job(job.model_name, revision=job.config.get("revision")),
        "dataset": data_of(job.dataset),
    }


def data_of(dataset: Dataset) -> dict[str, Any]:
    """Return the training data as job.json names it."""
    return {
        "sha256": dataset.normalised_sha256,
        "rows": dataset.rows,
        "size_bytes": dataset.normalised_size_bytes,
        "format": dataset.format,
    }
