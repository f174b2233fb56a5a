"""The frozen recipe of a run: every value, which of them somebody chose, and what it ran with."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from deployments import recipes
from deployments.pages import job_page
from deployments.pages.answers import member, page
from deployments.pages.job import frame
from deployments.pages.job.downloads import download
from deployments.pages.job_page import JobPage
from deployments.recipe_values import Setting
from deployments.templatetags.wording import plain, rate, size, usd

MOST_TOLD = 60


@dataclass(frozen=True)
class Value:
    """One setting; ``default`` is set where the value differs from it."""

    name: str
    value: str
    default: str = ""


@dataclass(frozen=True)
class Group:
    """Values that belong together."""

    title: str
    values: tuple[Value, ...]

    @property
    def changed(self) -> int:
        """How many of them differ from the defaults."""
        return sum(bool(value.default) for value in self.values)


@page
@require_safe
def config(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Show every value the run was made with."""
    shown = job_page.find(member(request), job_id)
    return frame.tab(request, shown, "config", context={"groups": groups(shown)})


@page
@require_safe
def config_json(request: HttpRequest, job_id: UUID) -> HttpResponse:
    """Answer the same as JSON."""
    shown = job_page.find(member(request), job_id)
    answer = JsonResponse(as_json(shown), json_dumps_params={"indent": 2})
    return download(answer, shown, "config.json", content_type="application/json")


def groups(shown: JobPage) -> tuple[Group, ...]:
    """Return all values in groups; those the machine tells of itself come last."""
    recipe, dataset = shown.job.config, shown.job.dataset
    found = (
        Group(
            "What is trained",
            (
                Value("base model", shown.job.model_name),
                Value("revision", recipe.get("revision") or "the newest when it ran"),
                Value("method", str(recipe.get("method", "")).upper()),
                Value("dataset", f"{dataset.name}, {dataset.rows:,} rows"),
                Value("dataset sha256", shown.job.dataset_sha256),
            ),
        ),
        Group("Hyperparameters", _settings(recipes.HYPERPARAMETERS, recipe, "hyperparameters")),
        Group("Evaluation", _settings(recipes.EVAL, recipe, "eval")),
        Group("What comes home", _settings(recipes.EXPORT, recipe, "export")),
        Group("Machine and limits", tuple(_asked(shown))),
        Group("As the machine told", tuple(_told(shown.environment))),
    )
    return tuple(group for group in found if group.values)


def as_json(shown: JobPage) -> dict[str, Any]:
    """Return the recipe and everything else that made the run what it was."""
    return {
        "job_id": str(shown.job.pk),
        "deployment_id": str(shown.deployment.pk),
        "name": shown.run.name,
        "recipe": shown.job.config,
        "dataset": {
            "name": shown.job.dataset.name,
            "rows": shown.job.dataset.rows,
            "sha256": shown.job.dataset_sha256,
        },
        "asked": {value.name: value.value for value in _asked(shown)},
        "environment": shown.environment,
    }


def _settings(
    known: Mapping[str, Setting], recipe: Mapping[str, Any], part: str
) -> tuple[Value, ...]:
    """Return the settings of a part, in the order of the recipe's definition."""
    given, method = recipe.get(part) or {}, str(recipe.get("method", ""))
    usual = {name: setting.default_for(method) for name, setting in known.items()}
    names = [*[name for name in known if name in given], *[n for n in given if n not in known]]
    return tuple(
        Value(
            name,
            _worded(given[name]),
            _worded(usual[name]) if name in usual and given[name] != usual[name] else "",
        )
        for name in names
    )


def _asked(shown: JobPage) -> Iterator[Value]:
    run, deployment = shown.run, shown.deployment
    yield Value("cloud", shown.cloud)
    yield Value("instance type", str(deployment.config.get("instance_type", "auto")))
    yield Value("region", str(deployment.config.get("region", "auto")))
    yield Value("budget", usd(run.cost.budget_limit))
    yield Value("highest price", rate(run.max_hourly_price))
    yield Value("longest time", f"{run.max_hours.normalize():f} h")
    yield Value("machines, one after the other", f"at most {run.max_attempts}")
    yield Value("wait for capacity", f"{deployment.wait_for_capacity_minutes} min")


def _told(environment: Mapping[str, Any]) -> Iterator[Value]:
    """Yield what the machine told of itself, flattened; it is shown as text, whatever it is."""
    for name, value in list(environment.items())[:MOST_TOLD]:
        title = name.replace("_", " ")
        if isinstance(value, Mapping):
            for inner, each in list(value.items())[:MOST_TOLD]:
                yield Value(f"{title.removesuffix('s')} {inner}".replace("_", " "), _worded(each))
        elif name.endswith("_bytes") and isinstance(value, int):
            yield Value(title.removesuffix(" bytes"), size(value))
        elif value not in (None, "", []):
            yield Value(title, _worded(value))


def _worded(value: object) -> str:
    if value is None:
        return "not set"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return plain(value) if isinstance(value, float) else f"{value:,}"
    if isinstance(value, list):
        return ", ".join(str(each) for each in value)[:200]
    return str(value)[:200]
