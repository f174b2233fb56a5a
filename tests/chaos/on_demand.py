"""The lives that ``python -m tests.chaos`` asks for; pytest gives them their database."""

import json
import os
from pathlib import Path

from tests.chaos import RESULTS, SEEDS
from tests.chaos.life import LifeFailedError, Stage


def test_the_lives_that_were_asked_for(stage: Stage) -> None:
    seeds = json.loads(os.environ[SEEDS])
    with Path(os.environ[RESULTS]).open("a", encoding="utf-8") as results:
        for seed in range(*seeds):
            results.write(json.dumps(_lived(stage, seed)) + "\n")
            results.flush()


def _lived(stage: Stage, seed: int) -> dict[str, object]:
    try:
        outcome = stage.live(seed)
    except LifeFailedError as error:
        return {"seed": seed, "violation": str(error)}
    return {
        "seed": seed,
        "status": outcome.status,
        "error_code": outcome.error_code,
        "machines": outcome.machines,
        "moved": outcome.moved,
        "clouds": outcome.clouds,
        "faults": outcome.faults,
        "hours": outcome.simulated_seconds / 3600,
        "bound_to_succeed": not outcome.forbidden_by,
        "succeeded": outcome.succeeded,
    }
