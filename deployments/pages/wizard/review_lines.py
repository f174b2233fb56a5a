"""The last look in words: every choice, the phases with times and cents, what leaves (pure)."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from datasets.models import Dataset
from deployments import base_models, drafts, model_catalogue, recipes, training_data, workload
from deployments.estimate import Range
from deployments.forecasts import OfferForecast
from deployments.models import Draft
from deployments.pages.job.spans import split_cents
from deployments.pages.wizard import likely, offers_table, range_words, settings_words, summary
from deployments.pages.wizard.budget_words import Budget
from deployments.templatetags.wording import counted, plain, rate, usd

METHOD_WORDS = {
    "sft": "Teach by example (SFT)",
    "dpo": "Prefer one answer over another (DPO)",
    "orpo": "Teach and prefer at once (ORPO)",
}
# Said before money is spent: such a run would end when the machine asks for the model.
GATED = "gated: fetched with your Hugging Face token"
OUT_OF_REACH = "gated: without a Hugging Face token in your vault no machine can fetch it"
PHASE_TONES = {"Train": "done", "End and prove": "ok"}
SHOWN_SETTINGS = {
    "lora_r": "LoRA rank",
    "lora_alpha": "alpha",
    "learning_rate": "learning rate",
    "num_train_epochs": "epochs",
    "per_device_train_batch_size": "rows at once",
    "gradient_accumulation_steps": "batches a step",
    "max_length": "max length",
}


@dataclass(frozen=True)
class Line:
    """One choice: what, in bold, its details, what differs from the preset, and its step."""

    word: str
    title: str
    details: str
    step: str
    changes: str = ""


@dataclass(frozen=True)
class PhaseLine:
    """One phase on the bar; lengths in percent of the whole."""

    word: str
    tone: str
    x: float
    width: float
    time: str
    cost: str
    basis: str


@dataclass(frozen=True)
class Leaving:
    """What goes to the machine, comes back, or never leaves."""

    icon: str
    title: str
    text: str


def lines(
    draft: Draft, forecast: OfferForecast | None, budget: Budget | None, *, has_hub_token: bool
) -> tuple[Line, ...]:
    """Return every choice with the step that changes it; what is not chosen says so."""
    return (
        _data(draft),
        _method(draft),
        _model(draft, has_hub_token=has_hub_token),
        _training(draft),
        _hardware(draft, forecast),
        _budget(draft, budget),
    )


def phases(forecast: OfferForecast | None) -> tuple[PhaseLine, ...]:
    """Return the phases; their cents add up to the likely total at both ends."""
    if forecast is None or forecast.cost_usd is None:
        return ()
    lows = split_cents([p.cost_usd.low for p in forecast.phases], total=forecast.cost_usd.low)
    highs = split_cents([p.cost_usd.high for p in forecast.phases], total=forecast.cost_usd.high)
    middles = [(p.seconds.low + p.seconds.high) / 2 for p in forecast.phases]
    whole = sum(middles) or 1.0
    found, x = [], 0.0
    for phase, low, high, middle in zip(forecast.phases, lows, highs, middles, strict=True):
        width = 100 * middle / whole
        found.append(
            PhaseLine(
                word=phase.word,
                tone=PHASE_TONES.get(phase.word, "rest"),
                x=round(x, 2),
                # A gap between the parts.
                width=round(max(0.4, width - 0.3), 2),
                time=range_words.time(phase.seconds),
                cost=range_words.money(Range(low, max(low, high))),
                basis=phase.basis,
            )
        )
        x += width
    return tuple(found)


def leaving(draft: Draft, *, cloud: str, calls_back: bool) -> tuple[Leaving, ...]:
    """Return what leaves this server, what comes back, and what never leaves."""
    dataset = draft.dataset
    sha = dataset.normalised_sha256 if dataset else ""
    hashed = f"sha256 {sha[:4]}…{sha[-4:]}"
    rows = f"The {counted(dataset.rows, 'row')} ({hashed})" if dataset else "Data"
    model = str(draft.values.get("base_model", ""))
    extra = " The base model's files, as they lie here." if model.startswith("local:") else ""
    token = ", and a token that can only report on this run" if calls_back else ""
    fetched = "" if extra else " It fetches the base model from the Hub by itself."
    return (
        Leaving(
            "arrow-up-right-circle",
            "Goes to the machine",
            f"{rows}, the settings, the training script{token}.{extra}{fetched}",
        ),
        Leaving("box-arrow-in-down", "Comes back", "Metrics, logs and the adapter."),
        Leaving(
            "shield-check",
            "Never leaves this server",
            f"Your {cloud} key, other data, other runs.",
        ),
    )


def _data(draft: Draft) -> Line:
    dataset = draft.dataset
    if dataset is None:
        return Line("Data", "Not chosen yet", "", "data")
    apart = workload.held_back(dataset.rows, share=summary.share_of(draft))
    parts = [f"{dataset.rows - apart:,} to train on, {apart:,} held out"]
    parts.append(f"max length {drafts.settings_of(draft)['max_length']:,}")
    warnings = sum(1 for each in dataset.findings if each["severity"] == "warning")
    if warnings:
        seen = "not yet seen" if drafts.warnings_to_see(draft) else "seen by you"
        parts.append(f"{counted(warnings, 'warning')} {seen}")
    title = f"{dataset.name}, {counted(dataset.rows, 'row')}"
    return Line("Data", title, " · ".join(parts), "data")


def _method(draft: Draft) -> Line:
    method, settings = drafts.method_of(draft), drafts.settings_of(draft)
    title = METHOD_WORDS.get(method, method.upper())
    if method in recipes.PREFERENCE:
        return Line(
            "Method", title, f"Preferences weigh {plain(settings['beta'])} (beta)", "method"
        )
    chat = draft.dataset is not None and draft.dataset.format == Dataset.Format.CHAT
    only = training_data.answers_only(settings, is_chat=chat)
    details = "Loss on the answers only" if only else "Loss on every word, questions too"
    return Line("Method", title, details, "method")


def _model(draft: Draft, *, has_hub_token: bool) -> Line:
    name = str(draft.values.get("base_model", ""))
    if not name:
        return Line("Model", "Not chosen yet", "", "model")
    known, shape = model_catalogue.curated(name), model_catalogue.shape_of(name)
    parts = []
    if shape is not None:
        parts.append(_parameters(shape.parameters))
    else:
        parts.append("size not known, so no estimate")
    if known is not None:
        parts.append(known.licence)
        gated = GATED if has_hub_token else OUT_OF_REACH
        parts.append(gated if known.is_gated else "open")
    if name.startswith(base_models.LOCAL):
        parts.append("from a folder of this server")
    return Line("Model", summary.model_label(name), " · ".join(parts), "model")


def _hours(hours: Decimal) -> str:
    return f"{plain(float(hours))} {'hour' if hours == 1 else 'hours'}"


def _parameters(number: int) -> str:
    if number >= 1e9:
        return f"{number / 1e9:.2f} billion parameters"
    return f"{number / 1e6:.3g} million parameters"


def _training(draft: Draft) -> Line:
    given = drafts.settings_of(draft)
    preset = str(draft.values.get("preset", ""))
    changed = _changes(draft, preset)
    words = summary.PRESET_WORDS.get(preset, "Not chosen yet")
    title = f"{words}, with {counted(len(changed), 'change')}" if changed else words
    at_once, batches = given["per_device_train_batch_size"], given["gradient_accumulation_steps"]
    parts = [
        f"LoRA rank {given['lora_r']}, alpha {given['lora_alpha']}",
        f"learning rate {plain(given['learning_rate'])}, {given['lr_scheduler_type']}",
        _length(draft, given),
        f"batch {at_once} {offers_table.TIMES} {batches} = {at_once * batches}",
    ]
    if adapter := draft.values.get("adapter_from"):
        parts.insert(0, f"Starts from the adapter of {adapter['name']}")
    return Line("Training", title, " · ".join(parts), "training", changes=", ".join(changed))


def _length(draft: Draft, given: Mapping[str, Any]) -> str:
    if given["max_steps"] is not None:
        return counted(given["max_steps"], "step")
    epochs = given["num_train_epochs"]
    words = f"{plain(epochs)} epoch{'' if epochs == 1 else 's'}"
    if draft.dataset is None:
        return words
    rows = draft.dataset.rows
    left = rows - workload.held_back(rows, share=summary.share_of(draft))
    return f"{words}, {counted(workload.total_steps(left, given), 'step')}"


def _changes(draft: Draft, preset: str) -> list[str]:
    """Return max length 1,024, preset 2,048 for each value that differs."""
    if preset == recipes.OWN_PRESET:
        return []
    usual = drafts.preset_values(draft)
    return [
        f"{_setting(name)} {_value(value)}, preset {_value(usual.get(name))}"
        for name, value in drafts.own_settings(draft).items()
        if value != usual.get(name)
    ]


def _setting(name: str) -> str:
    return SHOWN_SETTINGS.get(name) or settings_words.label(name).lower()


def _value(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "on", False: "off", None: "none"}[value]
    if isinstance(value, int):
        return f"{value:,}"
    return plain(value) if isinstance(value, float) else str(value)


def _hardware(draft: Draft, forecast: OfferForecast | None) -> Line:
    if forecast is None:
        return Line("Hardware", "Not chosen yet", "", "hardware")
    offer, need = forecast.offer, forecast.need
    word = offers_table.WORDS[forecast.verdict][0].lower()
    parts = []
    if need is not None and offer.vram_gib is not None:
        parts.append(f"{offer.vram_gib} GB, needs {need.gib:.1f} GB: {word}")
    parts.append(f"{rate(offer.hourly_price_usd)}, frozen at Start")
    limit = likely.amount(draft, "fallback_total_limit")
    if limit is not None:
        parts.append(f"then the next free offer that likely totals up to {usd(limit)}")
    if waits := draft.values.get("wait_for_capacity_minutes"):
        parts.append(f"waits up to {waits} min")
    title = f"{offers_table.gpu_words(offer)}, {offers_table.where_words(offer)}"
    return Line("Hardware", title, " · ".join(parts), "hardware")


def _budget(draft: Draft, budget: Budget | None) -> Line:
    amount = likely.amount(draft, "budget_limit")
    if amount is None:
        return Line("Budget", "Not set yet", "", "hardware")
    hours = likely.amount(draft, "max_hours")
    title = usd(amount) + (f", at most {_hours(hours)}" if hours else "")
    kept = int(draft.values.get("keep_on_failure_minutes") or 0)
    failed = f"is kept {kept} min to look" if kept else "ends at once"
    parts = [f"Training stops at {usd(budget.stop)} and lands safely"] if budget else []
    parts.append(f"on failure the machine {failed}")
    return Line("Budget", title, " · ".join(parts), "hardware")
