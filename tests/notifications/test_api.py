"""``/api/webhooks``: made, changed, tested and forgotten by their owner; a secret is shown once."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from core.models import AuditEntry, FirstAnswer
from notifications import kinds, outbox, webhooks
from notifications.models import Message, Webhook
from tests import builders

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.org/in"
JSON = "application/json"


@pytest.fixture
def user() -> User:
    return builders.make_user()


@pytest.fixture
def api(user: User) -> Client:
    return client(user, "admin")


def client(user: User, *scopes: str) -> Client:
    token = builders.make_token(user, scopes=scopes)
    return Client(headers={"Authorization": f"Bearer {token}"})


def create(api: Client, **options: Any) -> dict[str, Any]:
    answer = api.post("/api/webhooks", {"url": URL}, content_type=JSON, **options)
    assert answer.status_code == 201, answer.content
    made: dict[str, Any] = answer.json()
    return made


def test_a_webhook_is_made_with_a_secret_that_is_shown_once(api: Client) -> None:
    made = create(api)

    shown = api.get(f"/api/webhooks/{made['id']}").json()
    assert made["secret"].startswith("whsec_")
    assert (made["url"], made["kinds"], made["is_enabled"]) == (URL, list(kinds.NAMES), True)
    assert "secret" not in shown
    assert shown == {name: made[name] for name in shown}
    assert api.get("/api/webhooks").json()["data"] == [shown]


def test_T26_a_repeat_makes_no_second_webhook_and_shows_no_secret(api: Client) -> None:
    key = {"headers": {"Idempotency-Key": "1"}}
    first, second = create(api, **key), create(api, **key)

    assert second["id"] == first["id"]
    assert second["secret"] is None
    assert Webhook.objects.count() == 1
    assert first["secret"] not in FirstAnswer.objects.get().body


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "url"),
        ({"url": "http://hooks.example.org/"}, "url"),
        ({"url": "https://127.0.0.1/"}, "url"),
        ({"url": "https://hooks.example.org:22/"}, "url"),
        ({"url": URL, "kinds": []}, "kinds"),
        ({"url": URL, "kinds": ["run.unheard_of"]}, "kinds.0"),
        ({"url": URL, "secret": "mine"}, "secret"),
    ],
)
def test_T11_what_cannot_be_used_is_refused_by_name(
    api: Client, body: dict[str, Any], param: str
) -> None:
    answer = api.post("/api/webhooks", body, content_type=JSON)

    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)
    assert not Webhook.objects.exists()


def test_a_webhook_is_changed_by_what_is_given(api: Client) -> None:
    made = create(api)

    answer = api.patch(f"/api/webhooks/{made['id']}", {"kinds": ["run.failed"]}, content_type=JSON)

    assert answer.json()["kinds"] == ["run.failed"]
    assert answer.json()["url"] == URL


def test_I9_what_waits_for_a_webhook_that_is_switched_off_is_given_up(api: Client) -> None:
    made = create(api)
    api.post(f"/api/webhooks/{made['id']}/test")

    answer = api.patch(f"/api/webhooks/{made['id']}", {"is_enabled": False}, content_type=JSON)

    assert answer.json()["is_enabled"] is False
    assert Message.objects.get().status == "dead"
    assert api.post(f"/api/webhooks/{made['id']}/test").status_code == 409


def test_a_webhook_that_was_switched_off_is_switched_on_by_its_owner(
    api: Client, user: User
) -> None:
    webhook, _ = webhooks.add(user, url=URL)
    outbox.switch_off(webhook, because="It answered 500.", now=webhook.created_at)

    answer = api.patch(f"/api/webhooks/{webhook.pk}", {"is_enabled": True}, content_type=JSON)

    assert (answer.json()["is_enabled"], answer.json()["switched_off_because"]) == (True, "")


def test_T12_a_rotation_shows_the_new_secret_and_until_when_the_old_one_holds(api: Client) -> None:
    made = create(api)

    rotated = api.post(f"/api/webhooks/{made['id']}/rotate")

    assert rotated.status_code == 201
    assert rotated.json()["secret"] not in (None, made["secret"])
    assert rotated.json()["previous_until"] is not None


def test_a_test_is_a_delivery_like_any_other(api: Client) -> None:
    made = create(api)

    answer = api.post(f"/api/webhooks/{made['id']}/test")

    (listed,) = api.get(f"/api/webhooks/{made['id']}/deliveries").json()["data"]
    assert answer.status_code == 202
    assert answer.json() == listed
    assert (listed["kind"], listed["status"], listed["tries"]) == ("webhook.test", "waiting", 0)
    assert listed["message_id"] == f"msg_{listed['id'].replace('-', '')}"


def test_tests_do_not_pile_up(api: Client) -> None:
    made = create(api)

    answers = [api.post(f"/api/webhooks/{made['id']}/test").status_code for _ in range(3)]

    assert answers == [202, 409, 409]


def test_deliveries_are_listed_by_pages(api: Client) -> None:
    made = create(api)
    for _ in range(3):
        api.post(f"/api/webhooks/{made['id']}/test")
        Message.objects.update(status="sent")
    address = f"/api/webhooks/{made['id']}/deliveries"

    first = api.get(f"{address}?limit=2").json()
    rest = api.get(f"{address}?limit=2&after={first['data'][-1]['id']}").json()

    assert (len(first["data"]), first["has_more"]) == (2, True)
    assert (len(rest["data"]), rest["has_more"]) == (1, False)


def test_a_webhook_is_forgotten_with_its_deliveries(api: Client, user: User) -> None:
    made = create(api)
    api.post(f"/api/webhooks/{made['id']}/test")

    assert api.delete(f"/api/webhooks/{made['id']}").status_code == 204

    assert not Message.objects.exists()
    assert AuditEntry.objects.filter(action="webhook.deleted", actor=user).exists()


@pytest.mark.parametrize("scope", ["read", "deploy"])
def test_a_token_that_may_only_read_or_deploy_makes_nothing_that_outlives_it(
    user: User, scope: str
) -> None:
    webhook, _ = webhooks.add(user, url=URL)
    weak = client(user, scope)

    answers = [
        weak.post("/api/webhooks", {"url": URL}, content_type=JSON),
        weak.patch(f"/api/webhooks/{webhook.pk}", {"url": URL}, content_type=JSON),
        weak.post(f"/api/webhooks/{webhook.pk}/rotate"),
        weak.delete(f"/api/webhooks/{webhook.pk}"),
    ]

    assert {answer.status_code for answer in answers} == {403}
    assert weak.get("/api/webhooks").status_code == 200


def test_nobody_keeps_webhooks_without_end(api: Client, user: User) -> None:
    for _ in range(webhooks.MAX_WEBHOOKS):
        webhooks.add(user, url=URL)

    answer = api.post("/api/webhooks", {"url": URL}, content_type=JSON)

    assert answer.status_code == 409
