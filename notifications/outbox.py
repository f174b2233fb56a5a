"""The outbox: written with what it tells, sent by the worker, each message until it is over (D6).

Never in the way of a tick: telling writes rows and nothing else, and of the workers that may wait
at most ``AT_ONCE`` send, never two to the same receiver (F74).
"""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.db.models import Count, F, QuerySet

from core.database import retried
from core.time import database_now
from notifications import kinds, mail, sending
from notifications.models import MAIL, Message, Webhook
from notifications.sending import Outcome

logger = logging.getLogger(__name__)

# R5: what is waited before each try; ten tries over about three days.
HOUR = 3600
TRY_AFTER_SECONDS = (
    *(0, 5, 300, 1800),
    *(2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR),
)
AT_ONCE = 2
# A task may take 50 s; after that its message is nobody's any more.
IN_HAND_SECONDS = 60
KEPT = timedelta(days=30)
CUT_OFF = "The last try was cut off."


@dataclass(frozen=True)
class News:
    """What is told: ``data`` to programs, ``subject`` and ``text`` to people. No secrets in it."""

    kind: str
    at: datetime
    subject: str
    text: str
    data: Mapping[str, Any]


def tell(user: User, news: News) -> int:
    """Write a message to each receiver of the user's that wants this news; return how many.

    Belongs into the transaction of what is told.
    """
    hooks = Webhook.objects.filter(user=user, is_enabled=True)
    messages = [to_webhook(hook, news) for hook in hooks if news.kind in hook.kinds]
    if mail.is_wanted(user, news.kind):
        messages.append(to_address(user, user.email, news))
    for message in messages:
        message.save(force_insert=True)
    return len(messages)


def to_webhook(webhook: Webhook, news: News) -> Message:
    """Return an unsaved message to a webhook."""
    body = {"type": news.kind, "timestamp": news.at.isoformat(), "data": dict(news.data)}
    return Message(
        user_id=webhook.user_id,
        webhook=webhook,
        receiver=str(webhook.pk),
        kind=news.kind,
        body=json.dumps(body, separators=(",", ":")),
        **_due(news.at),
    )


def to_address(user: User, address: str, news: News) -> Message:
    """Return an unsaved mail."""
    return Message(
        user=user,
        receiver=MAIL,
        address=address,
        kind=news.kind,
        subject=news.subject[:200],
        body=news.text,
        **_due(news.at),
    )


def claim_due(now: datetime, *, enqueue: Callable[[str], object]) -> int:
    """Hand due messages to workers; return how many.

    ``enqueue`` is called with a message's id, in the transaction of its claim. A try counts from
    here on: one that kills its process is not made for ever.
    """
    due = _waiting().filter(next_try_at__lte=now).order_by("next_try_at")
    if not due.exists():
        return 0
    in_hand = _waiting().filter(in_hand=True, next_try_at__gt=now)
    busy = list(in_hand.values_list("receiver", flat=True))
    claimed = 0
    while len(busy) < AT_ONCE and (message := due.exclude(receiver__in=busy).first()) is not None:
        busy.append(message.receiver)
        if message.tries >= len(TRY_AFTER_SECONDS):
            with transaction.atomic():
                _note(message, Outcome(problem=CUT_OFF), now=now)
            continue
        with transaction.atomic():
            mine = _waiting().filter(pk=message.pk, next_try_at=message.next_try_at)
            again = now + timedelta(seconds=IN_HAND_SECONDS)
            if mine.update(tries=F("tries") + 1, in_hand=True, next_try_at=again) == 1:
                enqueue(str(message.pk))
                claimed += 1
    return claimed


def deliver(message_id: str) -> None:
    """Try a message that is in hand, once, and write down what came of it."""
    in_hand = Message.objects.filter(pk=message_id, status=Message.Status.WAITING, in_hand=True)
    message = in_hand.select_related("webhook").defer(*_SEALED).first()
    if message is None:
        return
    outcome = sending.send(message)
    now = database_now()
    retried(lambda: _note(message, outcome, now=now))
    _forget_old(message.receiver, now=now)


def switch_off(webhook: Webhook, *, because: str, now: datetime) -> None:
    """Tell a webhook nothing more, and its owner why; what waits for it is dead (I9)."""
    standing = Webhook.objects.filter(pk=webhook.pk, is_enabled=True)
    if standing.update(is_enabled=False, switched_off_because=because[:300]) != 1:
        return
    bury_waiting(webhook, now=now)
    owner = User.objects.get(pk=webhook.user_id)
    if mail.can_reach(owner):
        news = _switched_off(webhook, because, now=now)
        to_address(owner, owner.email, news).save(force_insert=True)


def bury_waiting(webhook: Webhook, *, now: datetime) -> None:
    """Give up what waits for a webhook that is off."""
    _waiting().filter(webhook=webhook).update(
        **_over(Message.Status.DEAD, now), problem=sending.SWITCHED_OFF
    )


def dead_since(moment: datetime) -> int:
    """Return how many messages were given up since then."""
    return Message.objects.filter(status=Message.Status.DEAD, settled_at__gte=moment).count()


def overdue(moment: datetime) -> int:
    """Return how many messages were due before then and still wait."""
    return _waiting().filter(next_try_at__lt=moment).count()


def counts() -> dict[str, int]:
    """Return how many messages there are by status; what is over is kept for ``KEPT``."""
    counted = Message.objects.values_list("status").annotate(Count("pk")).order_by()
    return dict.fromkeys(Message.Status.values, 0) | dict(counted)


_SEALED = ("webhook__secret", "webhook__previous_secret")


def _note(message: Message, outcome: Outcome, *, now: datetime) -> None:
    """Write down, in a transaction, what came of a try; nothing if it was settled meanwhile."""
    mine = _waiting().filter(pk=message.pk, tries=message.tries)
    found = {"answer_status": outcome.answer_status, "problem": outcome.problem[:200]}
    if outcome.is_sent:
        mine.update(**found, **_over(Message.Status.SENT, now))
        return
    if message.tries < len(TRY_AFTER_SECONDS) and not outcome.is_final:
        wait = timedelta(seconds=TRY_AFTER_SECONDS[message.tries])
        mine.update(**found, in_hand=False, next_try_at=now + wait)
        return
    if mine.update(**found, **_over(Message.Status.DEAD, now)) != 1:
        return
    logger.warning("Message %s to %s is given up: %s", message.pk, message.receiver, outcome)
    if message.webhook is not None:
        switch_off(message.webhook, because=outcome.problem, now=now)


def _waiting() -> QuerySet[Message]:
    return Message.objects.filter(status=Message.Status.WAITING)


def _due(now: datetime) -> dict[str, Any]:
    return {"created_at": now, "next_try_at": now}


def _over(status: Message.Status, now: datetime) -> dict[str, Any]:
    return {"status": status, "in_hand": False, "next_try_at": None, "settled_at": now}


def _forget_old(receiver: str, *, now: datetime) -> None:
    Message.objects.filter(receiver=receiver, settled_at__lt=now - KEPT).delete()


def _switched_off(webhook: Webhook, because: str, *, now: datetime) -> News:
    text = (
        f"The webhook at {webhook.origin} is switched off: {because}\n\n"
        "Your runs are not touched by this. News that waited for it is not sent any more.\n\n"
        f"What you can do: mend the receiver, then switch it on: {mail.link('/settings/')}\n"
    )
    return News(kinds.SWITCHED_OFF, now, "[Slipway] A webhook is switched off", text, {})
