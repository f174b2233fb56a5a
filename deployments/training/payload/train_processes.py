"""One process or several, one for each card, as torchrun starts them; alone, nothing here waits."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping


def rank() -> int:
    """Return which process this is, from 0 on."""
    return int(os.environ.get("RANK", "0"))


def world_size() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def is_first() -> bool:
    """Whether this is the process that tells, and that writes what is kept."""
    return rank() == 0


def use_own_card() -> None:
    """Make this process's card the one that torch and bitsandbytes put things on."""
    import torch

    if world_size() > 1 and torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))


def sharing(job: Mapping[str, Any]) -> Dict[str, Any]:
    """Return the arguments that spread the model over the cards, where the job says so.

    As in fsdp2.yaml of TRL 1.16. Not proven: without GPUs Trainer falls back to DDP silently.
    """
    if not is_shared(job):
        return {}
    return {
        "fsdp": True,
        "fsdp_config": {
            "version": 2,
            "auto_wrap_policy": "TRANSFORMER_BASED_WRAP",
            "state_dict_type": "FULL_STATE_DICT",
            "cpu_ram_efficient_loading": True,
            "reshard_after_forward": True,
        },
    }


def expect_sharing(job: Mapping[str, Any]) -> None:
    """Let only the first process read the weights into memory, where they are spread afterwards."""
    if is_shared(job):
        os.environ["ACCELERATE_USE_FSDP"] = "true"
        os.environ["FSDP_CPU_RAM_EFFICIENT_LOADING"] = "true"


def is_shared(job: Mapping[str, Any]) -> bool:
    """Whether the cards share one model between them."""
    return job.get("sharding") == "fsdp2" and world_size() > 1


def agree(*wishes: bool) -> List[bool]:
    """Return what the first process wants, in all of them.

    A wish that one process sees a step before another would leave each waiting for the other.
    """
    if world_size() == 1:
        return list(wishes)
    import torch
    import torch.distributed as distributed

    on = torch.device("cuda") if distributed.get_backend() == "nccl" else torch.device("cpu")
    flags = torch.tensor([int(wish) for wish in wishes], device=on)
    distributed.broadcast(flags, src=0)
    return [bool(flag) for flag in flags.tolist()]


def wait_for_all() -> None:
    """Wait until every process is here."""
    if world_size() > 1:
        import torch.distributed as distributed

        distributed.barrier()
