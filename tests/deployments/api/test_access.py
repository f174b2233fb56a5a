"""Who may reach what: every route, every verb, two users and nobody (T1, T2, I18)."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import Client

from deployments.api.urls import urlpatterns
from deployments.models import Deployment, TrainingConfig
from deployments.models.deployments import Desired
from tests.builders import (
    make_artifact,
    make_checkpoint_at_home,
    make_config,
    make_dataset,
    make_deployment,
    make_event,
    make_log_line,
    make_machine,
    make_metric,
    make_user,
    make_vault_entry,
)
from tests.deployments.api.calls import Caller

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("cloud")]

VERBS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
JOB_ROUTES = (
    "job",
    "metrics",
    "events",
    "logs",
    "checkpoints",
    "artifacts",
    "bundle",
    "push",
    "save",
    "stop",
    "resume",
    "clone",
    "samples",
)
# For machines alone, whoever asks else (test_machine.py): the same 401 for every id.
FOR_MACHINES = {("events", "POST")}
LISTS = ("training/configs", "training/deploy", "training/jobs")
# Routes that name an object of somebody; the others answer with the caller's own only.
OBJECT_ROUTES = ("config", "deploy", *JOB_ROUTES, "artifact-download", "checkpoint-download")
EVERY_ROUTE_AND_VERB = list(product(OBJECT_ROUTES, VERBS))


@dataclass(frozen=True)
class Owned:
    """The ids of one user's objects."""

    config: str
    deployment: str
    job: str
    instance: str
    artifact: str
    checkpoint: str
    dataset: str


@pytest.fixture
def owner() -> User:
    return make_user("owner")


@pytest.fixture
def theirs(owner: User) -> Owned:
    deployment = make_deployment(owner)
    machine = make_machine(deployment)
    make_event(deployment, machine=machine)
    make_metric(machine)
    make_log_line(machine)
    checkpoint = make_checkpoint_at_home(machine)
    config = deployment.training_config
    assert config is not None
    return Owned(
        config=str(config.pk),
        deployment=str(deployment.pk),
        job=str(deployment.job_id),
        instance=machine.instance_id,
        artifact=str(make_artifact(machine).pk),
        checkpoint=str(checkpoint.pk),
        dataset=str(config.dataset_id),
    )


@pytest.fixture
def stranger() -> Caller:
    user = make_user("stranger")
    make_vault_entry(user)
    return Caller(user, scopes=["admin"])


def unknown() -> Owned:
    return Owned(*[str(uuid4()) for _ in range(7)])


def addresses(name: str, ids: Owned) -> list[str]:
    """Return the addresses of a route that name these objects."""
    if name == "config":
        return [f"training/configs/{ids.config}"]
    if name == "deploy":
        named = (ids.deployment, ids.instance)
        return [f"training/deploy/lambda?deployment_id={text}" for text in named]
    if name == "artifact-download":
        return [f"artifacts/{ids.artifact}/download"]
    if name == "checkpoint-download":
        return [f"checkpoints/{ids.checkpoint}/download"]
    assert name in JOB_ROUTES
    return [f"training/jobs/{ids.job}" + ("" if name == "job" else f"/{name}")]


def bodies(ids: Owned) -> Iterator[dict[str, Any]]:
    """Return bodies that name these objects, so that no verb is refused for its body alone."""
    yield {}
    yield {"training_config_id": ids.config}
    yield {"training_config_id": ids.config, "resume_from": ids.checkpoint}
    yield {"name": "mine now", "base_model": "example/tiny-llama", "dataset_id": ids.dataset}


def test_the_matrix_knows_every_route() -> None:
    # These name no object: they answer with what is the caller's own.
    lists = {"configs", "deployments", "estimate", "jobs", "offers", "prices"}
    of_machines = {"dataset-token"}

    known = {*OBJECT_ROUTES, *lists, *of_machines}
    assert {pattern.name for pattern in urlpatterns} == known


@pytest.mark.parametrize(
    "route",
    [route for route in OBJECT_ROUTES if route not in ("save", "stop", "resume", "clone")],
)
def test_the_owner_reads_every_object(route: str, owner: User, theirs: Owned) -> None:
    caller = Caller(owner, scopes=["read"])

    for path in addresses(route, theirs):
        answer = caller.get(path)

        assert answer.status_code == 200
        # A stream is closed once it is read.
        assert b"".join(answer)


