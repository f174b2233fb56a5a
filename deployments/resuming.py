"""Going on from a checkpoint: what of a recipe may change without making it another training."""

from typing import Any

from deployments.models import Deployment


def recipe_of(deployment: Deployment) -> dict[str, Any]:
    """Return the job's frozen recipe with what was changed for going on."""
    recipe: dict[str, Any] = deployment.job.config
    changes = deployment.config.get("hyperparameters") or {}
    return {**recipe, "hyperparameters": {**recipe["hyperparameters"], **changes}}
