"""Who may reach what: every route by every verb, for a stranger and for nobody (T1, T2, I18).

The routes come from the URL table itself. A new parameter in an address must be added to
``Owned``; a route that is open to nobody's programs must be added to ``PUBLIC``, with its reason.
"""

from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.http.response import HttpResponseBase
from django.test import Client
from pytest_django.fixtures import Settings

from core import tokens
from core.api.idempotency import creating_of
from core.models import SignIn
from notifications import webhooks
from tests.builders import (
    make_artifact,
    make_checkpoint,
    make_deployment,
    make_draft,
    make_event,
    make_log_line,
    make_machine,
    make_metric,
    make_user,
)
from tests.config.routes import VERBS, Route, every_route

pytestmark = pytest.mark.django_db

ROUTES = {route.name: route for route in every_route()}
# In everything the owner has a name for; found in an answer, it was given away.
MARK = "quagga-7f3a"
ELSEWHERE = "203.0.113.9"

# Open without a sign-in: the statuses that say so, and why.
PUBLIC: dict[str, tuple[set[int], str]] = {
    "healthz": ({200, 405}, "says nothing but ok (T24)"),
    "favicon": ({302, 405}, "the icon of every page"),
    "login": ({200, 405}, "the way in"),
    "admin:login": ({200, 405}, "the way in"),
    "admin:logout": ({302, 405}, "leads to the way in"),
    "datasets_api:download": ({403, 405}, "its token is the permission (T5)"),
}
# Addresses of objects that stand in the query.
BY_QUERY = {"deployments_api:deploy"}
# Answered alike for a form that was never sent and for somebody else's: both lead to a new form.
NOT_TOLD_APART = {"deployments:being-started"}
SIGNING_OUT = {"logout", "admin:logout"}
OPERATORS = {"readyz", "metrics"}
# What stands in an address and is nobody's: a platform, a block of a page, parts of admin's.
NOT_OWNED = {
    "platform": "lambda",
    "file_name": "job.json",
    "name": "state",
    "content_type_id": "1",
    "app_label": "core",
    "url": "nothing/",
    "id": "1",
}
# POSTs that create nothing, so that an Idempotency-Key would say nothing.
NOT_CREATING = {
    "vault_api:check",
    "vault_api:replace",
    "deployments_api:save",
    "deployments_api:stop",
    "deployments_api:estimate",
}
# POSTs for machines alone: whoever is signed in is nobody there (API.md section 5).
FOR_MACHINES = {"deployments_api:events", "deployments_api:dataset-token"}
OWN_APPS = ("core", "datasets", "deployments", "notifications", "secrets_vault")
COUNTS = {"RateWindow", "FirstAnswer", "AuditEntry"}


class Owned:
    """One user's objects by the names that addresses have for them."""

    def __init__(self, user: User) -> None:
        deployment = make_deployment(user, name=MARK)
        machine = make_machine(deployment)
        make_event(deployment, machine=machine, message=MARK)
        make_metric(machine)
        make_log_line(machine, text=MARK)
        config = deployment.training_config
        assert config is not None
        token, self.token = tokens.create_token(user, name=MARK, scopes=["admin"])
        browser = Client(headers={"User-Agent": MARK})
        browser.force_login(user)
        session = SignIn.objects.get(session_id=browser.session.session_key)
        SignIn.objects.filter(pk=session.pk).update(user_agent=MARK)
        webhook, _ = webhooks.add(user, url=f"https://example.org/{MARK}")
        webhooks.send_test(webhook)
        self.marks = [MARK.encode(), machine.instance_id.encode(), machine.name.encode()]
        self.ids = {
            "job_id": str(deployment.job_id),
            "deployment_id": str(deployment.pk),
            "config_id": str(config.pk),
            "nonce": str(config.pk),
            "draft_id": str(make_draft(user, name=MARK).pk),
            "dataset_id": str(config.dataset_id),
            "entry_id": str(deployment.vault_entry_id),
            "artifact_id": str(make_artifact(machine).pk),
            "checkpoint_id": str(make_checkpoint(machine).pk),
            "token_id": str(token.pk),
            "session_id": str(session.pk),
            "webhook_id": str(webhook.pk),
            "object_id": str(deployment.pk),
        }


@pytest.fixture
def theirs() -> Owned:
    return Owned(make_user(f"owner-{MARK}"))


@pytest.fixture
def stranger(settings: Settings) -> Client:
    settings.API_READS_PER_MINUTE = settings.API_WRITES_PER_MINUTE = 10**6
    client = Client(REMOTE_ADDR=ELSEWHERE)
    client.force_login(make_user("stranger"))
    return client


@pytest.fixture
def nobody(settings: Settings) -> Client:
    settings.TOKEN_ROUTE_CALLS_PER_MINUTE = 10**6
    return Client(REMOTE_ADDR=ELSEWHERE)


def unknown_ids(like: Mapping[str, str]) -> dict[str, str]:
    return {name: str(uuid4()) if "-" in value else "987654" for name, value in like.items()}


def names_an_object(route: Route, ids: Mapping[str, str]) -> bool:
    return route.name in BY_QUERY or any(name in ids for name in route.parameters)


