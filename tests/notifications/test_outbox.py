"""The outbox: each message is sent or given up, at least once under one id, in nobody's way."""

import json
import time
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core import mail as django_mail
from django.db import transaction
from django.test import override_settings
from pytest_django.fixtures import Settings

from core import outbound
from core.outbound import Rules
from core.time import database_now
from notifications import kinds, outbox, sending, signing, webhooks
from notifications.models import Message, Webhook
from notifications.outbox import News
from secrets_vault.models import VaultEntry
from tests import builders
from tests.deployments.lifecycle.threads import at_once
from tests.deployments.virtual.clock import Clock
from tests.notifications.receiver import Receiver, answers

pytestmark = pytest.mark.django_db
FAILS = answers(500)
R5_HOURS = [0, 0, 300 / 3600, 0.5, 2, 5, 10, 14, 20, 24]


def news(clock: Clock, kind: str = kinds.LAUNCHED.name) -> News:
    return News(kind, clock.now, "[Slipway] News", "Something happened.\n", {"name": "sums"})


def work(clock: Clock) -> int:
    """Claim what is due and try it, as ticker and worker do; return how much that was."""
    taken: list[str] = []
    outbox.claim_due(clock.now, enqueue=taken.append)
    for message_id in taken:
        outbox.deliver(message_id)
    return len(taken)


def work_until_over(clock: Clock) -> list[float]:
    """Move the clock from try to try until nothing waits; return the seconds of the tries."""
    began, tries = clock.now, []
    while waiting := Message.objects.filter(status="waiting").order_by("next_try_at").first():
        assert waiting.next_try_at is not None
        clock.advance_to(waiting.next_try_at)
        tries += [(clock.now - began).total_seconds()] * work(clock)
    return tries


@pytest.fixture
def user() -> User:
    return builders.make_user()


@pytest.fixture
def hook(user: User, url: str, clock: Clock) -> tuple[Webhook, str]:
    return webhooks.add(user, url=url)


@pytest.fixture
def mailed(user: User, settings: Settings) -> User:
    settings.MAIL_IS_SET_UP = True
    user.email = "reader@example.org"
    user.save()
    return user


def test_a_webhook_gets_the_news_signed_and_in_one_piece(
    user: User, hook: tuple[Webhook, str], https: Receiver, clock: Clock
) -> None:
    assert outbox.tell(user, news(clock)) == 1
    work(clock)

    (got,) = https.received
    message = Message.objects.get()
    signing.verify(hook[1], headers=got.headers, body=got.body, now=time.time())
    assert json.loads(got.body) == {
        "type": "machine.launched",
        "timestamp": clock.now.isoformat(),
        "data": {"name": "sums"},
    }
    assert got.headers["webhook-id"] == message.public_id
    assert got.headers["content-type"] == "application/json"
    assert (message.status, message.tries, message.answer_status) == ("sent", 1, 204)
    assert work(clock) == 0


def test_R5_a_receiver_that_fails_is_asked_ten_times_over_three_days(
    user: User, hook: tuple[Webhook, str], https: Receiver, clock: Clock
) -> None:
    https.script = [FAILS] * 9
    outbox.tell(user, news(clock))

    tries = work_until_over(clock)

    waits = [after - before for before, after in zip([0.0, *tries], tries, strict=False)]
    assert waits == [0, 5, *(hours * 3600 for hours in R5_HOURS[2:])]
    assert len({got.headers["webhook-id"] for got in https.received}) == 1
    assert len({got.body for got in https.received}) == 1
    assert Message.objects.get().status == "sent"


def test_I9_R5_what_fails_ten_times_is_given_up_and_its_webhook_switched_off(
    mailed: User, hook: tuple[Webhook, str], https: Receiver, clock: Clock
) -> None:
    webhooks.change(hook[0], actor=mailed, wanted=[kinds.TRAINING.name])
    https.script = [FAILS] * 10
    outbox.tell(mailed, news(clock, kinds.TRAINING.name))

    assert len(work_until_over(clock)) == 11

    given_up, notice = Message.objects.order_by("created_at")
    webhook = Webhook.objects.get()
    assert (given_up.status, given_up.tries, given_up.problem) == ("dead", 10, "It answered 500.")
    assert (webhook.is_enabled, webhook.switched_off_because) == (False, "It answered 500.")
    assert (notice.kind, notice.status) == (kinds.SWITCHED_OFF, "sent")
    assert "switched off: It answered 500." in django_mail.outbox[0].body
    assert outbox.dead_since(clock.now) == 1
    assert outbox.tell(mailed, news(clock, kinds.TRAINING.name)) == 0


