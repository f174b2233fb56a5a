"""Beginning, going on with and deleting drafts."""

from uuid import UUID

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST, require_safe

from core.lookups import get_owned
from datasets.models import Dataset
from deployments import drafts, going_on
from deployments.models import Draft, TrainingJob
from deployments.pages.answers import member, page
from deployments.pages.wizard import frame


@page
@require_safe
def new(request: HttpRequest) -> HttpResponse:
    """Make a draft and lead to its first step.

    ``?from=<job>`` fills it with an earlier run's choices, ``&adapter=`` starts from one
    that is home; ``?dataset=`` fills it with data.
    """
    draft = _begun(request, member(request))
    return redirect(frame.url_of(draft, frame.STEPS[0].name))


@page
@require_safe
def resume(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Lead to the first step of a draft that still lacks something."""
    draft = frame.own_draft(request, draft_id)
    return redirect(frame.url_of(draft, frame.first_open(draft)))


@page
@require_POST
def delete(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Delete a draft; runs that were started are untouched."""
    draft = frame.own_draft(request, draft_id)
    name = drafts.name_of(draft)
    draft.delete()
    messages.success(request, f"The draft {name} is deleted.")
    return redirect("deployments:runs")


def named(user: User) -> list[tuple[Draft, str]]:
    """Return the drafts in which something was saved, each with its name, last touched first."""
    return [(draft, drafts.name_of(draft)) for draft in drafts.touched(user)]


def _begun(request: HttpRequest, user: User) -> Draft:
    if earlier := request.GET.get("from"):
        job = get_owned(TrainingJob, user, earlier)
        named = request.GET.get("adapter")
        adapter = going_on.find_adapter(user, named) if named else None
        return drafts.begin_from(job, adapter=adapter)
    chosen = request.GET.get("dataset")
    if not chosen:
        return drafts.begin(user)
    return drafts.begin(user, dataset=get_owned(Dataset.objects.active(), user, chosen))
