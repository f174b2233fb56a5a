"""Step 4: with which settings; a preset first, then whatever else one wants to change."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from datasets import services
from deployments import drafts, model_catalogue, recipes, workload
from deployments.models import Draft
from deployments.pages.answers import page
from deployments.pages.wizard import frame, likely, summary, token_preview
from deployments.pages.wizard.settings_form import SettingsForm, typed
from deployments.pages.wizard.settings_words import (
    EVAL_SAMPLES,
    EVAL_STEPS,
    EVALUATION,
    MERGED,
    SettingWords,
    advanced,
    simple,
)
from deployments.pages.wizard.summary import Summary
from deployments.templatetags.wording import count, counted, plain

STEP = "training"
PRESET, RESET, WITHOUT_ADAPTER = "preset", "reset", "without_adapter"
PRESET_TEXTS = {
    "light": "Quick and cheap: a first look at whether the data teaches what it should.",
    "balanced": "For most data: enough room to learn, enough passes to settle.",
    "thorough": "For much or difficult data: more room, more passes, longer rows, more memory.",
}


@dataclass(frozen=True)
class PresetCard:
    """A preset to press."""

    name: str
    title: str
    text: str
    figures: str
    is_chosen: bool


@dataclass(frozen=True)
class SettingRow:
    """One setting with its field; ``preset`` is what a reset would bring back."""

    words: SettingWords
    field: forms.BoundField
    is_changed: bool
    preset: str


@dataclass(frozen=True)
class Arithmetic:
    """What the settings amount to, in words."""

    batch: str
    steps: str
    cut: str


@page
@require_http_methods(["GET", "POST"])
def step(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Show the step; on POST keep the settings and move on, or take a preset, or reset one."""
    draft = frame.own_draft(request, draft_id)
    method = drafts.method_of(draft)
    if request.method != "POST":
        return _show(request, draft, SettingsForm(method, initial=first_values(draft)))
    chosen = request.POST.get(PRESET)
    if chosen in recipes.presets(method):
        draft = drafts.change(draft, {"preset": chosen, "hyperparameters": {}})
        return frame.redirected(draft, STEP)
    if WITHOUT_ADAPTER in request.POST:
        return frame.redirected(drafts.change(draft, {"adapter_from": None}), STEP)
    form = SettingsForm(method, _with_reset(draft, request), evaluation=draft.values.get("eval"))
    if form.is_valid():
        draft = drafts.change(draft, _kept(draft, form))
        stays = RESET in request.POST
        return frame.redirected(draft, STEP) if stays else frame.moved_on(request, draft, STEP)
    if frame.goes_back(request):
        return frame.moved_on(request, draft, STEP)
    return _show(request, draft, form)


def first_values(draft: Draft) -> dict[str, Any]:
    """Return the settings as the form's fields hold them."""
    values = {name: typed(value) for name, value in drafts.settings_of(draft).items()}
    measured = draft.values.get("eval", {})
    for name, key in EVALUATION.items():
        value = measured.get(key)
        values[name] = "" if value == recipes.EVAL[key].default else typed(value)
    values[MERGED.name] = draft.values.get("export", {}).get(MERGED.name, False)
    return values


def preset_cards(draft: Draft) -> tuple[PresetCard, ...]:
    """Return the presets; for a copy of an earlier run its own settings stand first."""
    chosen = preset_of(draft)
    cards = [
        PresetCard(
            name=name,
            title=summary.PRESET_WORDS[name],
            text=PRESET_TEXTS[name],
            figures=_figures(values),
            is_chosen=name == chosen,
        )
        for name, values in recipes.presets(drafts.method_of(draft)).items()
    ]
    return tuple(cards)


def preset_of(draft: Draft) -> str:
    """Return the draft's preset, or the one that is proposed."""
    return str(draft.values.get("preset", drafts.DEFAULT_PRESET))


def arithmetic(draft: Draft) -> Arithmetic:
    """Say what a step is, how many there are, and how many rows are cut."""
    settings, dataset = drafts.settings_of(draft), draft.dataset
    at_once = int(settings["per_device_train_batch_size"])
    batches = int(settings["gradient_accumulation_steps"])
    a_step = at_once * batches
    batch = (
        f"{counted(at_once, 'row')} at once × {counted(batches, 'batch,batches')} = "  # noqa: RUF001
        f"{counted(a_step, 'row')} a step"
    )
    if dataset is None or not dataset.is_ready:
        return Arithmetic(batch, steps="", cut="")
    apart = workload.held_back(dataset.rows, share=summary.share_of(draft))
    rows = dataset.rows - apart
    steps = counted(workload.total_steps(rows, settings), "step")
    epochs = f"{plain(settings['num_train_epochs'])} epochs"
    if settings["num_train_epochs"] == 1:
        epochs = "1 epoch"
    by = f"{counted(rows, 'row')}, {epochs}"
    if settings["max_steps"] is not None:
        by = f"{counted(rows, 'row')}, stopped early or late by the number of steps"
    if settings.get("packing"):
        steps += ", fewer once rows are packed"
    return Arithmetic(batch, steps=f"{by}: {steps}", cut=_cut(draft, settings))


