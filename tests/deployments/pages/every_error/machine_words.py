"""What machines tell before they end, in the words of the payload's own functions."""

from collections.abc import Callable
from pathlib import Path

import agent_crash
import agent_data
import agent_failures
import agent_machine
from agent_failures import RunFailedError
from agent_kernel import KernelNews
from tests.deployments.pages.every_error.stage import HOSTILE, Stage

JOB = {"recipe": {"hyperparameters": {"per_device_train_batch_size": 8, "learning_rate": 2e-4}}}
GIB = 1024**3
EXITS = agent_failures.EXIT_CODES
OUT_OF_MEMORY = KernelNews(killed_for_memory=True)
FALLEN_OFF = KernelNews(lines=("NVRM: Xid (PCI:0000:05:00): 79, GPU has fallen off the bus.",))

Words = Callable[[Stage], RunFailedError]


def exited(status: int, *tail: str, kernel: KernelNews = agent_crash.NOTHING_TOLD) -> Words:
    """Return the failure that an exit of the trainer stands for, as a machine explains it."""
    memory = {"memory_total_bytes": 200 * GIB, "memory_used_bytes": 198 * GIB}
    told = [*tail, HOSTILE]
    return lambda _: agent_crash.explain_exit(
        status, tail=told, job=JOB, machine=memory, kernel=kernel
    )


def said(code: str, message: str, remedy: str) -> Words:
    """Return a failure in the agent's words where they come about too deep to be asked for."""
    return lambda _: RunFailedError(code, f"{message} {HOSTILE}", remedy=remedy)


def agent_broke(stage: Stage) -> RunFailedError:
    return agent_failures.as_failure(ValueError(HOSTILE))


def stands_still(stage: Stage) -> RunFailedError:
    return agent_failures.failure("E_STALLED", job=JOB, detail=HOSTILE)


def no_gpu(stage: Stage) -> RunFailedError:
    return _preflight(stage, cards=[], complaint=f"nvidia-smi says: {HOSTILE}")


def wrong_gpu(stage: Stage) -> RunFailedError:
    return _preflight(stage, cards=[{"memory_total_mib": 16_384}], complaint="")


def other_data(stage: Stage) -> RunFailedError:
    """Let the agent check a file that is not the data: this one."""
    try:
        agent_data.obtain(
            {"sha256": "0" * 64},
            Path(__file__),
            address=None,
            patience_seconds=0,
            pause=lambda seconds: None,
            ask=lambda: None,
            tell=lambda *told: None,
        )
    except RunFailedError as error:
        return error
    raise AssertionError("other data was taken")


def _preflight(stage: Stage, *, cards: list[object], complaint: str) -> RunFailedError:
    stage.monkeypatch.setattr(agent_machine, "is_stand_in", lambda: False)
    stage.monkeypatch.setattr(agent_machine, "gpus", lambda: (cards, complaint))
    try:
        agent_machine.check_machine({"expected": {"vram_gib": 24}}, Path(__file__).parent)
    except RunFailedError as error:
        return error
    raise AssertionError("the machine was taken")
