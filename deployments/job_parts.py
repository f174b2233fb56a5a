"""What of job.json says what is trained: the same for a machine, a repeat, and a preview."""

from collections.abc import Mapping
from typing import Any, TypedDict

from datasets.models import Dataset
from deployments import base_models, resuming
from deployments.models import Deployment, TrainingJob
from deployments.workload import rows_held_out

# Where the machine finds the data that it measures with.
EVAL_FILE = "data/eval.jsonl"
MOST_NUMBERED_ROWS = 20_000


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
        "dataset": data_of(job.dataset, job.config, evaluation=evaluation_of(job)),
    }


def evaluation_of(job: TrainingJob) -> Dataset | None:
    """Return the data of its own that a job is measured with; None where rows are held out."""
    dataset_id = job.config["eval"].get("dataset_id")
    return Dataset.objects.get(pk=dataset_id) if dataset_id else None


def data_of(
    dataset: Dataset, recipe: Mapping[str, Any], *, evaluation: Dataset | None
) -> dict[str, Any]:
    """Return the data as job.json names it, with what is to be measured with.

    That is ``evaluation``, or the rows of the training data with the numbers named here. Of very
    many rows the machine finds the same numbers by the recipe's seed.
    """
    if evaluation is not None:
        measured: dict[str, Any] = {"eval_file": EVAL_FILE}
    else:
        held_out = rows_held_out(dataset.rows, recipe)
        measured = {"eval_rows": held_out} if len(held_out) <= MOST_NUMBERED_ROWS else {}
    return {
        "sha256": dataset.normalised_sha256,
        "rows": dataset.rows,
        "size_bytes": dataset.normalised_size_bytes,
        "format": dataset.format,
        **measured,
    }
