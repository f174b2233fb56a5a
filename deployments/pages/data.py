"""The pages of training data: upload a file, see what is wrong with it, delete it."""

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from core.errors import ConflictError, InvalidInputError, TooLargeError
from core.lookups import get_owned
from datasets import formats, samples, services
from datasets.findings import as_csv
from datasets.models import Dataset
from deployments import services as deployment_services
from deployments.models import TrainingConfig
from deployments.pages import data_columns
from deployments.pages.answers import member, page
from deployments.pages.forms import UploadForm
from deployments.templatetags.wording import size

SHOWN = 100
SAMPLE_ROWS = 300
CHAT_SAMPLE = "chat"
# Our own sample data: its name, and who makes its rows.
SAMPLES = {
    CHAT_SAMPLE: ("Sample: sums and units", samples.chat_rows),
    "preference": ("Sample: right and wrong sums", samples.preference_rows),
}
LINES_NAMED = 3
# What a form adds to the bytes of its file.
FORM_BYTES = 64 * 1024
TONES = {"error": "bad", "warning": "warn", "info": "quiet"}
WORDS = {"error": "Error", "warning": "Warning", "info": "Note"}


@dataclass(frozen=True)
class FindingKind:
    """All findings of one code: one row of the table."""

    code: str
    word: str
    tone: str
    message: str
    rows: int
    lines: tuple[int, ...]
    has_more_lines: bool
    fix: str
    excerpt: str


@dataclass(frozen=True)
class Turn:
    """One part of a row as the model will see it."""

    who: str
    text: str
    is_learnt: bool


@page
@require_safe
def datasets(request: HttpRequest) -> HttpResponse:
    """List the user's data, and offer to upload some."""
    return _show(request, member(request), UploadForm())


@csrf_exempt  # looked at below: checking it here would read the whole body first
@page
@require_POST
def upload(request: HttpRequest) -> HttpResponse:
    """Keep a file, check it, and show what was found; a body too large is not even read (T18)."""
    refuse_too_large(request)
    return _upload(request)


@csrf_protect
def _upload(request: HttpRequest) -> HttpResponse:
    user = member(request)
    form = UploadForm(request.POST, request.FILES)
    dataset = kept(user, form)
    if dataset is None:
        return _show(request, user, form)
    return redirect("deployments:dataset", dataset.pk)


def refuse_too_large(request: HttpRequest) -> None:
    """Raise TooLargeError by the length that was announced, before anything is read (T18)."""
    limit: int = settings.DATASET_SIZE_LIMIT_BYTES
    if int(request.META.get("CONTENT_LENGTH") or 0) > limit + FORM_BYTES:
        raise TooLargeError(
            f"The file is larger than {size(limit)}.", remedy="Upload fewer rows at once."
        )


def kept(user: User, form: UploadForm) -> Dataset | None:
    """Keep and check what was uploaded; None when it was refused, with the form's errors set."""
    if not form.is_valid():
        return None
    file = form.cleaned_data["file"]
    name = form.cleaned_data["name"].strip() or file.name
    try:
        return services.create_dataset(user, file=file, name=name, mapping=form.mapping)
    except (InvalidInputError, TooLargeError) as error:
        field = error.param if error.param in form.fields else "file"
        form.refuse(field, error)
        return None


@page
@require_POST
def take_sample(request: HttpRequest) -> HttpResponse:
    """Keep our own sample rows as the user's data; on the first visit the wizard goes on."""
    dataset = kept_sample(member(request), request.POST.get("sample", CHAT_SAMPLE))
    if request.POST.get("next") == "new":
        return redirect(f"{reverse('deployments:new-run')}?dataset={dataset.pk}")
    return redirect("deployments:dataset", dataset.pk)


def kept_sample(user: User, kind: str) -> Dataset:
    """Keep our own sample rows as the user's data; who has them already keeps those."""
    name, rows = SAMPLES.get(kind, SAMPLES[CHAT_SAMPLE])
    # A few sums come up twice; whoever begins must not begin with a warning.
    lines = samples.as_json_lines(rows(rows=2 * SAMPLE_ROWS)).splitlines(keepends=True)
    content = b"".join(list(dict.fromkeys(lines))[:SAMPLE_ROWS])
    same = Dataset.objects.active().filter(user=user, sha256=hashlib.sha256(content).hexdigest())
    found = same.filter(status=Dataset.Status.READY).first()
    return found or services.create_dataset(user, file=io.BytesIO(content), name=name)


