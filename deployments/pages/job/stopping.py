"""What is asked of a run by hand: saving now, and its end, with what would be lost (F24)."""

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_POST

from deployments import services
from deployments.models.deployments import Status
from deployments.pages import job_page
from deployments.pages.answers import member, page
from deployments.pages.job.lost_and_kept import lost_and_kept, must_type_name
from deployments.pages.job_page import JobPage

STOP, CANCEL = "deployments/job/stop.html", "deployments/job/cancel.html"


@page
@require_POST
def save(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Ask for a checkpoint at the next step."""
    shown = job_page.find(member(request), job_id)
    services.save_now(shown.deployment, requested_by=member(request))
    messages.success(request, "Asked to save: the machine writes a checkpoint at its next step.")
    return redirect("deployments:job", job_id)


@page
@require_http_methods(["GET", "POST"])
def stop(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Ask before training is stopped and its adapter brought home; on POST ask for it."""
    shown = job_page.find(member(request), job_id)
    if request.method == "POST":
        return _asked(request, shown, save=True)
    if not shown.can_stop_and_save:
        return redirect("deployments:job", job_id)
    return _confirm(request, shown, STOP)


@page
@require_http_methods(["GET", "POST"])
def cancel(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Ask before a run is ended without saving; where it was dear, its name must be typed."""
    shown = job_page.find(member(request), job_id)
    if request.method == "POST":
        typed = request.POST.get("name", "").strip()
        if shown.can_cancel and must_type_name(shown.run) and typed != shown.run.name:
            return _confirm(request, shown, CANCEL, wrong_name=True)
        return _asked(request, shown, save=False)
    if not shown.can_cancel:
        return redirect("deployments:job", job_id)
    return _confirm(request, shown, CANCEL)


def _confirm(
    request: HttpRequest, shown: JobPage, template: str, *, wrong_name: bool = False
) -> HttpResponse:
    context = {
        "page": shown,
        "told": lost_and_kept(shown.run, checkpoints=shown.checkpoints),
        "must_type_name": must_type_name(shown.run),
        "wrong_name": wrong_name,
    }
    return render(request, template, context, status=400 if wrong_name else 200)


def _asked(request: HttpRequest, shown: JobPage, *, save: bool) -> HttpResponse:
    services.cancel(shown.deployment, requested_by=member(request), save=save)
    messages.success(request, _words(shown, save=save))
    return redirect("deployments:job", shown.job.pk)


def _words(shown: JobPage, *, save: bool) -> str:
    if shown.run.is_terminal:
        return "This run is over already."
    if save and shown.run.status == Status.TRAINING:
        return "Asked to stop: the adapter is saved and brought home, then the machine is ended."
    return "Asked to stop: the machine is ended now."
