"""Step 1: what the model should learn from, what is wrong with it, and what is held out."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST

from core.lookups import get_owned
from datasets import services
from datasets.lengths import RowLengths
from datasets.models import Dataset
from deployments import drafts, recipes, workload
from deployments.models import Draft
from deployments.pages import data as data_pages
from deployments.pages import data_columns, length_picture
from deployments.pages.answers import page
from deployments.pages.data import WORDS, FindingKind
from deployments.pages.forms import PlainForm, UploadForm
from deployments.pages.length_picture import LengthPicture
from deployments.pages.wizard import frame, summary
from deployments.templatetags.wording import counted, plain

STEP = "data"
SHARES = (0.05, 0.1, 0.0)
# Which findings are shown, by the word in the address; the usual one comes first.
SHOWN = {"all": "All", "error": "Errors", "warning": "Warnings", "info": "Notes"}
CHOOSE = "choose"
OWN_FILE = "file"


class DataForm(PlainForm):
    """The tick for the warnings, and how much is held out."""

    seen = forms.BooleanField(required=False, label="I have seen the warnings and want to go on")
    share = forms.CharField(required=False, max_length=20)
    evaluation = forms.CharField(required=False, max_length=40)

    def __init__(
        self, *args: Any, needs_tick: bool, others: Iterable[Dataset] = (), **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.needs_tick = needs_tick
        self._others = {str(other.pk) for other in others}

    @property
    def measured(self) -> dict[str, Any]:
        """What is evaluated with, as a recipe has it; empty where nothing was chosen."""
        share = self.cleaned_data["share"]
        if share == OWN_FILE:
            return {"dataset_id": self.cleaned_data["evaluation"]}
        return {} if not share else {"share": float(share), "dataset_id": None}

    def clean_share(self) -> str:
        """A share of the rows, or data of its own."""
        share = str(self.cleaned_data["share"])
        if share in ("", OWN_FILE):
            return share
        try:
            fine = 0 <= float(share) <= recipes.MOST_HELD_OUT
        except ValueError:
            fine = False
        if not fine:
            raise forms.ValidationError("Choose how much is held out.")
        return share

    def clean(self) -> dict[str, Any]:
        """Data of its own must be named, and be data that measures the same."""
        given = super().clean() or {}
        if given.get("share") == OWN_FILE and given.get("evaluation") not in self._others:
            self.add_error("evaluation", "Choose the file to measure with.")
        return given

    def clean_seen(self) -> bool:
        """Warnings want one tick before the next step."""
        seen = bool(self.cleaned_data["seen"])
        if self.needs_tick and not seen:
            raise forms.ValidationError("Tick this to go on, or choose other data.")
        return seen


@dataclass(frozen=True)
class Figures:
    """What was found in a file that can be trained on."""

    lengths: RowLengths | None
    picture: LengthPicture | None
    kinds: tuple[FindingKind, ...]
    is_exact: bool

    @property
    def errors(self) -> int:
        """How many rows have errors."""
        return self._rows("error")

    @property
    def warnings(self) -> int:
        """How many rows are warned of."""
        return self._rows("warning")

    @property
    def warning_kinds(self) -> int:
        """How many kinds of warnings there are."""
        return sum(kind.word == WORDS["warning"] for kind in self.kinds)

    @property
    def answer_percent(self) -> float | None:
        """The part of the tokens that is trained on."""
        return 100 * self.lengths.answer_share if self.lengths else None

    @property
    def ninety_five(self) -> int | None:
        """The length that 95 rows in 100 do not exceed."""
        return self.lengths.quantile(0.95) if self.lengths else None

    def _rows(self, severity: str) -> int:
        return sum(kind.rows for kind in self.kinds if kind.word == WORDS[severity])


@dataclass(frozen=True)
class ShareChoice:
    """One way to hold rows out."""

    value: str
    title: str
    text: str
    is_chosen: bool


@page
@require_http_methods(["GET", "POST"])
def step(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Show the step; on POST keep the tick and the share and move on, or take other data."""
    draft = frame.own_draft(request, draft_id)
    if request.method == "POST" and "dataset" in request.POST:
        chosen = get_owned(own_data(draft.user), draft.user, request.POST["dataset"])
        return _taken(draft, chosen)
    figures = figures_of(draft)
    needs_tick = figures is not None and figures.warnings > 0
    if request.method != "POST":
        seen = needs_tick and not drafts.warnings_to_see(draft) and _has_seen(draft, figures)
        form = DataForm(
            initial={"seen": seen, "evaluation": evaluation_id(draft)}, needs_tick=needs_tick
        )
        return _show(request, draft, figures, form)
    form = DataForm(request.POST, needs_tick=needs_tick, others=others_to_measure_with(draft))
    if figures is None or not _usable(draft) or not form.is_valid():
        return _show(request, draft, figures, form)
    values: dict[str, Any] = {
        "eval": form.measured or {"share": summary.share_of(draft)},
        "warnings_seen": _codes(figures),
    }
    return frame.moved_on(request, drafts.change(draft, values), STEP)


