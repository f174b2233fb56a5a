"""The tabs of a run: links with addresses of their own, the current one marked."""

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet
from django.urls import NoReverseMatch, reverse

from deployments.models import (
    Artifact,
    Checkpoint,
    Deployment,
    Event,
    LogLine,
    Sample,
    TrainingJob,
)

# Counting further costs more than it tells: a run may have a million lines.
COUNTED_TO = 10_000
# Name, word and address by name, in their order.
TABS = (
    ("overview", "Overview", "job"),
    ("charts", "Charts", "job-charts"),
    ("samples", "Samples", "job-samples"),
    ("logs", "Logs", "job-logs"),
    ("events", "Events", "job-events"),
    ("checkpoints", "Checkpoints", "job-checkpoints"),
    ("files", "Files", "job-files"),
    ("config", "Config", "job-config"),
    ("cost", "Cost", "job-cost"),
)
WORDS = {name: word for name, word, _ in TABS}
# Pages that belong to a tab.
PART_OF = {"use": "files"}


@dataclass(frozen=True)
class Tab:
    """One link; ``count`` is how many things are behind it, "" where that says nothing."""

    name: str
    word: str
    url: str
    count: str
    is_current: bool


def tabs(job: TrainingJob, deployment: Deployment, *, current: str) -> tuple[Tab, ...]:
    """Return the tabs of a run in their order; five queries."""
    counts = {
        "samples": counted(Sample.objects.filter(job=job)),
        "logs": counted(LogLine.objects.filter(job=job)),
        "events": counted(Event.objects.filter(deployment=deployment)),
        "checkpoints": counted(Checkpoint.objects.filter(job=job)),
        "files": counted(Artifact.objects.filter(job=job)),
    }
    here = PART_OF.get(current, current)
    found = []
    for name, word, address in TABS:
        try:
            url = reverse(f"deployments:{address}", args=[job.pk])
        except NoReverseMatch:
            continue
        found.append(Tab(name, word, url, counts.get(name, ""), is_current=name == here))
    return tuple(found)


def counted(rows: QuerySet[Any]) -> str:
    """Return how many rows there are, "10,000+" for more than anybody counts, "" for none."""
    number = rows.order_by()[: COUNTED_TO + 1].count()
    if number > COUNTED_TO:
        return f"{COUNTED_TO:,}+"
    return f"{number:,}" if number else ""
