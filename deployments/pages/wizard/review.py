"""Step 6: the last look, and the button that starts."""

from datetime import timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods, require_safe
from django_htmx.http import HttpResponseClientRedirect

from core.errors import ConflictError, SlipwayError
from core.time import database_now
from deployments import catalogue, clouds, drafts, spending
from deployments.exports import hub
from deployments.forecasts import OfferForecast
from deployments.models import Deployment, Draft
from deployments.pages import cap_words, starting
from deployments.pages.answers import member, page
from deployments.pages.wizard import (
    budget_words,
    bundle,
    frame,
    likely,
    offers_table,
    pressing,
    range_words,
    refusals,
    review_lines,
)
from deployments.pages.wizard.budget_words import Budget
from deployments.pages.wizard.bundle import BundleFile
from deployments.pages.wizard.likely import Look
from deployments.providers import PROVIDERS
from deployments.templatetags.wording import rate, usd
from secrets_vault.models import VaultEntry
from secrets_vault.services import entry_for

STEP = "review"
ARCHIVE_NAME = "slipway-run.tar.gz"


@page
@require_http_methods(["GET", "POST"])
def step(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Show everything in one view; on POST start the run, once however often it is pressed."""
    user = member(request)
    kept = Draft.objects.select_related("dataset", "user").filter(user=user, pk=draft_id).first()
    # Asked after the draft: another press drops that only once its run is there.
    started = starting.started(user, draft_id)
    if started is not None:
        return _to_run(request, draft_id, started)
    draft = kept or frame.own_draft(request, draft_id)
    if request.method == "POST":
        return _posted(request, draft)
    return _show(request, draft, likely.look(draft))


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
        is_draft = Draft.objects.filter(user=user, pk=nonce).exists()
        name, args = ("wizard-review", [nonce]) if is_draft else ("runs", [])
        url = reverse(f"deployments:{name}", args=args)
    return HttpResponseClientRedirect(url) if polls else redirect(url)


@page
@require_safe
def file(request: HttpRequest, draft_id: UUID, file_name: str) -> HttpResponse:
    """Show one file of what will run."""
    draft = frame.own_draft(request, draft_id)
    found = _bundle(draft)
    shown = next((each for each in found if each.name == file_name), None)
    if shown is None:
        raise Http404("There is no such file in the bundle.")
    context = {"draft": draft, "files": found, "file": shown, "name": drafts.name_of(draft)}
    return render(request, "deployments/wizard/file.html", context)


@page
@require_safe
def archive(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Answer all files of what will run as .tar.gz."""
    found = _bundle(frame.own_draft(request, draft_id))
    response = HttpResponse(bundle.archive(found), content_type="application/gzip")
    response["Content-Disposition"] = f'attachment; filename="{ARCHIVE_NAME}"'
    return response


def _bundle(draft: Draft) -> tuple[BundleFile, ...]:
    return bundle.files(draft, likely.look(draft).forecast_of(likely.chosen(draft)))


def _posted(request: HttpRequest, draft: Draft) -> HttpResponse:
    name = request.POST.get("name", "").strip()[: drafts.MAX_NAME]
    if request.POST.get(frame.GO):
        return frame.moved_on(request, _named(draft, name), STEP)
    if request.POST.get("version") != str(draft.version):
        look = likely.look(draft)
        return _show(request, draft, look, name=name, note=pressing.CHANGED_ELSEWHERE)
    if _lacks_something(draft) or not name.isprintable():
        return _show(request, draft, likely.look(draft), name=name)
    budget = likely.amount(draft, "budget_limit")
    if pressing.lacks_amount(budget, request.POST.get("confirm_budget", "")):
        note = f"Nothing was started: type {budget} to allow a budget of {usd(budget)}."
        return _show(request, draft, likely.look(draft), name=name, note=note)
    look = likely.look(draft, live=True)
    return _start(request, draft, look, name=name or drafts.name_of(draft))


def _named(draft: Draft, name: str) -> Draft:
    """Keep a name that differs from the one the draft has anyway."""
    if not name or not name.isprintable() or name == drafts.name_of(draft):
        return draft
    return drafts.change(draft, name=name)


def _start(request: HttpRequest, draft: Draft, look: Look, *, name: str) -> HttpResponse:
    try:
        asked = pressing.press(draft, look, name=name, shown=_shown_price(request))
        deployment = starting.start_once(draft.user, asked)
    except pressing.LookAgainError as error:
        return _show(request, draft, look, name=name, note=error.message)
    except SlipwayError as error:
        refusals.keep(request, draft, error)
        return redirect(frame.url_of(draft, pressing.step_of(error)))
    if deployment is None:
        return redirect("deployments:being-started", draft.pk)
    return _to_run(request, draft.pk, deployment)


def _lacks_something(draft: Draft) -> bool:
    return any(drafts.gaps(draft).values())


def _to_run(request: HttpRequest, draft_id: UUID, deployment: Deployment) -> HttpResponse:
    """Lead to the run; its draft has done its work."""
    Draft.objects.filter(pk=draft_id, user=member(request)).delete()
    return redirect("deployments:job", deployment.job_id)


def _shown_price(request: HttpRequest) -> Decimal | None:
    """Return the hourly price that stood beside the pressed button."""
    try:
        found = Decimal(request.POST.get("hourly", ""))
    except InvalidOperation:
        return None
    return found if found.is_finite() and 0 <= found < offers_table.TOO_DEAR else None


def _show(
    request: HttpRequest, draft: Draft, look: Look, *, name: str | None = None, note: str = ""
) -> HttpResponse:
    forecast = look.forecast_of(likely.chosen(draft))
    refusal = refusals.take(request, draft)
    amount = likely.amount(draft, "budget_limit")
    stop, month_left = _within_caps(draft, amount)
    budget = _budget(draft, look, amount, forecast)
    time = range_words.time(forecast.seconds) if forecast else ""
    total = range_words.money(forecast.cost_usd) if forecast and forecast.cost_usd else ""
    context: dict[str, Any] = {
        "run_name": drafts.name_of(draft) if name is None else name,
        "note": note or (refusal.message if refusal else ""),
        "note_code": refusal.code if refusal and not note else "",
        "look": look,
        "forecast": forecast,
        "lines": review_lines.lines(
            draft,
            forecast,
            budget,
            has_hub_token=entry_for(draft.user, hub.PROVIDER) is not None,
        ),
        "phases": review_lines.phases(forecast),
        "phases_words": f"{time}, {total}" if total else "",
        "start_words": f"Start, {total}" if total else "Start",
        "can_start": forecast is not None and not _lacks_something(draft) and stop is None,
        "stop": stop if refusal is None or stop is None or refusal.code != stop.code else None,
        "month_left": month_left,
        "type_budget": amount if pressing.must_type(amount) else None,
        "hourly": forecast.offer.hourly_price_usd if forecast else None,
        "rents": _rents(forecast, budget),
        "time": time,
        "done_by": _done_by(forecast),
        "summary": likely.summary_with(draft, forecast),
        **_about(draft, forecast),
    }
    return frame.show(request, draft, STEP, context)


def _within_caps(draft: Draft, amount: Decimal | None) -> tuple[ConflictError | None, str]:
    """Return why the run would not be accepted now, if so, and what is left of the month."""
    caps = spending.caps_of(draft.user, now=database_now())
    stop = spending.blocked(spending.limits()) or caps.refusal(amount or Decimal(0))
    return stop, cap_words.month_left(caps.month)


def _about(draft: Draft, forecast: OfferForecast | None) -> dict[str, Any]:
    """Return what leaves, what will run, and the key it runs under."""
    platform = str((draft.values.get("machine") or {}).get("platform") or next(iter(PROVIDERS)))
    platform = forecast.offer.platform if forecast else platform
    cloud = clouds.capabilities(platform).label
    try:
        files = bundle.files(draft, forecast)
    except SlipwayError:
        files = ()
    return {
        "cloud": cloud,
        "key": _key(draft, platform, forecast),
        "leaving": review_lines.leaving(draft, cloud=cloud, calls_back=bool(settings.APP_URL)),
        "files": files[: len(bundle.FIRST)],
        "more_files": max(0, len(files) - len(bundle.FIRST)),
        "bundle_size": len(bundle.archive(files)) if files else None,
    }


def _key(draft: Draft, platform: str, forecast: OfferForecast | None) -> VaultEntry | None:
    """Return the key it runs under; a machine of one's own has one that bears its name."""
    names = ("", forecast.offer.instance_type if forecast else "")
    keys = catalogue.cloud_keys(draft.user, platform=platform)
    return next((key for key in keys if key.name in names), None)


def _budget(
    draft: Draft, look: Look, amount: Decimal | None, forecast: OfferForecast | None
) -> Budget | None:
    if amount is None or forecast is None:
        return None
    dearest = pressing.dearest(draft, look, forecast.offer)
    if not dearest.hourly_price_usd:
        return None
    return budget_words.budget(
        amount,
        hourly=dearest.hourly_price_usd,
        likely=forecast.cost_usd,
        timing=settings.TIMING,
        quantum_seconds=clouds.capabilities(dearest.platform).billing_quantum_seconds,
    )


def _rents(forecast: OfferForecast | None, budget: Budget | None) -> tuple[str, str] | None:
    """Return what the button does: what it rents and then ends, and the limit."""
    if forecast is None:
        return None
    offer = forecast.offer
    if budget is None and offer.hourly_price_usd:
        return None
    # What costs nothing ends with its hours.
    limit = f"your budget of {usd(budget.budget)}" if budget else "its limit of hours"
    what = f"{offers_table.gpu_words(offer)} at {rate(offer.hourly_price_usd)}"
    if clouds.capabilities(offer.platform).is_own:
        what = f"Takes your {offer.instance_type}, {what}, and lets it go by itself"
    else:
        what = f"Rents {what} and ends it by itself"
    return what, f"before {limit}"


def _done_by(forecast: OfferForecast | None) -> Any:
    if forecast is None or forecast.seconds is None:
        return None
    return database_now() + timedelta(seconds=forecast.seconds.high)
