"""Going on with a run by hand: a page of its own that says from where, for how much, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.auth.models import User
from django.db import IntegrityError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from core.errors import SlipwayError
from deployments import catalogue, checkpoints, forecasts, going_on, resuming, services
from deployments.forecasts import OfferForecast
from deployments.models import Checkpoint, TrainingJob
from deployments.pages import job_page
from deployments.pages.answers import member, page
from deployments.pages.job import resume_form
from deployments.pages.job.resume_form import ResumeForm
from deployments.pages.job_page import JobPage
from deployments.pages.wizard import pressing
from deployments.templatetags.wording import usd

TEMPLATE = "deployments/job/resume.html"
LIVES = "E_RUN_LIVES"


@dataclass(frozen=True)
class Left:
    """What a checkpoint leaves to be trained; ``told``: the steps its machine said it has."""

    checkpoint: Checkpoint
    recipe: dict[str, Any]
    told: int | None

    @property
    def total(self) -> int | None:
        """How many steps the recipe as it was has; None where nobody can say."""
        return resuming.total_steps(self.recipe, self.recipe, told=self.told)

    @property
    def steps(self) -> int | None:
        """How many steps are left by the recipe as it was; 0 once it is at its end."""
        return self.steps_of(self.recipe)

    def steps_of(self, recipe: dict[str, Any]) -> int | None:
        """How many steps are left by another recipe; None where nobody can say."""
        total = resuming.total_steps(self.recipe, recipe, told=self.told)
        return None if total is None else max(0, total - self.checkpoint.step)


@page
@require_http_methods(["GET", "POST"])
def resume(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Ask from which checkpoint, on which machine and for how much; on POST go on."""
    user = member(request)
    shown = job_page.find(user, job_id)
    if (started := _started(user, request)) is not None:
        return redirect("deployments:job", started.pk)
    if shown.is_live:
        messages.info(request, "This run is not over: nothing more was started.")
        return redirect("deployments:job", job_id)
    home = list(checkpoints.at_home(job_id))
    if not home:
        # Says what to do instead.
        going_on.find_checkpoint(user, str(job_id))
    left = _left(home, request.POST.get("checkpoint") or request.GET.get("checkpoint", ""))
    recipe = going_on.whole_recipe(shown.job)
    proposed = going_on.longer(recipe) if left.steps == 0 else recipe
    found, error = _offers(shown.job, proposed, left)
    parts: dict[str, Any] = {"recipe": recipe, "checkpoints": home, "found": found}
    if request.method == "POST":
        form = ResumeForm(request.POST, **parts)
        return _posted(request, shown, form, left, error)
    values = resume_form.first_values(shown.deployment, left.checkpoint, proposed, found)
    return _show(request, shown, ResumeForm(initial=values, **parts), left, error)


def _started(user: User, request: HttpRequest) -> TrainingJob | None:
    """Return the new job that an earlier press of this form has made."""
    nonce = _nonce(request)
    return TrainingJob.objects.filter(user=user, pk=nonce).first() if nonce else None


def _nonce(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.POST.get("nonce", ""))
    except ValueError:
        return None


def _left(home: Sequence[Checkpoint], named: str) -> Left:
    """Return the checkpoint that is named, or the newest, and what it leaves."""
    found = next((each for each in home if not named or str(each.pk) == named), None)
    if found is None:
        raise Http404("There is no such checkpoint at home.")
    return Left(found, going_on.whole_recipe(found.job), going_on.steps_told(found))


def _offers(
    job: TrainingJob, recipe: dict[str, Any], left: Left
) -> tuple[tuple[OfferForecast, ...], SlipwayError | None]:
    """Return each offer with what is left would take on it, or why none is known."""
    try:
        known = catalogue.recent_offers(job.user)
    except SlipwayError as error:
        return (), error
    if steps := left.steps_of(recipe):
        settings = {**recipe["hyperparameters"], "max_steps": steps}
        recipe = {**recipe, "hyperparameters": settings}
    found = forecasts.for_offers(job.user, recipe=recipe, dataset=job.dataset, offers=known.offers)
    return found, None


def _posted(
    request: HttpRequest,
    shown: JobPage,
    form: ResumeForm,
    left: Left,
    error: SlipwayError | None,
) -> HttpResponse:
    if not form.is_valid():
        return _show(request, shown, form, left, error, status=400)
    budget: Decimal = form.cleaned_data["budget_limit"]
    if pressing.lacks_amount(budget, request.POST.get("confirm_budget", "")):
        told = f"Nothing was started: type {budget} to allow a budget of {usd(budget)}."
        form.add_error("budget_limit", told)
        return _show(request, shown, form, left, error, type_budget=budget, status=400)
    platform, asked = form.request()
    try:
        deployment = services.resume(
            shown.job,
            asked,
            platform=platform,
            checkpoint_id=form.cleaned_data["checkpoint"],
            changes=form.changes(),
            new_job_id=_nonce(request),
        )
    except IntegrityError:
        # Another press of this form was quicker.
        return redirect("deployments:job", _nonce(request))
    except SlipwayError as refused:
        if refused.code == LIVES:
            messages.info(request, "This run goes on already: nothing more was started.")
            return redirect("deployments:job", shown.job.pk)
        field = resume_form.FIELDS_BY_PARAM.get(refused.param or "")
        form.refuse(field if field in form.fields else None, refused)
        return _show(request, shown, form, left, error, status=refused.http_status)
    return redirect("deployments:job", deployment.job_id)


def _show(
    request: HttpRequest,
    shown: JobPage,
    form: ResumeForm,
    left: Left,
    error: SlipwayError | None,
    *,
    type_budget: Decimal | None = None,
    status: int = 200,
) -> HttpResponse:
    line = next(
        (each for each in shown.checkpoints if each.checkpoint_id == left.checkpoint.pk), None
    )
    context = {
        "page": shown,
        "form": form,
        "left": left,
        "line": line,
        "offers_error": error,
        "likely": resume_form.proposed_words(form.found),
        "nonce": request.POST.get("nonce") or uuid4(),
        "type_budget": type_budget,
    }
    return render(request, TEMPLATE, context, status=status)
