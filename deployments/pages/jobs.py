"""The tabs of a run that only show it, and the refreshing of their blocks."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from core.lookups import get_owned
from deployments.handing_out import artifact_response, bundle_response, checkpoint_response
from deployments.models import Artifact, Checkpoint
from deployments.pages import job_page
from deployments.pages.answers import member, page
from deployments.pages.job import cost_by_phase, frame, pushing
from deployments.pages.job.downloads import download


@page
@require_safe
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show how the run is doing."""
    shown = job_page.find(member(request), job_id)
    return frame.tab(request, shown, "overview", blocks=("loss", "side", "small", "below"))


@page
@require_safe
def block(request: HttpRequest, job_id: UUID, name: str) -> HttpResponse:
    """Answer one block of the page alone."""
    return frame.refreshed(request, job_page.find(member(request), job_id), name)


@page
@require_safe
def events(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show the machines and everything that happened, newest first; ``before`` pages back."""
    shown = job_page.find(member(request), job_id)
    told = request.GET.get("before", "")
    if not (told.isdecimal() and len(told) < 19):
        return frame.tab(request, shown, "events", blocks=("machines", "events"))
    earlier = {"events": shown.events_before(int(told))}
    return frame.tab(request, shown, "events", context=earlier)


@page
@require_safe
def checkpoints(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show every checkpoint: how good it is, and where it lies."""
    shown = job_page.find(member(request), job_id)
    return frame.tab(request, shown, "checkpoints", blocks=("checkpoints",))


@page
@require_safe
def take_checkpoint(request: HttpRequest, job_id: UUID, checkpoint_id: UUID) -> HttpResponse:
    """Hand out the adapter of a checkpoint that is home."""
    mine = Checkpoint.objects.select_related("job").filter(job=job_id)
    checkpoint = get_owned(mine, member(request), checkpoint_id, owner="job__user")
    # The stubs' two kinds of answer share no base.
    return checkpoint_response(request, checkpoint)  # type: ignore[return-value]


@page
@require_safe
def samples(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show the held-out prompts with the answers of base and tuned model."""
    shown = job_page.find(member(request), job_id)
    return frame.tab(request, shown, "samples", blocks=("samples",))


@page
@require_safe
def files(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show what is home, and what else can be taken along."""
    shown = job_page.find(member(request), job_id)
    blocks = ("files", "pushes")
    return frame.tab(request, shown, "files", blocks=blocks, context=pushing.context(shown))


@page
@require_safe
def take(request: HttpRequest, job_id: UUID, artifact_id: UUID) -> HttpResponse:
    """Hand out an artifact; whoever reads pages is told as a page when its file is gone."""
    mine = Artifact.objects.select_related("job").filter(job=job_id)
    artifact = get_owned(mine, member(request), artifact_id, owner="job__user")
    # The stubs' two kinds of answer share no base.
    return artifact_response(request, artifact)  # type: ignore[return-value]


@page
@require_safe
def bundle(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Hand out what repeats the run elsewhere; ``data=false`` leaves the training data out."""
    shown = job_page.find(member(request), job_id)
    with_data = request.GET.get("data") != "false"
    # The stubs' two kinds of answer share no base.
    return bundle_response(shown.deployment, with_data=with_data)  # type: ignore[return-value]


@page
@require_safe
def use(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show how the adapter is used with peft."""
    shown = job_page.find(member(request), job_id)
    return frame.tab(request, shown, "use")


@page
@require_safe
def cost(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show what each phase cost."""
    shown = job_page.find(member(request), job_id)
    return frame.tab(request, shown, "cost", blocks=("cost",))


@page
@require_safe
def cost_csv(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Answer the cost by phase as CSV."""
    shown = job_page.find(member(request), job_id)
    answer = HttpResponse(cost_by_phase.as_csv(shown.cost))
    return download(answer, shown, "cost.csv", content_type="text/csv")
