"""Files made of a run when asked for: named after it, and never opened as a page."""

from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.utils.text import slugify

from deployments.pages.job_page import JobPage


def download(
    response: HttpResponseBase, shown: JobPage, name: str, *, content_type: str
) -> HttpResponse:
    """Return the answer as a file of the run, "support-answers-v3-log.txt"."""
    run = slugify(shown.run.name)
    response["Content-Type"] = f"{content_type}; charset=utf-8"
    response["Content-Disposition"] = (
        f'attachment; filename="{run}-{name}"' if run else (f'attachment; filename="{name}"')
    )
    return response  # type: ignore[return-value]  # the stubs' two kinds of answer share no base
