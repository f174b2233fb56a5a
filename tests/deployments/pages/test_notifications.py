"""The settings pages of webhooks and mail: everything by forms, a secret shown once."""

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from core import confirmation
from core.models import AuditEntry
from notifications import kinds, mail, outbox, webhooks
from notifications.models import MAIL, Message, Webhook
from tests import builders
from tests.deployments.pages import scenes

pytestmark = pytest.mark.django_db
URL = "https://hooks.example.org/in"


@pytest.fixture
def user() -> User:
    return builders.make_user("ada", email="ada@example.org")


@pytest.fixture
def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def hook(user: User) -> Webhook:
    return webhooks.add(user, url=URL)[0]


@pytest.fixture
def with_mail(settings: Settings) -> None:
    settings.MAIL_IS_SET_UP = True


def words(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def test_a_webhook_is_added_and_its_secret_shown_once(browser: Client) -> None:
    answer = browser.post("/settings/webhooks/new/", {"url": URL, "kinds": ["run.failed"]})

    webhook = Webhook.objects.get()
    assert re.search(r"whsec_[\w+/=]{40,}", answer.content.decode())
    assert (webhook.url, webhook.kinds) == (URL, ["run.failed"])
    for address in ("/settings/", f"/settings/webhooks/{webhook.pk}/"):
        assert "whsec_" not in browser.get(address).content.decode()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "", "kinds": ["run.failed"]}, "Give the address"),
        ({"url": "https://10.0.0.1/", "kinds": ["run.failed"]}, "not a public address"),
        ({"url": URL, "kinds": []}, "Choose at least one"),
    ],
)
def test_T11_what_cannot_be_a_webhook_is_said_beside_the_field(
    browser: Client, given: dict[str, Any], said: str
) -> None:
    answer = browser.post("/settings/webhooks/new/", given)

    assert said in words(answer)
    assert not Webhook.objects.exists()


def test_a_webhook_page_shows_what_came_of_its_deliveries(browser: Client, hook: Webhook) -> None:
    scenes.given_up(hook)
    webhooks.send_test(hook)

    shown = words(browser.get(f"/settings/webhooks/{hook.pk}/"))

    assert "A test webhook.test" in shown
    assert "Waiting" in shown
    assert "Given up It answered 500." in shown


def test_a_test_is_sent_and_a_second_waits_for_it(browser: Client, hook: Webhook) -> None:
    first = browser.post(f"/settings/webhooks/{hook.pk}/test/", follow=True)
    second = browser.post(f"/settings/webhooks/{hook.pk}/test/", follow=True)

    assert "A test is on its way. See below" in words(first)
    assert "A test is on its way already." in words(second)
    assert Message.objects.count() == 1


def test_where_and_what_can_be_changed(browser: Client, hook: Webhook) -> None:
    given = {"url": f"{URL}/2", "kinds": ["run.saved"], "is_enabled": "on"}
    browser.post(f"/settings/webhooks/{hook.pk}/change/", given)

    hook.refresh_from_db()
    assert (hook.url, hook.kinds, hook.is_enabled) == (f"{URL}/2", ["run.saved"], True)


def test_a_webhook_that_is_switched_off_gives_up_what_waits(browser: Client, hook: Webhook) -> None:
    webhooks.send_test(hook)

    browser.post(f"/settings/webhooks/{hook.pk}/change/", {"url": URL, "kinds": ["run.saved"]})

    hook.refresh_from_db()
    assert not hook.is_enabled
    assert Message.objects.get().status == "dead"


def test_a_webhook_that_was_switched_off_says_why_and_can_be_switched_on(
    browser: Client, hook: Webhook
) -> None:
    outbox.switch_off(hook, because="It answered 500.", now=hook.created_at)

    shown = words(browser.get("/settings/"))
    given = {"url": URL, "kinds": ["run.saved"], "is_enabled": "on"}
    browser.post(f"/settings/webhooks/{hook.pk}/change/", given)

    hook.refresh_from_db()
    assert "Switched off It answered 500." in shown
    assert hook.is_enabled