@page
@require_safe
def dataset(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """Show what was found in a file, and three rows of it."""
    found = _own(member(request), dataset_id)
    kinds = finding_kinds(found.findings, found.finding_totals)
    tally = Counter(kind.word for kind in kinds)
    context = {
        "dataset": found,
        "kinds": kinds,
        "errors": sum(kind.rows for kind in kinds if kind.word == WORDS["error"]),
        "warnings": sum(kind.rows for kind in kinds if kind.word == WORDS["warning"]),
        "warning_kinds": tally[WORDS["warning"]],
        "previews": [turns(row) for row in services.preview(found)],
        "columns": data_columns.columns_to_name(found),
        "checked_percent": checked_percent(found),
    }
    return render(request, "deployments/dataset.html", context)


@page
@require_safe
def findings_csv(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """Answer the listed findings as CSV."""
    found = _own(member(request), dataset_id)
    response = HttpResponse(as_csv(found.findings), content_type="text/csv; charset=utf-8")
    name = f"{slugify(found.name) or 'data'}-findings.csv"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@page
@require_http_methods(["GET", "POST"])
def delete(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """Say what deleting means; on POST delete, unless something still needs the data (F7)."""
    user = member(request)
    found = _own(user, dataset_id)
    shown: dict[str, Any] = {"dataset": found}
    if request.method == "GET":
        return render(request, "deployments/dataset_delete.html", shown)
    try:
        services.delete_dataset(found, actor=user)
    except ConflictError as error:
        shown["error"] = error
        return render(request, "deployments/dataset_delete.html", shown, status=409)
    messages.success(request, f"{found.name} is deleted.")
    return redirect("deployments:datasets")


@page
@require_POST
def forget_config(request: HttpRequest, config_id: UUID) -> HttpResponse:
    """Delete kept settings, so that their data can be deleted; runs keep their own copy."""
    config = get_owned(TrainingConfig, member(request), config_id)
    dataset_id = config.dataset_id
    deployment_services.delete_config(config)
    messages.success(request, f"The settings of {config.name} are forgotten.")
    return redirect("deployments:dataset-delete", dataset_id)


def finding_kinds(
    findings: Iterable[dict[str, Any]], totals: Mapping[str, int]
) -> list[FindingKind]:
    """Return listed findings by code, errors first, with how often each was found."""
    by_code: dict[str, list[dict[str, Any]]] = {}
    for finding in findings:
        by_code.setdefault(str(finding["code"]), []).append(finding)
    return [
        _kind(code, found, rows=totals.get(code, len(found))) for code, found in by_code.items()
    ]


def _kind(code: str, found: list[dict[str, Any]], *, rows: int) -> FindingKind:
    first = found[0]
    lines = [finding["line"] for finding in found if finding.get("line") is not None]
    return FindingKind(
        code=code,
        word=WORDS.get(first["severity"], "Note"),
        tone=TONES.get(first["severity"], "quiet"),
        message=first["message"],
        rows=rows,
        lines=tuple(lines[:LINES_NAMED]),
        has_more_lines=len(lines) > LINES_NAMED or rows > len(found),
        fix=first["fix"],
        excerpt=first.get("excerpt", ""),
    )


def checked_percent(dataset: Dataset) -> float | None:
    """Return how much of a file is read, in percent; None unless it is being checked."""
    return None if dataset.checked_share is None else 100 * dataset.checked_share


def turns(row: dict[str, Any]) -> list[Turn]:
    """Return a normalised row as who says what; what the model learns to say is marked."""
    return [
        Turn(who.capitalize(), text, is_learnt=who in formats.LEARNT)
        for who, text in formats.texts_of(row)
    ]


def _own(user: User, dataset_id: UUID) -> Dataset:
    return get_owned(Dataset.objects.active(), user, dataset_id)


def _show(request: HttpRequest, user: User, form: UploadForm) -> HttpResponse:
    rows = Dataset.objects.active().filter(user=user)[:SHOWN]
    context = {"form": form, "datasets": rows, "sample_rows": SAMPLE_ROWS}
    return render(request, "deployments/datasets.html", context)