@pytest.mark.parametrize(("route", "verb"), EVERY_ROUTE_AND_VERB)
def test_i18_another_users_objects_answer_like_unknown_ones(
    route: str, verb: str, theirs: Owned, stranger: Caller
) -> None:
    nobody = unknown()
    for (mine, foreign), (other, missing) in zip(
        product(addresses(route, theirs), bodies(theirs)),
        product(addresses(route, nobody), bodies(nobody)),
        strict=True,
    ):
        answer = stranger.call(verb, mine, foreign)
        expected = stranger.call(verb, other, missing)

        assert answer.status_code == expected.status_code
        refusals = (401,) if (route, verb) in FOR_MACHINES else (400, 404, 405)
        assert answer.status_code in refusals or verb == "OPTIONS"
        assert answer.content == expected.content
        for text in vars(theirs).values():
            assert text.encode() not in answer.content
    deployment = Deployment.objects.get(pk=theirs.deployment)
    assert deployment.desired == Desired.RUN
    assert TrainingConfig.objects.get(pk=theirs.config).name == "Sums"


@pytest.mark.parametrize("path", LISTS)
def test_t2_lists_hold_nothing_of_anybody_else(path: str, theirs: Owned, stranger: Caller) -> None:
    assert stranger.read(path) == {"object": "list", "data": [], "has_more": False}
    for text in (theirs.config, theirs.deployment, theirs.job):
        answer = stranger.get(f"{path}?after={text}")

        assert answer.status_code == 400


def test_t2_nobody_builds_on_another_users_config_or_dataset(
    theirs: Owned, stranger: Caller
) -> None:
    deployed = stranger.post("training/deploy/lambda", {"training_config_id": theirs.config})
    named = {"name": "x", "base_model": "example/x", "dataset_id": theirs.dataset}
    kept = stranger.post("training/configs", named)

    assert deployed.status_code == kept.status_code == 404
    assert Deployment.objects.count() == 1
    assert TrainingConfig.objects.count() == 1


@pytest.mark.parametrize(("route", "verb"), EVERY_ROUTE_AND_VERB)
def test_t1_nobody_gets_anything_unless_signed_in(route: str, verb: str, theirs: Owned) -> None:
    for path in addresses(route, theirs):
        answer = Client().generic(verb, f"/api/{path}", b"{}", content_type="application/json")

        assert answer.status_code == 401
        assert verb == "HEAD" or b'"E_UNAUTHENTICATED"' in answer.content


@pytest.mark.parametrize("path", [*LISTS, "offers", "prices"])
def test_t1_lists_need_a_sign_in_too(path: str) -> None:
    assert Client().get(f"/api/{path}").status_code == 401


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("POST", "training/configs", {}),
        ("PUT", "training/configs/{config}", {}),
        ("PATCH", "training/configs/{config}", {}),
        ("DELETE", "training/configs/{config}", None),
        ("POST", "training/deploy/lambda", {}),
        ("DELETE", "training/deploy/lambda?deployment_id={deployment}", None),
        ("POST", "training/jobs/{job}/save", {}),
        ("POST", "training/jobs/{job}/stop", {}),
    ],
)
def test_a_token_that_may_only_read_changes_nothing(
    verb: str, path: str, body: object, owner: User, theirs: Owned
) -> None:
    reader = Caller(owner, scopes=["read"])

    answer = reader.call(verb, path.format(**vars(theirs)), body)

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "E_SCOPE"
    assert Deployment.objects.get().desired == Desired.RUN


def test_t13_a_browser_session_needs_the_csrf_token_to_change_something(
    owner: User, theirs: Owned
) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(owner)

    answer = browser.delete(f"/api/training/deploy/lambda?deployment_id={theirs.deployment}")

    assert answer.status_code == 403
    assert Deployment.objects.get().desired == Desired.RUN


def test_no_answer_ends_with_a_slash_or_follows_one(owner: User) -> None:
    assert Caller(owner).get("training/jobs/").status_code == 404
    make_config(owner, dataset=make_dataset(owner))
    assert Caller(owner).get("training/configs/").status_code == 404