def test_I9_what_waits_for_a_webhook_that_is_switched_off_is_given_up(
    user: User, hook: tuple[Webhook, str], https: Receiver, clock: Clock
) -> None:
    https.script = [answers(410)]
    outbox.tell(user, news(clock))
    outbox.tell(user, news(clock))

    work(clock)

    assert {message.status for message in Message.objects.all()} == {"dead"}
    assert {message.problem for message in Message.objects.all()} == {
        "It answered 410.",
        sending.SWITCHED_OFF,
    }
    assert len(https.received) == 1


def test_I9_a_worker_that_dies_between_sending_and_writing_sends_it_again_under_the_same_id(
    user: User,
    hook: tuple[Webhook, str],
    https: Receiver,
    clock: Clock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    outbox.tell(user, news(clock))
    with monkeypatch.context() as patch:
        patch.setattr(outbox, "_note", lambda *_, **__: exit())
        with pytest.raises(SystemExit):
            work(clock)

    clock.advance(59)
    assert work(clock) == 0
    clock.advance(1)
    assert work(clock) == 1

    first, second = https.received
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body
    assert (Message.objects.get().status, Message.objects.get().tries) == ("sent", 2)


def test_I9_a_message_that_kills_each_worker_is_given_up_too(
    user: User, hook: tuple[Webhook, str], clock: Clock
) -> None:
    outbox.tell(user, news(clock))
    claims = 0
    while Message.objects.filter(status="waiting").exists():
        claims += outbox.claim_due(clock.now, enqueue=lambda _: None)
        clock.advance(60)

    message = Message.objects.get()
    assert claims == 10
    assert (message.status, message.problem) == ("dead", outbox.CUT_OFF)


def test_a_task_that_runs_twice_sends_once(
    user: User, hook: tuple[Webhook, str], https: Receiver, clock: Clock
) -> None:
    outbox.tell(user, news(clock))
    taken: list[str] = []
    outbox.claim_due(clock.now, enqueue=taken.append)

    outbox.deliver(taken[0])
    outbox.deliver(taken[0])

    assert len(https.received) == 1


def test_F74_of_many_messages_few_are_in_hand_and_one_for_each_receiver(
    user: User, hook: tuple[Webhook, str], url: str, clock: Clock
) -> None:
    others = [webhooks.add(builders.make_user(), url=url)[0] for _ in range(3)]
    for owner in [user] * 20 + [webhook.user for webhook in others]:
        outbox.tell(owner, news(clock))
    taken: list[str] = []

    claimed = [outbox.claim_due(clock.now, enqueue=taken.append) for _ in range(3)]

    receivers = Message.objects.filter(pk__in=taken).values_list("receiver", flat=True)
    assert claimed == [outbox.AT_ONCE, 0, 0]
    assert len(set(receivers)) == outbox.AT_ONCE


def test_F74_a_slow_receiver_does_not_keep_others_waiting(
    user: User, hook: tuple[Webhook, str], url: str, https: Receiver, clock: Clock
) -> None:
    other, _ = webhooks.add(builders.make_user(), url=url)
    for _ in range(5):
        outbox.tell(user, news(clock))
    # In hand, and nobody answers.
    outbox.claim_due(clock.now, enqueue=lambda _: None)
    outbox.tell(other.user, news(clock))

    work(clock)

    assert Message.objects.get(receiver=str(other.pk)).status == "sent"


def test_news_that_is_rolled_back_is_told_nobody(
    user: User, hook: tuple[Webhook, str], clock: Clock
) -> None:
    def told_then_failed() -> None:
        with transaction.atomic():
            outbox.tell(user, news(clock))
            raise RuntimeError("the state did not change after all")

    with pytest.raises(RuntimeError):
        told_then_failed()

    assert not Message.objects.exists()


def test_only_who_wants_this_news_is_told(
    user: User, hook: tuple[Webhook, str], clock: Clock
) -> None:
    webhooks.change(hook[0], actor=user, wanted=[kinds.FAILED.name])

    assert outbox.tell(user, news(clock, kinds.LAUNCHED.name)) == 0
    assert outbox.tell(builders.make_user(), news(clock, kinds.FAILED.name)) == 0
    assert outbox.tell(user, news(clock, kinds.FAILED.name)) == 1


def test_T11_a_redirect_counts_as_a_failure_and_leads_nowhere(
    user: User, hook: tuple[Webhook, str], https: Receiver, url: str, clock: Clock
) -> None:
    https.script = [answers(307, f"Location: {url}")]
    outbox.tell(user, news(clock))

    work(clock)

    message = Message.objects.get()
    assert (message.status, message.answer_status) == ("waiting", 307)
    assert message.problem == "It answered 307; redirects are not followed."
    assert len(https.received) == 1


def test_T11_an_address_that_is_no_longer_allowed_is_not_asked(
    user: User, hook: tuple[Webhook, str], https: Receiver, settings: Settings, clock: Clock
) -> None:
    outbox.tell(user, news(clock))
    settings.WEBHOOK_RULES = Rules(ports=frozenset({https.port}))

    work(clock)

    assert https.received == []
    assert Message.objects.get().problem == "Its name leads to an address that is not public."


def test_T12_for_a_day_after_a_rotation_both_secrets_sign(
    user: User, hook: tuple[Webhook, str], https: Receiver, clock: Clock
) -> None:
    webhook, old = hook
    _, new = webhooks.rotate(webhook, actor=user)
    for _ in range(2):
        outbox.tell(user, news(clock))
        work(clock)
        clock.advance(24 * 3600 + 1)

    first, second = https.received
    for secret in (old, new):
        signing.verify(secret, headers=first.headers, body=first.body, now=time.time())
    signing.verify(new, headers=second.headers, body=second.body, now=time.time())
    with pytest.raises(signing.ForgedError):
        signing.verify(old, headers=second.headers, body=second.body, now=time.time())


def test_T8_a_secret_of_another_row_signs_nothing(
    user: User, hook: tuple[Webhook, str], url: str, https: Receiver, clock: Clock
) -> None:
    theirs, _ = webhooks.add(builders.make_user(), url=url)
    swapped: Any = Webhook.objects.filter(pk=theirs.pk).values_list("secret", flat=True).get()
    Webhook.objects.filter(pk=hook[0].pk).update(secret=swapped)
    outbox.tell(user, news(clock))

    work(clock)

    assert https.received == []
    assert "cannot be opened" in Message.objects.get().problem


def test_T8_the_secret_is_in_no_column_and_no_message(hook: tuple[Webhook, str]) -> None:
    webhook, secret = hook

    assert secret.startswith("whsec_")
    assert "secret" in webhook.get_deferred_fields()
    assert not VaultEntry.objects.exists()


def test_what_nobody_foresaw_is_tried_again_like_any_other_failure(
    user: User, hook: tuple[Webhook, str], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> int:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(outbound, "post", broken)
    outbox.tell(user, news(clock))

    work(clock)

    message = Message.objects.get()
    assert (message.status, message.tries) == ("waiting", 1)
    assert "Slipway failed" in message.problem


def test_mail_goes_to_the_users_own_address_under_one_id(mailed: User, clock: Clock) -> None:
    outbox.tell(mailed, news(clock))
    work(clock)

    (letter,) = django_mail.outbox
    assert (letter.to, letter.subject) == (["reader@example.org"], "[Slipway] News")
    assert letter.body == "Something happened.\n"
    assert letter.message()["Message-ID"] == f"<{Message.objects.get().pk.hex}@localhost>"
    assert Message.objects.get().status == "sent"


@pytest.mark.parametrize("missing", ["server", "address"])
def test_without_a_server_or_an_address_nothing_is_mailed(
    missing: str, mailed: User, settings: Settings, clock: Clock
) -> None:
    if missing == "server":
        settings.MAIL_IS_SET_UP = False
    else:
        mailed.email = ""

    assert outbox.tell(mailed, news(clock)) == 0


def test_a_mail_server_that_fails_is_tried_again(mailed: User, clock: Clock) -> None:
    outbox.tell(mailed, news(clock))
    # Nobody listens on the port for discarding.
    with override_settings(
        EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=9,
    ):
        work(clock)

    failed = Message.objects.get()
    assert (failed.status, failed.problem) == (
        "waiting",
        "The mail server did not take it (ConnectionRefusedError).",
    )
    assert len(work_until_over(clock)) == 1
    assert len(django_mail.outbox) == 1


def test_what_is_over_is_forgotten_after_a_month(
    user: User, hook: tuple[Webhook, str], clock: Clock
) -> None:
    for _ in range(2):
        outbox.tell(user, news(clock))
        work(clock)
        clock.advance_to(clock.now + outbox.KEPT + timedelta(seconds=1))

    assert Message.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_D6_of_several_workers_one_takes_a_message(url: str) -> None:
    webhook, _ = webhooks.add(builders.make_user(), url=url)
    webhooks.send_test(webhook)
    now = database_now() + timedelta(seconds=1)

    claimed = at_once(4, lambda: outbox.claim_due(now, enqueue=lambda _: None))

    assert sorted(claimed) == [0, 0, 0, 1]
    assert Message.objects.get().tries == 1
