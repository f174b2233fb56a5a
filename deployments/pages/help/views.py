"""The addresses of the help pages."""

from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from core.errors import NotFoundError
from deployments.pages.answers import page
from deployments.pages.help.codes import BY_CODE, GROUPS
from deployments.providers import PROVIDERS, rented


@dataclass(frozen=True)
class Topic:
    """A help page of its own; its text is the template of its name."""

    name: str
    title: str
    line: str


TOPICS = (
    Topic("troubleshooting", "When something goes wrong", "From what you see to what helps."),
    Topic("keys", "Keys", "Where to make one, and what it may do."),
    Topic("adapter", "How to use the adapter", "On your own machine, merged, or served."),
    Topic("what-leaves", "What leaves this server", "To the cloud, to the machine, to the Hub."),
)
BY_NAME = {topic.name: topic for topic in TOPICS}


@page
@require_safe
def index(request: HttpRequest) -> HttpResponse:
    """List the topics and every code."""
    return render(request, "help/index.html", {"topics": TOPICS, "groups": GROUPS})


@page
@require_safe
def article(request: HttpRequest, name: str) -> HttpResponse:
    """Show a topic, or what a code means; codes are found in small letters too."""
    entry = BY_CODE.get(name.upper())
    if entry is not None:
        return render(request, "help/code.html", {"entry": entry})
    topic = BY_NAME.get(name)
    if topic is None:
        raise NotFoundError("There is no help page of that name.")
    clouds = [PROVIDERS[name].capabilities for name in rented()]
    return render(request, f"help/{topic.name}.html", {"topic": topic, "clouds": clouds})
