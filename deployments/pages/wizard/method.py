"""Step 2: how it should learn. What cannot be chosen stays visible, with its reason."""

from dataclasses import dataclass
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from deployments import drafts
from deployments.models import Draft
from deployments.pages.answers import page
from deployments.pages.wizard import frame

STEP = "method"


@dataclass(frozen=True)
class MethodWords:
    """A method in plain words."""

    name: str
    title: str
    text: str
    needs: str
    costs: str


METHODS = (
    MethodWords(
        "sft",
        "Teach by example (SFT)",
        "The model reads your questions and learns to write your answers: style, format, knowledge "
        "of your field. The right choice to begin with.",
        "Rows with a question and an answer, or whole conversations.",
        "The least memory and time of the three.",
    ),
    MethodWords(
        "dpo",
        "Teach by preference (DPO)",
        "The model sees two answers to each question and learns to prefer the better one. For "
        "tone, safety and taste, mostly after teaching by example.",
        "Rows with a prompt, a chosen and a rejected answer.",
        "Twice the rows in memory, and about half as much time again.",
    ),
    MethodWords(
        "orpo",
        "Both at once (ORPO)",
        "Learns the chosen answers and turns away from the rejected ones in a single pass, without "
        "a second look at the unchanged model.",
        "Rows with a prompt, a chosen and a rejected answer.",
        "Twice the rows in memory, the time of teaching by example.",
    ),
)


@dataclass(frozen=True)
class MethodCard:
    """A method to choose; ``reason`` says why it cannot be."""

    words: MethodWords
    is_chosen: bool
    reason: str

    @property
    def is_open(self) -> bool:
        """Whether it can be chosen."""
        return not self.reason


@page
@require_http_methods(["GET", "POST"])
def step(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Show the step; on POST keep the method and move on."""
    draft = frame.own_draft(request, draft_id)
    if request.method != "POST":
        return _show(request, draft, drafts.method_of(draft))
    method = request.POST.get("method", "")
    found = drafts.method_gaps(draft, method)
    if found and not frame.goes_back(request):
        return _show(request, draft, method, error=f"{found[0].message} {found[0].remedy}")
    if not found:
        draft = drafts.change(draft, {"method": method})
    return frame.moved_on(request, draft, STEP)


def cards(draft: Draft, chosen: str) -> tuple[MethodCard, ...]:
    """Return all methods, with the reason where this version or the data cannot serve one."""
    return tuple(
        MethodCard(words, is_chosen=words.name == chosen, reason=_reason(draft, words))
        for words in METHODS
    )


def _reason(draft: Draft, words: MethodWords) -> str:
    gaps = drafts.method_gaps(draft, words.name)
    dataset = draft.dataset
    if gaps and dataset is not None and dataset.is_ready and words.name not in dataset.methods:
        return f"Your data cannot serve it. It needs {words.needs[0].lower()}{words.needs[1:]}"
    return f"{gaps[0].message} {gaps[0].remedy}" if gaps else ""


def _show(request: HttpRequest, draft: Draft, chosen: str, *, error: str = "") -> HttpResponse:
    return frame.show(request, draft, STEP, {"cards": cards(draft, chosen), "error": error})
