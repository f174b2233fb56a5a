"""Saying what the columns of an upload hold, where nobody could tell."""

from dataclasses import dataclass
from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from core.errors import ConflictError, InvalidInputError
from core.lookups import get_owned
from datasets import services
from datasets.models import Dataset
from deployments.models import Draft
from deployments.pages.answers import member, page

UNKNOWN = "unknown_format"
NOT_USED = "not trained on"
# What a column may hold: the parts of all forms, as the page names them.
PARTS = {
    "prompt": "the question (prompt)",
    "completion": "the answer (completion)",
    "messages": "the whole conversation (messages)",
    "conversations": "the whole conversation, as ShareGPT has it",
    "text": "the text to learn",
    "instruction": "the instruction (Alpaca)",
    "input": "what the instruction is about (input)",
    "output": "the instruction's answer (output)",
    "chosen": "the better answer (chosen)",
    "rejected": "the worse answer (rejected)",
    "preferred_output": "the better answer, as OpenAI has it",
    "non_preferred_output": "the worse answer, as OpenAI has it",
}


@dataclass(frozen=True)
class Column:
    """A column, and what it may hold as (value, words, is chosen)."""

    name: str
    field: str
    choices: tuple[tuple[str, str, bool], ...]


def columns_to_name(dataset: Dataset) -> tuple[Column, ...]:
    """Return the columns of data that no form fits, each with a guess; none of other data."""
    if UNKNOWN not in dataset.finding_totals:
        return ()
    return tuple(
        _column(name, number, guess=guess)
        for number, (name, guess) in enumerate(services.columns_of(dataset).items())
    )


def _column(name: str, number: int, *, guess: str) -> Column:
    choices = [("", NOT_USED), *PARTS.items()]
    return Column(
        name=name,
        field=f"holds-{number}",
        choices=tuple((value, words, value == guess) for value, words in choices),
    )


@page
@require_POST
def name_columns(request: HttpRequest, dataset_id: UUID) -> HttpResponse:
    """Read a file again with what its owner says its columns hold."""
    user = member(request)
    dataset = get_owned(Dataset.objects.active(), user, dataset_id)
    given = {
        part: column.name
        for column in columns_to_name(dataset)
        if (part := request.POST.get(column.field, "")) in PARTS
    }
    try:
        services.read_again(dataset, mapping=given)
    except (InvalidInputError, ConflictError) as error:
        messages.error(request, f"{error.message} {error.remedy}")
    draft = _draft(user, request.POST.get("draft", ""))
    if draft is not None:
        return redirect("deployments:wizard-data", draft.pk)
    return redirect("deployments:dataset", dataset.pk)


def _draft(user: User, given: str) -> Draft | None:
    try:
        return Draft.objects.filter(user=user, pk=UUID(given)).first()
    except ValueError:
        return None
