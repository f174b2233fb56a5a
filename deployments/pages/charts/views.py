"""The Charts tab, the points for its scripts, and every chart as a table and as CSV."""

import csv
import hashlib
from collections.abc import Iterator
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.utils.cache import get_conditional_response
from django.views.decorators.http import require_safe

from core.errors import NotFoundError
from deployments.models import RunState
from deployments.pages import job_page
from deployments.pages.answers import member, page
from deployments.pages.charts import kinds, tables
from deployments.pages.charts.kinds import Kind
from deployments.pages.charts.measured import Measured
from deployments.pages.charts.points import points
from deployments.pages.job import frame
from deployments.pages.job.downloads import download
from deployments.pages.job_page import JobPage


@page
@require_safe
def tab(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show every chart; ``x`` and ``y`` say how they are looked at."""
    shown = job_page.find(member(request), job_id)
    return frame.tab(request, shown, "charts", blocks=("charts",))


@page
@require_safe
def data(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Answer the points of all charts, or of ``only`` some; 304 while nothing new was told."""
    shown = job_page.find(member(request), job_id)
    etag = _etag(request, shown)
    unchanged = get_conditional_response(request, etag=etag)
    if unchanged is not None:
        response = unchanged
    else:
        names = request.GET.get("only", "").split(",")
        wanted = [kind for kind in kinds.KINDS if kind.name in names] or kinds.KINDS
        view, part = kinds.view_of(request.GET), _part(request, shown)
        found = {kind.name: points(kind, part, view) for kind in wanted}
        response = JsonResponse({"charts": found})
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response


@page
@require_safe
def table(request: HttpRequest, job_id: UUID, name: str) -> HttpResponse:
    """Show a chart as a table, newest first; ``before`` pages back."""
    kind, shown = _kind(name), job_page.find(member(request), job_id)
    before = _step(request, "before")
    found = tables.page(kind, shown.charts.measured, shown.job.pk, before=before)
    context = {"page": shown, "kind": kind, "rows": found.rows, "older": found.older}
    return render(request, "deployments/chart_table.html", context)


@page
@require_safe
def table_csv(request: HttpRequest, job_id: UUID, name: str) -> HttpResponse:
    """Answer a chart's whole table as CSV, in the columns of the page."""
    kind, shown = _kind(name), job_page.find(member(request), job_id)
    writer = csv.writer(_Echo())

    def written() -> Iterator[str]:
        for row in tables.csv_rows(kind, shown.charts.measured, shown.job.pk):
            yield writer.writerow(row)

    answer = StreamingHttpResponse(written())
    return download(answer, shown, f"{kind.name}.csv", content_type="text/csv")


class _Echo:
    """A file for the CSV writer that hands each line back."""

    def write(self, line: str) -> str:
        return line


def _kind(name: str) -> Kind:
    if name not in kinds.BY_NAME:
        raise NotFoundError("There is no such chart.")
    return kinds.BY_NAME[name]


def _step(request: HttpRequest, name: str) -> int | None:
    text = request.GET.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 11 else None


def _part(request: HttpRequest, shown: JobPage) -> Measured:
    first, last = _step(request, "from_step"), _step(request, "to_step")
    if first is None or last is None or first >= last:
        return shown.charts.measured
    return shown.charts.measured.between(shown.job.pk, first, last)


def _etag(request: HttpRequest, shown: JobPage) -> str:
    """Name the answer by what it is made of: how far each log was read, and the run's state."""
    runs = RunState.objects.filter(machine__deployment__job=shown.job).order_by("machine")
    facts = [
        request.get_full_path(),
        shown.deployment.version,
        shown.deployment.status,
        *runs.values_list("machine", "accepted_through"),
    ]
    digest = hashlib.blake2b("\n".join(map(str, facts)).encode(), digest_size=16)
    return f'W/"{digest.hexdigest()}"'
