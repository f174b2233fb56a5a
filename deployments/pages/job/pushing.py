"""Pushing what is home to the Hugging Face Hub from the Files tab."""

from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.text import slugify
from django.views.decorators.http import require_POST

from core.errors import InvalidInputError
from deployments.exports import hub, pushes
from deployments.pages import job_page
from deployments.pages.answers import member, page
from deployments.pages.forms import PlainForm
from deployments.pages.job import frame
from deployments.pages.job.push_lines import WORDS
from deployments.pages.job_page import JobPage
from secrets_vault.services import entry_for


class PushForm(PlainForm):
    """Which repository gets what; the token comes from the vault."""

    repo_id = forms.CharField(
        label="Repository",
        max_length=200,
        error_messages={"required": "Name a repository, owner/name."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    what = forms.ChoiceField(label="What")
    private = forms.BooleanField(label="Private: only you see it", required=False, initial=True)

    def __init__(self, shown: JobPage, data: object = None) -> None:
        super().__init__(data, auto_id="push_%s")
        kinds = {artifact.kind for artifact in shown.run.artifacts}
        choices = [(kind, word) for kind, word in WORDS.items() if kind in kinds]
        self.fields["what"].choices = choices  # type: ignore[attr-defined]  # a ChoiceField
        name = slugify(shown.run.name) or "adapter"
        self.fields["repo_id"].widget.attrs["placeholder"] = f"owner/{name}"


def context(shown: JobPage, form: PushForm | None = None) -> dict[str, object]:
    """Return what the form for a push needs; ``may_push`` False: its owner is told why."""
    return {
        "push_form": form or PushForm(shown),
        "has_token": entry_for(shown.job.user, hub.PROVIDER) is not None,
        "may_push": bool(shown.run.artifacts) and shown.run.is_terminal,
    }


@page
@require_POST
def push(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Ask for a push, and show the Files tab with how far it is."""
    shown = job_page.find(member(request), job_id)
    form = PushForm(shown, request.POST)
    if not form.is_valid():
        return _again(request, shown, form)
    try:
        pushes.ask(shown.job, user=member(request), **form.cleaned_data)
    except InvalidInputError as error:
        form.refuse(error.param or None, error)
        return _again(request, shown, form)
    messages.success(request, f"Pushing to {form.cleaned_data['repo_id']} begins in a moment.")
    return redirect("deployments:job-files", job_id)


def _again(request: HttpRequest, shown: JobPage, form: PushForm) -> HttpResponse:
    answer = frame.tab(
        request, shown, "files", blocks=("files", "pushes"), context=context(shown, form)
    )
    answer.status_code = 400
    return answer
