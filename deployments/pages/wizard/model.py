"""Step 3: which model to begin from, with what can be told of it before a machine is rented."""

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from core.errors import SlipwayError
from deployments import base_models, drafts, estimate, forecasts, model_catalogue, recipes, workload
from deployments.estimate import MemoryNeed, ModelShape
from deployments.model_catalogue import CURATED
from deployments.models import Draft
from deployments.pages.answers import page
from deployments.pages.job_page import model_words
from deployments.pages.wizard import frame
from deployments.workload import RowLengths

STEP = "model"
HUB = "hub"
# The sizes of card that clouds rent most, in GB.
CARD_SIZES = (24, 40, 48, 80)
CARD_WORDS = {24: "A10", 40: "A100", 48: "A6000", 80: "H100"}


@dataclass(frozen=True)
class Chip:
    """One size of card, and whether the run fits on it."""

    words: str
    verdict: str

    @property
    def is_tight(self) -> bool:
        """Whether it fits with little room to spare."""
        return self.verdict == estimate.TIGHT


@dataclass(frozen=True)
class ModelLine:
    """A model to choose; figures are None where they are not known."""

    value: str
    label: str
    second: str
    parameters: int | None
    licence: str
    context_tokens: int | None
    is_gated: bool
    need_gib: float | None
    chips: tuple[Chip, ...]
    is_chosen: bool

    @property
    def billions(self) -> str:
        """Its size in words."""
        if self.parameters is None:
            return "not known"
        billions = self.parameters / 1e9
        return (
            f"{billions:.1f} billion" if billions >= 1 else f"{self.parameters / 1e6:.0f} million"
        )


@page
@require_http_methods(["GET", "POST"])
def step(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Show the step; on POST keep the model and move on, or only say what is known of it."""
    draft = frame.own_draft(request, draft_id)
    if request.method != "POST":
        return _show(request, draft, str(draft.values.get("base_model", "")))
    pressed = request.POST.get("base_model", "")
    model = request.POST.get("hub_model", "").strip() if pressed == HUB else pressed
    error = _error(model, is_free=pressed == HUB)
    if error and not frame.goes_back(request):
        return _show(request, draft, model, error=error, is_free=pressed == HUB)
    if not error:
        draft = drafts.change(draft, {"base_model": model})
    return frame.moved_on(request, draft, STEP)


def _error(model: str, *, is_free: bool) -> str:
    if not model:
        return "Name the model as on the Hub: owner/name." if is_free else "Choose a model."
    found = drafts.model_gaps(model)
    return f"{found[0].message} {found[0].remedy}" if found else ""


def curated_lines(draft: Draft, chosen: str) -> list[ModelLine]:
    """Return the well-known models, smallest first."""
    needs = _Needs(draft)
    return [
        _line(
            needs,
            value=model.hub_id,
            label=model.label,
            second=model.hub_id,
            shape=model.shape,
            context=model.context_tokens,
            licence=model.licence,
            is_gated=model.is_gated,
            chosen=chosen,
        )
        for model in CURATED
    ]


def local_lines(draft: Draft, chosen: str) -> list[ModelLine]:
    """Return the folders that the administrator allows, by name."""
    needs = _Needs(draft)
    return [
        _line(
            needs,
            value=name,
            label=model_words(name),
            second="a folder of this server",
            shape=model_catalogue.shape_of(name),
            context=model_catalogue.context_of(name),
            licence="",
            is_gated=False,
            chosen=chosen,
        )
        for name in base_models.local_names()
    ]


class _Needs:
    """What a model would need with the draft's settings and data."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        dataset = draft.dataset
        has_rows = dataset is not None and dataset.is_ready
        self._lengths = (
            forecasts.row_lengths(dataset) if dataset and has_rows else RowLengths(0, 0.0)
        )

    def of(
        self, base_model: str, shape: ModelShape | None, context: int | None
    ) -> MemoryNeed | None:
        """Return the memory; None where the size is not known or the settings cannot be used."""
        if shape is None:
            return None
        try:
            recipe = recipes.freeze(
                method=drafts.method_of(self._draft),
                base_model=base_model,
                hyperparameters=drafts.hyperparameters(self._draft),
                evaluation={},
            )
        except SlipwayError:
            return None
        load = workload.load_of(recipe, self._lengths, context_tokens=context)
        return estimate.memory_need(shape, load)


def _line(
    needs: _Needs,
    *,
    value: str,
    label: str,
    second: str,
    shape: ModelShape | None,
    context: int | None,
    licence: str,
    is_gated: bool,
    chosen: str,
) -> ModelLine:
    need = needs.of(value, shape, context)
    return ModelLine(
        value=value,
        label=label,
        second=second,
        parameters=shape.parameters if shape else None,
        licence=licence,
        context_tokens=context,
        is_gated=is_gated,
        need_gib=need.gib if need else None,
        chips=tuple(_chips(need)),
        is_chosen=value == chosen,
    )


def _chips(need: MemoryNeed | None) -> Iterable[Chip]:
    """Name the smallest size of card on which the run fits, and a smaller one if it is tight."""
    if need is None:
        return
    for size in CARD_SIZES:
        verdict = estimate.memory_verdict(need, vram_gib=size)
        card = f"{CARD_WORDS[size]}, {size} GB"
        if verdict == estimate.TIGHT:
            yield Chip(f"Tight on {card}", verdict)
        elif verdict == estimate.FITS:
            yield Chip(card if size == CARD_SIZES[-1] else f"{card} and up", verdict)
            return


def _show(
    request: HttpRequest,
    draft: Draft,
    chosen: str,
    *,
    error: str = "",
    is_free: bool | None = None,
) -> HttpResponse:
    curated, local = curated_lines(draft, chosen), local_lines(draft, chosen)
    listed = {line.value for line in [*curated, *local]}
    free = bool(chosen) and chosen not in listed if is_free is None else is_free
    context = {
        "curated": curated,
        "local": local,
        "is_free": free,
        "free": chosen if free else "",
        "is_free_checked": free and not error,
        "error": error,
    }
    return frame.show(request, draft, STEP, context)
