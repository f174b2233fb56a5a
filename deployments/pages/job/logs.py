"""The log of a run: searched, filtered, paged by the id of a line, and followed while it grows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode
from uuid import UUID

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from core.errors import InvalidInputError
from deployments import history
from deployments.models import LogLine
from deployments.pages import job_page
from deployments.pages.answers import member, page
from deployments.pages.job import frame
from deployments.pages.job.downloads import download
from deployments.pages.job_page import JobPage

LINES_A_PAGE = 200
FOLLOW_SECONDS = 2
MAX_ID_DIGITS = 18
LEVEL_CHOICES = (
    ("debug", "All levels"),
    ("info", "Info and above"),
    ("warning", "Warnings and errors"),
    ("error", "Errors"),
)


@dataclass(frozen=True)
class Filter:
    """Which lines are wanted: this level and above, with ``text`` in them."""

    level: str
    text: str

    @classmethod
    def of(cls, request: HttpRequest) -> "Filter":
        """Return what the address asks for; raises InvalidInputError for an unknown level."""
        level = request.GET.get("level", "debug")
        if level not in history.LEVELS:
            raise InvalidInputError("There is no such level.", remedy="Choose one of the list.")
        return cls(level, request.GET.get("q", "").strip()[:100])

    @property
    def is_all(self) -> bool:
        """Whether no line is left out."""
        return self.level == "debug" and not self.text

    def lines(self, shown: JobPage) -> QuerySet[LogLine]:
        """Return the lines of a run in the order they came."""
        lines = history.log_lines(shown.job, level=self.level)
        return lines.filter(text__icontains=self.text) if self.text else lines

    def query(self, **also: int) -> str:
        """Return the address's part after the question mark that asks for the same."""
        return urlencode({"q": self.text, "level": self.level, **also})


@dataclass(frozen=True)
class Row:
    """One line; ``day`` is set where a day begins."""

    line: LogLine
    day: date | None


@page
@require_safe
def logs(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show a page of the log, newest last; ``before`` and ``after`` name the line it ends at."""
    shown = job_page.find(member(request), job_id)
    wanted = Filter.of(request)
    before, after = _id(request, "before"), _id(request, "after")
    lines, older, newer = _cut(wanted.lines(shown), before=before, after=after)
    follows = not newer and shown.is_live
    context = {
        "rows": rows(lines, day_before=None),
        "older": wanted.query(before=lines[0].pk) if older else "",
        "newer": wanted.query(after=lines[-1].pk) if newer else "",
        "newest": wanted.query() if newer else "",
        "follow": _follow(shown, wanted, lines) if follows else "",
        "follow_seconds": FOLLOW_SECONDS,
        "filter": wanted,
        "levels": LEVEL_CHOICES,
    }
    return frame.tab(request, shown, "logs", context=context)


@page
@require_safe
def newer(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Answer the lines after ``after`` and how to ask on; nothing when there are none."""
    shown = job_page.find(member(request), job_id)
    wanted = Filter.of(request)
    after = _id(request, "after") or 0
    lines = list(wanted.lines(shown).filter(pk__gt=after)[:LINES_A_PAGE])
    if not lines and shown.is_live:
        return HttpResponse(status=204)
    last = LogLine.objects.filter(job=shown.job, pk=after).first()
    context = {
        "rows": rows(lines, day_before=_day(last) if last else None),
        "follow": _follow(shown, wanted, lines, after=after) if shown.is_live else "",
        "follow_seconds": FOLLOW_SECONDS,
    }
    return render(request, "deployments/job/_log_lines.html", context)


@page
@require_safe
def text(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Answer the whole log as a text file; no line is ever cut."""
    shown = job_page.find(member(request), job_id)
    lines = history.log_lines(shown.job).values_list("at", "level", "source", "text")

    def written() -> Iterator[str]:
        for at, level, source, words in lines.iterator(chunk_size=1000):
            yield f"{at.isoformat(timespec='seconds')} {level} {source} {words}\n"

    response = StreamingHttpResponse(written())
    return download(response, shown, "log.txt", content_type="text/plain")


def rows(lines: Sequence[LogLine], *, day_before: date | None) -> list[Row]:
    """Return the lines with the day where it changes; ``day_before`` is that of the line before."""
    found = []
    for line in lines:
        day = _day(line)
        found.append(Row(line, day if day_before is not None and day != day_before else None))
        day_before = day
    return found


def _day(line: LogLine) -> date:
    return timezone.localtime(line.at).date()


def _cut(
    lines: QuerySet[LogLine], *, before: int | None, after: int | None
) -> tuple[list[LogLine], bool, bool]:
    """Return a page in order, and whether there are older and newer lines."""
    if after is not None:
        found = list(lines.filter(pk__gt=after)[: LINES_A_PAGE + 1])
        return found[:LINES_A_PAGE], bool(found), len(found) > LINES_A_PAGE
    earlier = lines if before is None else lines.filter(pk__lt=before)
    found = list(earlier.order_by("-pk")[: LINES_A_PAGE + 1])
    return found[:LINES_A_PAGE][::-1], len(found) > LINES_A_PAGE, before is not None and bool(found)


def _follow(
    shown: JobPage, wanted: Filter, lines: Sequence[LogLine], *, after: int | None = None
) -> str:
    """Return where the lines after these are."""
    last = lines[-1].pk if lines else after or 0
    url = reverse("deployments:job-logs-newer", args=[shown.job.pk])
    return f"{url}?{wanted.query(after=last)}"


def _id(request: HttpRequest, name: str) -> int | None:
    told = request.GET.get(name, "")
    return int(told) if told.isdecimal() and len(told) <= MAX_ID_DIGITS else None
