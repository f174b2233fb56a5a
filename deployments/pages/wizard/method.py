"""A step of the wizard."""

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods

from deployments.pages.answers import page
from deployments.pages.wizard import frame

STEP = "method"


@page
@require_http_methods(["GET", "POST"])
def step(request: HttpRequest, draft_id: UUID) -> HttpResponse:
    """Show the step; on POST move on."""
    draft = frame.own_draft(request, draft_id)
    if request.method == "POST":
        return frame.moved_on(request, draft, STEP)
    return frame.show(request, draft, STEP)
