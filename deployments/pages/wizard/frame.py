"""What every step of the wizard shares: its draft, the stepper, the summary, saving, moving on."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from core.lookups import get_owned
from deployments import drafts
from deployments.drafts import Gap
from deployments.models import Draft
from deployments.pages.answers import member
from deployments.pages.wizard import summary


@dataclass(frozen=True)
class Step:
    """One step: its part of the address and its word."""

    name: str
    word: str
    # For a narrow button.
    short: str = ""

    @property
    def url_name(self) -> str:
        """The name of its address."""
        return f"deployments:wizard-{self.name}"


STEPS = (
    Step("data", "Data"),
    Step("method", "Method"),
    Step("model", "Model"),
    Step("training", "Training"),
    Step("hardware", "Hardware and budget", short="Hardware"),
    Step("review", "Review"),
)
NUMBERS = {step.name: number for number, step in enumerate(STEPS, start=1)}
# Which button of a step's form was pressed; without one the form moves on.
GO = "go"
BACK, STAY = "back", "stay"


@dataclass(frozen=True)
class Mark:
    """A step as the stepper shows it."""

    number: int
    step: Step
    url: str
    is_done: bool
    is_current: bool

    @property
    def words(self) -> str:
        """How it stands, for who does not see the marks."""
        if self.is_current:
            return "this step"
        return "done" if self.is_done else "open"


def own_draft(request: HttpRequest, draft_id: UUID) -> Draft:
    """Return the reader's own draft; raises NotFoundError for unknown and other people's alike."""
    rows = Draft.objects.select_related("dataset", "user")
    return get_owned(rows, member(request), draft_id)


def show(
    request: HttpRequest, draft: Draft, step: str, context: Mapping[str, Any] | None = None
) -> HttpResponse:
    """Render a step's page: ``deployments/wizard/<step>.html`` within the frame.

    ``context`` may bring its own ``summary``, such as one that knows a price.
    """
    number = NUMBERS[step]
    gaps = drafts.gaps(draft)
    earlier = [gap for other in STEPS[: number - 1] for gap in gaps[other.name]]
    shown = {
        "draft": draft,
        "name": drafts.name_of(draft),
        "step": STEPS[number - 1],
        "number": number,
        "marks": marks(draft, step, gaps),
        "earlier": [(gap, url_of(draft, gap.step), NUMBERS[gap.step]) for gap in earlier],
        "previous": STEPS[number - 2] if number > 1 else None,
        "next": STEPS[number] if number < len(STEPS) else None,
        "summary": summary.of(draft),
        "hide_new_run": True,
    }
    return render(request, f"deployments/wizard/{step}.html", {**shown, **(context or {})})


def marks(draft: Draft, current: str, gaps: Mapping[str, tuple[Gap, ...]]) -> tuple[Mark, ...]:
    """Return the stepper's marks; a step is done when it has no gaps."""
    return tuple(
        Mark(
            number=NUMBERS[step.name],
            step=step,
            url=url_of(draft, step.name),
            is_done=step.name in gaps and not gaps[step.name],
            is_current=step.name == current,
        )
        for step in STEPS
    )


def url_of(draft: Draft, step: str) -> str:
    """Return the address of a step."""
    return reverse(f"deployments:wizard-{step}", args=[draft.pk])


def first_open(draft: Draft) -> str:
    """Return the first step with a gap; the review when nothing is missing."""
    return next((step for step, found in drafts.gaps(draft).items() if found), STEPS[-1].name)


def redirected(draft: Draft, step: str) -> HttpResponse:
    """Lead to a step, so that a refresh sends nothing again."""
    return redirect(url_of(draft, step))


def moved_on(request: HttpRequest, draft: Draft, step: str) -> HttpResponse:
    """Lead where the pressed button says, after a step has been saved."""
    number = NUMBERS[step]
    pressed = request.POST.get(GO, "")
    if pressed == BACK and number > 1:
        return redirected(draft, STEPS[number - 2].name)
    if pressed == STAY:
        return redirected(draft, step)
    return redirected(draft, STEPS[min(number, len(STEPS) - 1)].name)


def goes_back(request: HttpRequest) -> bool:
    """Say whether Back was pressed: nobody is held in a step by an error in it."""
    return request.POST.get(GO) == BACK