def ask(
    client: Client, verb: str, route: Route, ids: Mapping[str, str], body: object = None
) -> HttpResponseBase:
    address = route.address({**NOT_OWNED, **ids})
    if route.name in BY_QUERY:
        address += f"?deployment_id={ids['deployment_id']}"
    send = getattr(client, verb.lower())
    response: HttpResponseBase = (
        send(address)
        if verb in ("GET", "HEAD")
        else send(address, body or {}, content_type="application/json")
    )
    return response


def body_of(route: Route, ids: Mapping[str, str]) -> dict[str, str]:
    """Return a body that names somebody's objects where addresses do not."""
    if route.name == "deployments_api:deploy":
        return {"training_config_id": ids["config_id"]}
    if route.name == "deployments_api:configs":
        return {"name": "x", "base_model": "example/x", "dataset_id": ids["dataset_id"]}
    if route.name == "deployments_api:estimate":
        return {"config_id": ids["config_id"]}
    return {}


def content(response: HttpResponseBase) -> bytes:
    streamed = getattr(response, "streaming_content", None)
    return b"".join(streamed) if streamed is not None else bytes(getattr(response, "content", b""))


def everything() -> dict[str, list[dict[str, Any]]]:
    """Return every row of ours, but for what merely counts requests."""
    models = [m for app in OWN_APPS for m in apps.get_app_config(app).get_models()]
    return {
        model.__name__: list(QuerySet(model).order_by("pk").values())
        for model in models
        if model.__name__ not in COUNTS
    }


@pytest.mark.parametrize("verb", VERBS)
def test_i18_another_users_ids_are_answered_like_unknown_ones_and_nothing_changes(
    verb: str, theirs: Owned, stranger: Client
) -> None:
    before, missing = everything(), unknown_ids(theirs.ids)
    wrong: dict[str, object] = {}

    for name, route in ROUTES.items():
        if name.startswith("admin:") or not names_an_object(route, theirs.ids):
            continue
        answer = ask(stranger, verb, route, theirs.ids, body_of(route, theirs.ids))
        expected = ask(stranger, verb, route, missing, body_of(route, missing))
        said = content(answer)
        allowed = {302, 404, 405} if name in NOT_TOLD_APART else {404, 405}
        if name in FOR_MACHINES:
            allowed = allowed | {401}
        if answer.status_code not in allowed or MARK.encode() in said:
            wrong[name] = (answer.status_code, said)
        if (answer.status_code, said) != (expected.status_code, content(expected)):
            wrong[name] = (answer.status_code, expected.status_code, said)

    assert wrong == {}
    assert everything() == before


@pytest.mark.parametrize("verb", VERBS)
def test_t2_what_names_no_object_tells_nothing_of_another_users(
    verb: str, theirs: Owned, stranger: Client
) -> None:
    wrong: dict[str, object] = {}
    # Signing out would make the rest a walk of nobody.
    walk = [route for route in ROUTES.values() if not names_an_object(route, theirs.ids)]

    for route in sorted(walk, key=lambda route: route.name in SIGNING_OUT):
        answer = ask(stranger, verb, route, theirs.ids, body_of(route, theirs.ids))
        said = content(answer)
        if answer.status_code >= 500 or any(mark in said for mark in theirs.marks):
            wrong[route.name] = (answer.status_code, said)

    assert wrong == {}


@pytest.mark.parametrize("verb", VERBS)
def test_t1_nobody_is_let_in_anywhere_but_where_it_says_so(
    verb: str, theirs: Owned, nobody: Client
) -> None:
    before = everything()
    wrong: dict[str, object] = {}

    for name, route in ROUTES.items():
        answer = ask(nobody, verb, route, theirs.ids, body_of(route, theirs.ids))
        leads_to_sign_in = "login" in answer.headers.get("Location", "")
        if name in PUBLIC:
            good = answer.status_code in PUBLIC[name][0]
        elif route.is_api or name in OPERATORS:
            good = answer.status_code == 401
        else:
            good = answer.status_code == 302 and leads_to_sign_in
        if not good or MARK.encode() in content(answer):
            wrong[name] = answer.status_code

    assert wrong == {}
    assert everything() == before


@pytest.mark.parametrize("verb", VERBS)
def test_t15_the_admin_is_closed_to_those_who_are_not_staff(
    verb: str, theirs: Owned, stranger: Client
) -> None:
    answers = {
        name: ask(stranger, verb, route, theirs.ids)
        for name, route in ROUTES.items()
        if name.startswith("admin:") and name not in SIGNING_OUT and name != "admin:login"
    }

    assert answers
    assert not {n: a.status_code for n, a in answers.items() if a.status_code not in {302, 405}}


def test_f1_every_post_of_the_api_takes_an_idempotency_key_or_creates_nothing() -> None:
    posts = {
        name for name, route in ROUTES.items() if route.is_api and hasattr(route.view_class, "post")
    }
    keyed = {name for name in posts if creating_of(ROUTES[name].view_class, "POST")}

    assert posts - keyed == NOT_CREATING | FOR_MACHINES


def test_the_exceptions_are_routes_that_exist() -> None:
    assert {*PUBLIC, *BY_QUERY, *NOT_CREATING} <= set(ROUTES)


def test_t23_nothing_of_django_q2_is_in_the_admin() -> None:
    assert not [name for name in ROUTES if "django_q" in ROUTES[name].template]
