"""The page of one run, its blocks, its long lists, and stopping it."""

import csv
import io
from collections.abc import Iterator, Mapping
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_http_methods, require_safe

from core.errors import InvalidInputError, NotFoundError
from deployments import history, overview, services
from deployments.history import Series
from deployments.models import Event, LogLine, TrainingJob
from deployments.models.deployments import Status
from deployments.pages import answers, charts, job_page
from deployments.pages.answers import Block, member, page
from deployments.pages.job_page import EVAL_LOSS, TRAIN_LOSS, JobPage
from deployments.templatetags.wording import figure

# The template of each block, and how often a live one asks for its newer self.
BLOCKS = {
    "state": ("deployments/job/_state.html", 2),
    "figures": ("deployments/job/_figures.html", 2),
    "loss": ("deployments/_loss.html", 5),
    "side": ("deployments/job/_side.html", 3),
    "story": ("deployments/job/_story.html", 5),
}
LINES_A_PAGE = 500
ROWS_A_PAGE = 500


@page
@require_safe
def job(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show one run as a whole."""
    shown = job_page.find(member(request), job_id)
    blocks = {name: _block(request, shown, name) for name in BLOCKS}
    return render(request, "deployments/job/overview.html", {"page": shown, "blocks": blocks})


@page
@require_safe
def block(request: HttpRequest, job_id: UUID, name: str) -> HttpResponse:
    """Answer one block of the page alone."""
    if name not in BLOCKS:
        raise NotFoundError("There is no such block.")
    shown = job_page.find(member(request), job_id)
    # Only a new word is told to screen readers; figures that tick are not.
    is_news = name == "state" and request.GET.get("word") != shown.pill.word
    return answers.refreshed(
        request,
        _block(request, shown, name),
        title=shown.title,
        announce="deployments/job/_announce.html" if is_news else "",
        page=shown,
    )


def _block(request: HttpRequest, shown: JobPage, name: str) -> Block:
    url = reverse("deployments:job-block", args=[shown.job.pk, name])
    if name == "state":
        url += "?" + urlencode({"word": shown.pill.word})
    template, every_seconds = BLOCKS[name]
    return answers.block(
        request,
        name,
        template,
        {"page": shown},
        url=url,
        is_live=shown.is_live,
        every_seconds=every_seconds,
    )


@page
@require_http_methods(["GET", "POST"])
def stop(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Say what would be lost and kept; on POST ask for the end (F24)."""
    shown = job_page.find(member(request), job_id)
    if request.method == "POST":
        save = request.POST.get("save") == "1"
        services.cancel(shown.deployment, requested_by=member(request), save=save)
        messages.success(request, _asked_words(shown, save=save))
        return redirect("deployments:job", job_id)
    if not shown.can_stop:
        return redirect("deployments:job", job_id)
    may_save = shown.run.status in (Status.TRAINING, Status.COLLECTING)
    return render(request, "deployments/job/stop.html", {"page": shown, "may_save": may_save})


def _asked_words(shown: JobPage, *, save: bool) -> str:
    if shown.run.is_terminal:
        return "This run is over already."
    if save and shown.run.status == Status.TRAINING:
        return "Asked to stop: the adapter is saved and brought home, then the machine is ended."
    return "Asked to stop: the machine is ended now."


@page
@require_safe
def loss(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show the loss chart as a table, newest first."""
    shown = job_page.find(member(request), job_id)
    steps, columns = _loss_columns(shown.job)
    rows = [
        (step, [figure(column[step]) if step in column else "" for column in columns])
        for step in steps[: -ROWS_A_PAGE - 1 : -1]
    ]
    context = {"page": shown, "rows": rows, "left_out": len(steps) - len(rows)}
    return render(request, "deployments/loss_table.html", context)


@page
@require_safe
def loss_csv(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Answer the whole table as CSV, in the columns of the page."""
    shown = job_page.find(member(request), job_id)
    steps, columns = _loss_columns(shown.job)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["step", TRAIN_LOSS, "smoothed", EVAL_LOSS])
    for step in steps:
        writer.writerow([step, *("" if (v := c.get(step)) is None else v for c in columns)])
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{_file_name(shown, "loss.csv")}"'
    return response


def _loss_columns(job: TrainingJob) -> tuple[list[int], list[Mapping[int, float | None]]]:
    """Return the steps in order, and by step: train, smoothed and evaluation loss."""
    series = history.metric_series(job, names=(TRAIN_LOSS, EVAL_LOSS))
    train, evaluation = series.get(TRAIN_LOSS, Series()), series.get(EVAL_LOSS, Series())
    by_step = dict(zip(train.step, train.value, strict=True))
    measured = dict(zip(evaluation.step, evaluation.value, strict=True))
    return sorted({*by_step, *measured}), [by_step, charts.smoothed(train), measured]


@page
@require_safe
def log(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show the log, newest lines last; ``before`` pages back, ``q`` and ``level`` filter."""
    shown = job_page.find(member(request), job_id)
    level = request.GET.get("level", "debug")
    if level not in history.LEVELS:
        raise InvalidInputError("There is no such level.", remedy="Choose one of the list.")
    text = request.GET.get("q", "").strip()[:100]
    lines = history.log_lines(shown.job, level=level)
    if text:
        lines = lines.filter(text__icontains=text)
    before = request.GET.get("before", "")
    found = lines.filter(pk__lt=int(before)) if before.isdecimal() and len(before) < 19 else lines
    cut: list[LogLine] = list(found.order_by("-id")[: LINES_A_PAGE + 1])
    older = cut[LINES_A_PAGE - 1].pk if len(cut) > LINES_A_PAGE else None
    context = {
        "page": shown,
        "lines": cut[:LINES_A_PAGE][::-1],
        "count": lines.count(),
        "older": older,
        "level": level,
        "levels": LEVEL_CHOICES,
        "text": text,
    }
    return render(request, "deployments/job/logs.html", context)


LEVEL_CHOICES = (
    ("debug", "All levels"),
    ("info", "Info and above"),
    ("warning", "Warnings and errors"),
    ("error", "Errors"),
)


@page
@require_safe
def log_text(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Answer the whole log as a text file; no line is ever cut."""
    shown = job_page.find(member(request), job_id)
    lines = history.log_lines(shown.job).values_list("at", "level", "source", "text")

    def written() -> Iterator[str]:
        for at, level, source, text in lines.iterator(chunk_size=1000):
            yield f"{at.isoformat(timespec='seconds')} {level} {source} {text}\n"

    response = StreamingHttpResponse(written(), content_type="text/plain; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{_file_name(shown, "log.txt")}"'
    return response  # type: ignore[return-value]  # the stubs' two kinds of answer share no base


@page
@require_safe
def events(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show everything that happened to the run, newest first."""
    shown = job_page.find(member(request), job_id)
    rows = Event.objects.filter(deployment=shown.deployment).order_by("-id")
    names = {machine.machine_id: machine.name for machine in shown.run.machines}
    lines = [overview.event_line(event, names) for event in rows[:ROWS_A_PAGE]]
    context = {"page": shown, "events": lines, "count": rows.count()}
    return render(request, "deployments/job/events.html", context)


def _file_name(shown: JobPage, name: str) -> str:
    run = slugify(shown.run.name)
    return f"{run}-{name}" if run else name
