"""Drafts at any point of the wizard, and what its forms send."""

import re
from html import unescape
from typing import Any

from django.contrib.auth.models import User

from datasets.models import Dataset
from deployments import drafts
from deployments.models import Draft

MODEL = "example/tiny-llama"
SETTINGS = {
    "num_train_epochs": "3",
    "learning_rate": "2e-4",
    "max_length": "2048",
    "per_device_train_batch_size": "2",
    "gradient_accumulation_steps": "8",
    "lora_r": "16",
    "lora_alpha": "32",
    "lora_dropout": "0",
    "target_modules": "all-linear",
    "lr_scheduler_type": "cosine",
    "warmup_ratio": "0.03",
    "weight_decay": "0",
    "max_steps": "",
    "seed": "42",
    "assistant_only_loss": "on",
    "completion_only_loss": "on",
    "gradient_checkpointing": "on",
    "logging_steps": "1",
    "save_steps": "",
    "save_total_limit": "2",
    "early_stopping_patience": "",
    "early_stopping_threshold": "0.001",
    "eval_steps": "",
}


def words(page: str) -> str:
    """Return what a page says, without its tags, with single spaces."""
    body = page.partition("</head>")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


def settings_of(**changes: Any) -> dict[str, Any]:
    """Return what an untouched Training step of the balanced preset sends, with changes.

    None leaves a field out, as an unticked box is.
    """
    return {name: value for name, value in (SETTINGS | changes).items() if value is not None}


def at_hardware(user: User, dataset: Dataset, /, **values: Any) -> Draft:
    """Return a draft whose first four steps are done."""
    draft = drafts.begin(user, dataset=dataset)
    done: dict[str, Any] = {
        "method": "sft",
        "base_model": MODEL,
        "preset": "balanced",
        "hyperparameters": {},
        "eval": {"share": 0.05},
        "warnings_seen": ["duplicate_rows", "last_message_not_assistant", "too_few_rows"],
    }
    return drafts.change(draft, done | values)