def _cut(draft: Draft, settings: dict[str, Any]) -> str:
    lengths = services.row_lengths(draft.dataset) if draft.dataset else None
    if lengths is None:
        return ""
    asked = int(settings["max_length"])
    reads = model_catalogue.context_of(str(draft.values.get("base_model", "")))
    limit = min(asked, reads or asked)
    who = f"The model reads at most {count(reads)} tokens, so" if reads and reads < asked else "At"
    at = f"{who} {count(limit)} tokens" if who == "At" else who
    beyond = lengths.rows_beyond(limit)
    verb = "is" if beyond == 1 else "are"
    cut = f"about {counted(beyond, 'row')} of {count(lengths.rows)} {verb} cut" if beyond else ""
    return f"{at} {cut or 'no row is cut'}."


def _figures(values: Any) -> str:
    epochs = values["num_train_epochs"]
    return (
        f"rank {values['lora_r']}, alpha {values['lora_alpha']} · {plain(epochs)} "
        f"epoch{'' if epochs == 1 else 's'} · learning rate {plain(values['learning_rate'])} · "
        f"{count(values['max_length'])} tokens"
    )


def _with_reset(draft: Draft, request: HttpRequest) -> Any:
    """Return what was typed, with one field put back when its reset was pressed."""
    name = request.POST.get(RESET)
    if name is None:
        return request.POST
    given = request.POST.copy()
    value = drafts.preset_values(draft).get(name)
    given.pop(name, None)
    if value is not False:
        given[name] = "on" if value is True else str(typed(value))
    return given


def _kept(draft: Draft, form: SettingsForm) -> dict[str, Any]:
    """Return the step's own values: what differs from the preset, and how often is measured."""
    preset = drafts.preset_values(draft)
    given = form.settings()
    return {
        "preset": preset_of(draft),
        "hyperparameters": {name: v for name, v in given.items() if v != preset[name]},
        "eval": form.measured(),
        "export": form.exported(),
    }


def _show(request: HttpRequest, draft: Draft, form: SettingsForm) -> HttpResponse:
    method = drafts.method_of(draft)
    more = _rows(draft, form, (*advanced(method), EVAL_STEPS, EVAL_SAMPLES))
    changed = [row for row in more if row.is_changed]
    context = {
        "form": form,
        "presets": preset_cards(draft),
        "preset": summary.PRESET_WORDS[preset_of(draft)],
        "adapter": draft.values.get("adapter_from"),
        "is_copy": preset_of(draft) == recipes.OWN_PRESET,
        "simple": _rows(draft, form, simple(method)),
        "advanced": more,
        "changed": len(changed),
        "merged": SettingRow(MERGED, form[MERGED.name], is_changed=False, preset=""),
        "is_open": any(row.field.errors for row in more) or bool(changed),
        "arithmetic": arithmetic(draft),
        "preview": token_preview.of(draft, asked=request.GET.get("row", "")),
        "summary": _summary(draft),
    }
    return frame.show(request, draft, STEP, context)


def _summary(draft: Draft) -> Summary:
    """Return the card, with the price that these settings have on the machine once one is chosen.

    Before that no cloud is asked: a step must not wait for one.
    """
    place = likely.chosen(draft)
    forecast = likely.look(draft).forecast_of(place) if place else None
    return likely.summary_with(draft, forecast)


def _rows(draft: Draft, form: SettingsForm, words: tuple[SettingWords, ...]) -> list[SettingRow]:
    preset = drafts.preset_values(draft)
    found = []
    for word in words:
        field = form[word.name]
        usual = typed(preset.get(word.name))
        value = field.value()
        now = bool(value) if isinstance(usual, bool) else str("" if value is None else value)
        found.append(
            SettingRow(
                words=word,
                field=field,
                is_changed=now != (usual if isinstance(usual, bool) else str(usual)),
                preset=_said(usual),
            )
        )
    return found


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "ticked" if value else "unticked"
    return str(value) or "empty"
