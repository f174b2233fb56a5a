"""What stands on every tab of a run, and how its blocks refresh themselves."""

from collections.abc import Iterable, Mapping
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from core.errors import NotFoundError
from deployments.pages import answers
from deployments.pages.answers import Block
from deployments.pages.charts.kinds import view_of
from deployments.pages.job import tabs
from deployments.pages.job_page import JobPage

# The template of each block, and how often a live one asks for its newer self.
BLOCKS = {
    "state": ("deployments/job/_state.html", 2),
    "figures": ("deployments/job/_figures.html", 2),
    "tabs": ("deployments/job/_tabs.html", 10),
    "loss": ("deployments/_loss.html", 5),
    "small": ("deployments/_small_charts.html", 5),
    "charts": ("deployments/job/_charts.html", 5),
    "samples": ("deployments/job/_samples.html", 5),
    "side": ("deployments/job/_side.html", 3),
    "below": ("deployments/job/_below.html", 5),
    "machines": ("deployments/job/_machines.html", 5),
    "events": ("deployments/job/_events.html", 5),
    "checkpoints": ("deployments/job/_checkpoints.html", 5),
    "files": ("deployments/job/_files.html", 10),
    "pushes": ("deployments/job/_pushes.html", 3),
    "cost": ("deployments/job/_cost.html", 5),
}
FRAME = ("state", "figures", "tabs")
# Those that show charts, in the view that the page was asked for.
CHARTS = ("loss", "small", "charts")


def tab(
    request: HttpRequest,
    shown: JobPage,
    name: str,
    *,
    blocks: Iterable[str] = (),
    context: Mapping[str, object] | None = None,
) -> HttpResponse:
    """Answer one tab of the page: the frame, and the ``blocks`` that its template places.

    ``context`` is what its template needs besides.
    """
    parts = {each: block(request, shown, each, on=name) for each in (*FRAME, *blocks)}
    return render(
        request,
        f"deployments/job/{name}.html",
        {"page": shown, "blocks": parts, "title": _title(shown, name), **(context or {})},
    )


def refreshed(request: HttpRequest, shown: JobPage, name: str) -> HttpResponse:
    """Answer one block alone, for a page that polls."""
    if name not in BLOCKS:
        raise NotFoundError("There is no such block.")
    on = request.GET.get("on", "")
    # Only a new word is told to screen readers; figures that tick are not.
    is_news = name == "state" and request.GET.get("word") != shown.pill.word
    return answers.refreshed(
        request,
        block(request, shown, name, on=on),
        title=_title(shown, on) if name in FRAME else "",
        bills=name == "state",
        announce="deployments/job/_announce.html" if is_news else "",
        page=shown,
    )


def block(request: HttpRequest, shown: JobPage, name: str, *, on: str) -> Block:
    """Render one block; ``on`` is the tab it stands on."""
    template, every_seconds = BLOCKS[name]
    context: dict[str, object] = {"page": shown}
    query = {"on": on} if name in FRAME else {}
    if name == "state":
        query["word"] = shown.pill.word
    if name == "tabs":
        context["tabs"] = tabs.tabs(shown.job, shown.deployment, current=on)
    if name in CHARTS:
        shown.view = view_of(request.GET)
        query = shown.view.query
    url = reverse("deployments:job-block", args=[shown.job.pk, name])
    return answers.block(
        request,
        name,
        template,
        context,
        url=f"{url}?{urlencode(query)}" if query else url,
        is_live=shown.is_pushing if name == "pushes" else shown.is_live or shown.run.bills,
        every_seconds=every_seconds,
    )


def _title(shown: JobPage, on: str) -> str:
    """Return the window's title: the state first, the tab last."""
    word = tabs.WORDS.get(on, "")
    return f"{shown.title} · {word}" if word and on != "overview" else shown.title
