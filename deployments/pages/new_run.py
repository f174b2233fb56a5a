"""Starting a run: one form over data, model, machine and budget."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from core.errors import ConflictError, SlipwayError
from core.lookups import get_owned
from deployments import catalogue, clouds
from deployments.models import TrainingJob
from deployments.pages import run_form, starting
from deployments.pages.answers import member, page
from deployments.pages.run_form import MachineChoice, RunForm
from deployments.providers import PROVIDERS
from deployments.providers.base import Offer
from deployments.services import AUTO
from secrets_vault.models import VaultEntry

DRAFT = "new_run_draft"


@dataclass(frozen=True)
class OfferLine:
    """One row to choose: a machine somewhere, or the cheapest there is."""

    choice: MachineChoice
    gpu: str
    offer: Offer | None
    is_chosen: bool

    @property
    def value(self) -> str:
        """What the form sends for it."""
        return self.choice.value


@dataclass(frozen=True)
class Offers:
    """What can be rented now; ``error`` says why it is not known."""

    auto: OfferLine
    free: tuple[OfferLine, ...] = ()
    sold_out: tuple[OfferLine, ...] = ()
    as_of: datetime | None = None
    error: SlipwayError | None = None


@page
@require_http_methods(["GET", "POST"])
def new_run(request: HttpRequest) -> HttpResponse:
    """Show the form; on POST start the run and lead to its page. Nothing typed is ever lost."""
    user = member(request)
    platform = _platform(user)
    if request.method == "POST":
        return _start(request, user, platform)
    if platform is None or not run_form.data_choices(user):
        return render(request, "deployments/new_run_needs.html", {"has_key": platform is not None})
    return _show(request, user, platform, RunForm(user, initial=_initial(request, user)))


@page
@require_safe
def being_started(request: HttpRequest, nonce: UUID) -> HttpResponse:
    """Wait for the first of two presses to be answered, then lead to what came of it."""
    user = member(request)
    polls = bool(request.headers.get("HX-Request"))
    deployment = starting.started(user, nonce)
    if deployment is None and starting.is_being_started(user, nonce):
        wait = render(request, "deployments/new_run_wait.html")
        return HttpResponse(status=204) if polls else wait
    if deployment is not None:
        url = reverse("deployments:job", args=[deployment.job_id])
    else:
        messages.warning(request, "Nothing was started. Press Start again to see why.")
        url = reverse("deployments:new-run")
    return HttpResponseClientRedirect(url) if polls else redirect(url)


def _start(request: HttpRequest, user: User, platform: str | None) -> HttpResponse:
    form = RunForm(user, request.POST)
    request.session[DRAFT] = {name: form[name].data for name in form.fields if name != "nonce"}
    platform = platform or next(iter(PROVIDERS))
    if not form.is_valid():
        return _show(request, user, platform, form)
    try:
        deployment = starting.start_once(user, form.press(platform))
    except SlipwayError as error:
        form.show_error(error)
        used = isinstance(error, ConflictError)
        if used:
            form.data = _with_fresh_nonce(request.POST)
        return _show(request, user, platform, form)
    if deployment is None:
        return redirect("deployments:being-started", form.cleaned_data["nonce"])
    request.session.pop(DRAFT, None)
    return redirect("deployments:job", deployment.job_id)


def _with_fresh_nonce(data: QueryDict) -> QueryDict:
    fresh = data.copy()
    fresh["nonce"] = str(uuid4())
    return fresh


def _initial(request: HttpRequest, user: User) -> dict[str, Any]:
    """Return the defaults, over them an earlier run's values or what was typed last."""
    values = run_form.first_values(user)
    earlier = request.GET.get("from")
    if earlier:
        return values | run_form.values_of(get_owned(TrainingJob, user, earlier))
    draft = {} if "fresh" in request.GET else request.session.get(DRAFT, {})
    chosen = {"dataset": request.GET["dataset"]} if "dataset" in request.GET else {}
    return values | draft | chosen


def _platform(user: User) -> str | None:
    """Return the cloud the user has a key for; the newest one of several."""
    keys = VaultEntry.objects.active().filter(user=user, provider__in=PROVIDERS)
    return keys.values_list("provider", flat=True).first()


def _show(request: HttpRequest, user: User, platform: str, form: RunForm) -> HttpResponse:
    context = {
        "form": form,
        "offers": _offers(user, platform, chosen=str(form["machine"].value() or "")),
        "cloud": clouds.capabilities(platform).label,
        "has_draft": DRAFT in request.session and not form.is_bound,
        "action": reverse("deployments:new-run"),
    }
    return render(request, "deployments/new_run.html", context)


def _offers(user: User, platform: str, *, chosen: str) -> Offers:
    """Ask the cloud what it offers; without an answer only "the cheapest" can be chosen."""
    try:
        found = catalogue.live_offers(user, platform=platform)
    except SlipwayError as error:
        auto = OfferLine(MachineChoice(AUTO, AUTO, None), "", None, is_chosen=True)
        return Offers(auto=auto, error=error)
    usable = [offer for offer in found.offers if offer.gpu_count == 1]
    lines = [_line(offer) for offer in usable]
    auto = _auto(lines)
    picked = _picked([auto, *lines], chosen)
    lines = [replace(line, is_chosen=line is picked) for line in lines]
    return Offers(
        auto=replace(auto, is_chosen=picked is auto),
        free=tuple(line for line in lines if line.offer is not None and line.offer.available),
        sold_out=tuple(line for line in lines if line.offer and not line.offer.available),
        as_of=found.as_of,
    )


def _line(offer: Offer) -> OfferLine:
    choice = MachineChoice(offer.instance_type, offer.region or AUTO, offer.hourly_price_usd)
    times = offer.gpu_name or offer.description or offer.instance_type
    return OfferLine(choice, f"1\N{MULTIPLICATION SIGN} {times}", offer, is_chosen=False)


def _auto(lines: Sequence[OfferLine]) -> OfferLine:
    """Return the row for "the cheapest"; its price is that of the cheapest free machine now."""
    free = [line.offer for line in lines if line.offer is not None and line.offer.available]
    prices = [offer.hourly_price_usd for offer in free]
    return OfferLine(
        MachineChoice(AUTO, AUTO, min(prices, default=None)), "", None, is_chosen=False
    )


def _picked(lines: Sequence[OfferLine], chosen: str) -> OfferLine:
    """Return the row that was chosen; by type and place, since its price may have changed."""
    wanted = MachineChoice.read(chosen)
    return next(
        (
            line
            for line in lines
            if wanted is not None
            and (line.choice.instance_type, line.choice.region)
            == (wanted.instance_type, wanted.region)
        ),
        lines[0],
    )
