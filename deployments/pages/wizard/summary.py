"""The card that stays in view: what is chosen so far, the memory it needs, what it may cost."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from deployments import drafts, model_catalogue, recipes, workload
from deployments.models import Draft
from deployments.pages.job_page import model_words
from deployments.templatetags.wording import NOT_KNOWN, plain, usd

PRESET_WORDS = {
    "light": "Light",
    "balanced": "Balanced",
    "thorough": "Thorough",
    recipes.OWN_PRESET: "As an earlier run",
}


@dataclass(frozen=True)
class Pair:
    """One line of the card; ``is_open`` when its step is still to come."""

    label: str
    value: str
    is_open: bool = False


@dataclass(frozen=True)
class Summary:
    """The card. ``cost`` and what stands below it are words; ``memory`` is for its template."""

    pairs: tuple[Pair, ...]
    saved_at: datetime | None
    cost: str = NOT_KNOWN
    cost_lines: tuple[str, ...] = (
        "Appears once a model is chosen. Nothing is rented before you press Start.",
    )
    memory: Any = None
    # Beside the price in the bar at a phone's foot.
    short: str = ""
    is_cost_known: bool = False


def of(draft: Draft) -> Summary:
    """Return the card as far as the draft alone tells."""
    saved_at = draft.updated_at if draft.version else None
    if not draft.values.get("base_model"):
        return Summary(pairs=pairs(draft), saved_at=saved_at)
    later = "Appears with the machines in step 5. Nothing is rented before you press Start."
    return Summary(pairs=pairs(draft), saved_at=saved_at, cost_lines=(later,))


def pairs(draft: Draft) -> tuple[Pair, ...]:
    """Return the choices so far; a step not yet done says which it is."""
    values = draft.values
    return (
        *_data(draft),
        _pair("Method", drafts.method_of(draft).upper() if "method" in values else "", 2),
        _pair("Model", model_label(str(values.get("base_model", ""))), 3),
        *_training(draft),
        *_hardware(draft),
    )


def model_label(model: str) -> str:
    """Return a base model's name for people: that of the curated list where it is in it."""
    known = model_catalogue.curated(model)
    return known.label if known else model_words(model)


def share_of(draft: Draft) -> float:
    """Return the share of the rows that is held out: none where other data measures."""
    kept = draft.values.get("eval", {})
    default = recipes.EVAL["share"].default
    return workload.share_held_out({"share": default, **kept})


def _data(draft: Draft) -> list[Pair]:
    dataset = draft.dataset
    if dataset is None:
        return [_pair("Data", "", 1)]
    if not dataset.is_ready:
        return [Pair("Data", dataset.name), Pair("Rows", "not usable")]
    apart = workload.held_back(dataset.rows, share=share_of(draft))
    rows = f"{dataset.rows - apart:,} + {apart:,} held out" if apart else f"{dataset.rows:,}"
    return [Pair("Data", dataset.name), Pair("Rows", rows)]


def _training(draft: Draft) -> list[Pair]:
    preset = draft.values.get("preset")
    if not preset:
        return [_pair("Training", "", 4)]
    given = drafts.settings_of(draft)
    at_once, steps = given["per_device_train_batch_size"], given["gradient_accumulation_steps"]
    words = PRESET_WORDS.get(str(preset), str(preset))
    epochs = given["num_train_epochs"]
    words += f", {plain(epochs)} epoch{'' if epochs == 1 else 's'}"
    return [
        Pair("Training", words),
        Pair("Batch", f"{at_once} × {steps} = {at_once * steps}"),  # noqa: RUF001  # a product
        Pair("Max length", f"{given['max_length']:,}"),
    ]


def _hardware(draft: Draft) -> list[Pair]:
    machine, budget = draft.values.get("machine"), draft.values.get("budget_limit")
    found = []
    if machine:
        found = [Pair("Machine", str(machine.get("instance_type", ""))), *_where(machine)]
    if budget:
        found.append(Pair("Budget", usd_text(budget)))
    return found


def _where(machine: dict[str, Any]) -> list[Pair]:
    region = machine.get("region")
    return [Pair("Where", str(region))] if region else []


def usd_text(amount: str) -> str:
    """Return a kept amount as money."""
    return usd(Decimal(amount))


def _pair(label: str, value: str, step: int) -> Pair:
    return Pair(label, value) if value else Pair(label, f"step {step}", is_open=True)
