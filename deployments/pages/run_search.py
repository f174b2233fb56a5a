"""Which runs the list shows: the filter as a plain form, and pages cut at a run, not at a number.

A page that is cut at a run stays the same while new runs are started above it, and costs the same
however far down it is.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, Q, QuerySet

from deployments import overview
from deployments.models import Deployment, Machine, TrainingJob
from deployments.models.deployments import LIVING, TERMINAL, Status
from deployments.pages.forms import PlainForm, cloud_choices
from deployments.pages.run_lines import short_model
from deployments.pages.status_words import WORDS

RUNS_A_PAGE = 20
MODELS_OFFERED = 50
FILTERS = ("q", "status", "model", "cloud")
ALIVE, NEEDS_YOU = "alive", "needs_you"


class RunFilter(PlainForm):
    """Which runs to list; all optional."""

    q = forms.CharField(required=False, max_length=100, label="Search")
    status = forms.ChoiceField(
        required=False,
        label="Status",
        choices=[
            ("", "Any status"),
            (ALIVE, "Alive"),
            (NEEDS_YOU, "Needs you"),
            *[(status.value, WORDS[status][0]) for status in Status if status in TERMINAL],
        ],
    )
    model = forms.ChoiceField(required=False, label="Model")
    cloud = forms.ChoiceField(
        required=False, label="Cloud", choices=lambda: [("", "Any cloud"), *cloud_choices()]
    )

    def __init__(self, given: Mapping[str, Any], *, user: User) -> None:
        super().__init__(given)
        self.fields["q"].widget.attrs["placeholder"] = "Search name, model, dataset"
        jobs = TrainingJob.objects.filter(user=user).order_by("model_name")
        names = jobs.values_list("model_name", flat=True).distinct()[:MODELS_OFFERED]
        model = self.fields["model"]
        assert isinstance(model, forms.ChoiceField)  # noqa: S101  # for the type checker
        model.choices = [("", "Any model"), *((name, short_model(name)) for name in names)]

    @property
    def kept(self) -> dict[str, str]:
        """What is filtered by, for links that keep it."""
        return {name: str(self.data[name]) for name in FILTERS if self.data.get(name)}


@dataclass(frozen=True)
class Cut:
    """One page of the list; ``before`` and ``after`` are the queries of its neighbours, or ""."""

    deployments: tuple[Deployment, ...]
    first: int
    count: int
    here: str
    before: str
    after: str

    @property
    def last(self) -> int:
        """The number of the last run shown, counted from the newest."""
        return self.first + len(self.deployments) - 1


def cut(user: User, form: RunFilter) -> Cut:
    """Return the page that the form's ``after`` or ``before`` names, else the newest runs."""
    found = filtered(user, form)
    at = _cursor(user, form.data.get("after") or form.data.get("before"))
    rows, is_first, has_older = _page(found, at, backwards=not form.data.get("after"))
    newer = 0 if is_first or not rows else found.filter(_newer(rows[0])).count()
    neighbour = {}
    if rows and newer:
        neighbour["before"] = urlencode({**form.kept, "before": str(rows[0].pk)})
    if rows and has_older:
        neighbour["after"] = urlencode({**form.kept, "after": str(rows[-1].pk)})
    place = (
        {} if is_first or at is None else {"after" if form.data.get("after") else "before": at.pk}
    )
    return Cut(
        deployments=tuple(rows),
        first=newer + 1,
        count=found.count(),
        here=urlencode({**form.kept, **place}),
        before=neighbour.get("before", ""),
        after=neighbour.get("after", ""),
    )


def filtered(user: User, form: RunFilter) -> QuerySet[Deployment]:
    """Return the user's runs that match, newest first; all of them when the form is not valid."""
    found = overview.deployments_of(user).select_related("job")
    if not form.is_valid():
        return found
    asked = form.cleaned_data
    if asked["q"]:
        found = found.filter(
            Q(name__icontains=asked["q"])
            | Q(job__model_name__icontains=asked["q"])
            | Q(job__dataset__name__icontains=asked["q"])
        )
    if asked["model"]:
        found = found.filter(job__model_name=asked["model"])
    if asked["cloud"]:
        # Preferred there, or rented there after all.
        there = Machine.objects.filter(
            deployment=OuterRef("pk"),
            platform=asked["cloud"],
            launch_state__in=overview.MAY_LIVE,
        )
        found = found.filter(Q(platform=asked["cloud"]) | Exists(there))
    if asked["status"] == ALIVE:
        return found.filter(status__in=LIVING)
    if asked["status"] == NEEDS_YOU:
        return found.filter(attention__isnull=False)
    return found.filter(status=asked["status"]) if asked["status"] else found


def _page(
    found: QuerySet[Deployment], at: Deployment | None, *, backwards: bool
) -> tuple[list[Deployment], bool, bool]:
    """Return the runs of a page, whether it is the first one, and whether there are older runs."""
    if at is not None and backwards:
        nearest = found.filter(_newer(at)).order_by("created_at", "pk")
        rows = list(nearest[: RUNS_A_PAGE + 1])
        # Fewer than a page above: the first page shows them too, and is whole.
        if len(rows) > RUNS_A_PAGE:
            return rows[:RUNS_A_PAGE][::-1], False, True
        at = None
    rows = list((found.filter(_older(at)) if at else found)[: RUNS_A_PAGE + 1])
    return rows[:RUNS_A_PAGE], at is None, len(rows) > RUNS_A_PAGE


def _cursor(user: User, given: str | None) -> Deployment | None:
    """Return the user's run of that id; anything else is as good as none."""
    try:
        return overview.deployments_of(user).filter(pk=given).first() if given else None
    except (ValueError, ValidationError):
        return None


# The first condition is implied by the second, and is what an index can be asked.
def _older(than: Deployment) -> Q:
    at = than.created_at
    return Q(created_at__lte=at) & (Q(created_at__lt=at) | Q(pk__lt=than.pk))


def _newer(than: Deployment) -> Q:
    at = than.created_at
    return Q(created_at__gte=at) & (Q(created_at__gt=at) | Q(pk__gt=than.pk))
