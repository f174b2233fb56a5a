"""Step 1: what the model should learn from."""

from uuid import UUID

from django import forms
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from core.lookups import get_owned
from datasets.models import Dataset
from deployments import drafts
from deployments.pages.answers import page
from deployments.pages.forms import PlainForm
from deployments.pages.wizard import frame

STEP = "data"


class DataForm(PlainForm):
    """Which of the reader's data."""

    dataset = forms.ChoiceField(
        label="Data", error_messages={"required": "Choose the data to learn from."}
    )

    def __init__(self, user: User, *args: object, **kwargs: object) -> None:
        super().__init__(*args, **kwargs)
        found = Dataset.objects.active().filter(user=user)
        self.fields["dataset"].choices = [  # type: ignore[attr-defined]
            (str(dataset.pk), f"{dataset.name}, {dataset.rows:,} rows") for dataset in found
        ]


@page
@require_http_methods(["GET", "POST"])
def step(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Show the step; on POST keep the choice and move on."""
    draft = frame.own_draft(request, draft_id)
    form = DataForm(draft.user, initial={"dataset": str(draft.dataset_id or "")})
    if request.method == "POST":
        form = DataForm(draft.user, request.POST)
        if form.is_valid():
            chosen = get_owned(Dataset.objects.active(), draft.user, form.cleaned_data["dataset"])
            draft = drafts.change(draft, dataset=chosen)
            return frame.moved_on(request, draft, STEP)
    return frame.show(request, draft, STEP, {"form": form})