def test_T12_a_new_secret_is_asked_for_and_shown_once(browser: Client, hook: Webhook) -> None:
    address = f"/settings/webhooks/{hook.pk}/rotate/"

    asked, answer = browser.get(address), browser.post(address)

    assert "whsec_" not in asked.content.decode()
    assert re.search(r"whsec_[\w+/=]{40,}", answer.content.decode())
    assert "the old secret too" in words(answer)


def test_a_webhook_is_deleted_once_that_is_confirmed(browser: Client, hook: Webhook) -> None:
    address = f"/settings/webhooks/{hook.pk}/delete/"
    browser.get(address)
    assert Webhook.objects.exists()

    browser.post(address)

    assert not Webhook.objects.exists()


def test_without_a_mail_server_the_pages_say_so(browser: Client) -> None:
    assert "Mail is not set up on this server" in words(browser.get("/settings/"))
    assert "Mail is not set up on this server" in words(browser.get("/settings/mail/"))


@pytest.mark.usefixtures("with_mail")
def test_what_is_mailed_is_chosen(browser: Client, user: User) -> None:
    assert f"about {len(kinds.MAILED)} of {len(kinds.KINDS)} kinds" in words(
        browser.get("/settings/")
    )

    browser.post("/settings/mail/", {"address": user.email, "kinds": ["run.failed"]})

    assert mail.chosen(user) == ["run.failed"]
    assert not Message.objects.exists()
    assert "about 1 of" in words(browser.get("/settings/"))


@pytest.mark.usefixtures("with_mail")
def test_T20_the_address_that_was_is_told_of_another(browser: Client, user: User) -> None:
    browser.post("/settings/mail/", {"address": "new@example.org", "kinds": ["run.failed"]})

    user.refresh_from_db()
    notice = Message.objects.get()
    assert user.email == "new@example.org"
    assert (notice.receiver, notice.address) == (MAIL, "ada@example.org")
    assert "change your password now" in notice.body
    assert AuditEntry.objects.filter(action="mail.chosen", actor=user).exists()


@pytest.mark.usefixtures("with_mail")
def test_who_wants_no_mail_gets_none(browser: Client, user: User) -> None:
    browser.post("/settings/mail/", {"address": "", "kinds": []})

    user.refresh_from_db()
    assert not mail.is_wanted(user, "run.failed")
    assert "You have given no address" in words(browser.get("/settings/"))


@pytest.mark.usefixtures("with_mail")
def test_what_is_no_address_is_said_beside_the_field(browser: Client, user: User) -> None:
    answer = browser.post("/settings/mail/", {"address": "ada", "kinds": []})

    user.refresh_from_db()
    assert "Write it as name@host." in words(answer)
    assert user.email == "ada@example.org"


@pytest.mark.usefixtures("with_mail")
def test_a_test_mail_is_sent(browser: Client) -> None:
    answer = browser.post("/settings/mail/test/", follow=True)

    assert "A test is on its way to ada@example.org." in words(answer)
    assert Message.objects.get().kind == "mail.test"
    assert "Waiting" in words(answer)


def test_a_test_mail_without_a_server_is_refused_in_words(browser: Client) -> None:
    answer = browser.post("/settings/mail/test/", follow=True)

    assert "No mail can be sent to you." in words(answer)


@pytest.mark.parametrize(
    "address",
    ["webhooks/new/", "webhooks/{}/change/", "webhooks/{}/rotate/", "webhooks/{}/delete/", "mail/"],
)
def test_T14_the_password_is_asked_for_before_anything_is_changed(
    browser: Client, hook: Webhook, address: str
) -> None:
    session = browser.session
    session[confirmation.CONFIRMED_AT] = 0
    session.save()

    answer = browser.post(f"/settings/{address.format(hook.pk)}", {"url": URL})

    assert answer.headers["Location"].startswith("/settings/confirm/?next=")