@csrf_exempt  # looked at below: checking it here would read the whole body first
@page
@require_POST
def upload(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Keep a file as this draft's data; a body too large is not even read (T18)."""
    data_pages.refuse_too_large(request)
    return _upload(request, draft_id)


@csrf_protect
def _upload(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    draft = frame.own_draft(request, draft_id)
    form = UploadForm(request.POST, request.FILES)
    dataset = data_pages.kept(draft.user, form)
    if dataset is not None:
        return _taken(draft, dataset)
    figures = figures_of(draft)
    return _show(request, draft, figures, DataForm(needs_tick=False), upload=form)


@page
@require_POST
def take_sample(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Take our own sample rows as this draft's data."""
    draft = frame.own_draft(request, draft_id)
    return _taken(draft, data_pages.kept_sample(draft.user, request.POST.get("sample", "")))


@page
@require_POST
def drop_repeats(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Take the draft's data with each row once; what was uploaded stays as it is."""
    draft = frame.own_draft(request, draft_id)
    if draft.dataset is None:
        return frame.redirected(draft, STEP)
    dataset, repeats = services.without_repeats(draft.dataset)
    messages.success(
        request, f"{counted(repeats, 'row')} removed. {draft.dataset.name} itself stays as it is."
    )
    return _taken(draft, dataset)


def own_data(user: User) -> QuerySet[Dataset]:
    """Return the reader's data, newest first."""
    return Dataset.objects.active().filter(user=user)


def figures_of(draft: Draft) -> Figures | None:
    """Return what was found in the draft's data; None without any."""
    dataset = draft.dataset
    if dataset is None or dataset.deleted_at is not None:
        return None
    kinds = data_pages.finding_kinds(dataset.findings, dataset.finding_totals)
    lengths, is_exact = None, False
    fit = drafts.fit_of(draft)
    if fit is not None:
        kinds += data_pages.finding_kinds(fit.findings.listed(), fit.findings.totals)
        if fit.counts is not None:
            lengths, is_exact = fit.counts.lengths, fit.counts.is_exact
    max_length = int(drafts.settings_of(draft)["max_length"])
    picture = length_picture.of(lengths, max_length=max_length) if lengths is not None else None
    order = list(WORDS.values())
    kinds.sort(key=lambda kind: order.index(kind.word))
    return Figures(lengths, picture, tuple(kinds), is_exact=is_exact)


def share_choices(draft: Draft, dataset: Dataset) -> tuple[ShareChoice, ...]:
    """Return the ways to hold rows out, with the rows each takes; an odd earlier share too."""
    now = summary.share_of(draft)
    shares = SHARES if now in SHARES else (now, *SHARES)
    of_its_own = bool(evaluation_id(draft))
    choices = tuple(
        _share_choice(share, dataset.rows, is_chosen=share == now and not of_its_own)
        for share in shares
    )
    if not of_its_own and not others_to_measure_with(draft):
        return choices
    text = "All rows are trained on; the file is kept apart."
    return (*choices, ShareChoice(OWN_FILE, "Another file", text, of_its_own))


def evaluation_id(draft: Draft) -> str:
    """Return the id of the data that the draft measures with; "" where rows are held out."""
    return str(draft.values.get("eval", {}).get("dataset_id") or "")


def others_to_measure_with(draft: Draft) -> list[Dataset]:
    """Return the reader's other data that is ready and of the same format, newest first."""
    dataset = draft.dataset
    if dataset is None:
        return []
    ready = own_data(draft.user).filter(status=Dataset.Status.READY, format=dataset.format)
    return list(ready.exclude(pk=dataset.pk)[: data_pages.SHOWN])


def _share_choice(share: float, rows: int, *, is_chosen: bool) -> ShareChoice:
    if not share:
        return ShareChoice("0", "Nothing", "No eval loss, so no best checkpoint.", is_chosen)
    apart = workload.held_back(rows, share=share)
    title = f"{plain(100 * share)} %, {counted(apart, 'row')}"
    return ShareChoice(str(share), title, "Chosen at random, the same every time.", is_chosen)


def _taken(draft: Draft, dataset: Dataset) -> HttpResponse:
    if dataset.pk != draft.dataset_id:
        draft = drafts.change(draft, {"warnings_seen": []}, dataset=dataset)
    return redirect(frame.url_of(draft, STEP))


def _usable(draft: Draft) -> bool:
    return draft.dataset is not None and draft.dataset.is_ready


def _codes(figures: Figures) -> list[str]:
    return [kind.code for kind in figures.kinds if kind.word == WORDS["warning"]]


def _has_seen(draft: Draft, figures: Figures | None) -> bool:
    seen = draft.values.get("warnings_seen", [])
    return figures is not None and set(_codes(figures)) <= set(seen)


def _show(
    request: HttpRequest,
    draft: Draft,
    figures: Figures | None,
    form: DataForm,
    *,
    upload: UploadForm | None = None,
) -> HttpResponse:
    dataset = draft.dataset if figures is not None else None
    shown = request.GET.get("show", "all")
    context = {
        "form": form,
        "dataset": dataset,
        "figures": figures,
        "kinds": _filtered(figures, shown),
        "filters": _filters(draft, figures, shown),
        "previews": [data_pages.turns(row) for row in services.preview(dataset)] if dataset else [],
        "shares": share_choices(draft, dataset) if dataset else (),
        "others": others_to_measure_with(draft) if dataset else (),
        "own_file": OWN_FILE,
        "columns": data_columns.columns_to_name(dataset) if dataset else (),
        "checked_percent": data_pages.checked_percent(dataset) if dataset else None,
        "is_choosing": dataset is None or upload is not None or CHOOSE in request.GET,
        "choices": own_data(draft.user)[: data_pages.SHOWN],
        "upload": upload or UploadForm(),
        "sample_rows": data_pages.SAMPLE_ROWS,
    }
    return frame.show(request, draft, STEP, context)


def _filtered(figures: Figures | None, shown: str) -> list[FindingKind]:
    kinds = list(figures.kinds) if figures else []
    return [kind for kind in kinds if shown not in WORDS or kind.word == WORDS[shown]]


def _filters(draft: Draft, figures: Figures | None, shown: str) -> list[tuple[str, str, bool]]:
    """Return (address, word, is chosen) of every kind of finding there is; none for one kind."""
    found = {kind.word for kind in figures.kinds} if figures else set()
    if len(found) < 2:
        return []
    url = reverse("deployments:wizard-data", args=[draft.pk])
    names = ["all", *[name for name, word in WORDS.items() if word in found]]
    chosen = shown if shown in names else "all"
    return [(f"{url}?show={name}#findings", SHOWN[name], name == chosen) for name in names]
