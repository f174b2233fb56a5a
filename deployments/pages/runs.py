"""The list of runs, and what somebody sees who has none yet."""

from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from core.time import database_now
from datasets.models import Dataset
from deployments import overview, spending
from deployments.pages import answers, context, run_lines, run_search
from deployments.pages.answers import Block, member, page
from deployments.pages.forms import KeyForm
from deployments.pages.run_search import Cut, RunFilter
from deployments.pages.wizard import drafts_list
from deployments.providers import PROVIDERS
from secrets_vault.models import VaultEntry


@page
@require_safe
def runs(request: HttpRequest) -> HttpResponse:
    """Show the user's runs, newest first; before the first one, what to do."""
    user = member(request)
    if not overview.deployments_of(user).exists():
        return render(request, "deployments/first_visit.html", _first_steps(user))
    form = RunFilter(request.GET, user=user)
    cut = run_search.cut(user, form)
    month = timezone.localtime().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    spent = spending.spent_since(user, month, now=database_now())
    shown = {
        "form": form,
        "rows": _rows_block(request, cut),
        "cut": cut,
        "spent": spent,
        "month": month,
        "drafts": drafts_list.named(user),
    }
    return render(request, "deployments/runs.html", shown)


@page
@require_safe
def rows(request: HttpRequest) -> HttpResponse:
    """Answer the table alone."""
    user = member(request)
    cut = run_search.cut(user, RunFilter(request.GET, user=user))
    return answers.refreshed(request, _rows_block(request, cut), bills=True)


@page
@require_safe
def burn(request: HttpRequest) -> HttpResponse:
    """Answer the burn meter alone."""
    return render(request, "_burn.html", {"burn": context.burn_now(member(request))})


def _first_steps(user: User) -> dict[str, object]:
    """Return which of the three steps are done; the first open one shows its form."""
    # Deferred: loading the sealed column would open the key.
    keys = VaultEntry.objects.active().defer("api_key_encrypted")
    key = keys.filter(user=user, provider__in=PROVIDERS).first()
    data = Dataset.objects.active().filter(user=user, status=Dataset.Status.READY).first()
    done = [key is not None, data is not None]
    now = 1 if not done[0] else 2 if not done[1] else 3
    return {
        "key": key,
        "data": data,
        "step": now,
        "form": KeyForm(),
        "hide_new_run": True,
        "drafts": drafts_list.named(user),
    }


def _rows_block(request: HttpRequest, shown: Cut) -> Block:
    lines = run_lines.run_lines(shown.deployments, now=database_now())
    url = reverse("deployments:run-rows") + (f"?{shown.here}" if shown.here else "")
    return answers.block(
        request,
        "runs",
        "deployments/_runs.html",
        {"lines": lines, "cut": shown},
        url=url,
        is_live=any(not line.run.is_terminal for line in lines),
    )
