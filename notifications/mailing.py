"""What users choose about their mail. The address is changed with notice to the old one (T20)."""

from collections.abc import Sequence

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction

from core import audit
from core.errors import ConflictError, InvalidInputError
from core.time import database_now
from notifications import kinds, mail, outbox
from notifications.models import MAIL, MailChoice, Message
from notifications.outbox import News


def choose(user: User, *, address: str, wanted: Sequence[str]) -> None:
    """Keep where the user is mailed and about what; the address that was hears of another.

    Raises: InvalidInputError for what is no address or no kind.
    """
    address = address.strip()
    _check(address, wanted)
    with transaction.atomic():
        before = User.objects.select_for_update().get(pk=user.pk)
        MailChoice.objects.update_or_create(
            user=before, defaults={"kinds": [name for name in kinds.NAMES if name in wanted]}
        )
        if before.email != address:
            if mail.can_reach(before):
                outbox.to_address(before, before.email, _moved()).save(force_insert=True)
            User.objects.filter(pk=user.pk).update(email=address)
        changed = {"address_changed": before.email != address, "kinds": list(wanted)}
        audit.record("mail.chosen", actor=user, obj=user, **changed)
    user.email = address


def send_test(user: User) -> Message:
    """Write a test mail; the worker sends it like any other.

    Raises: ConflictError when the user cannot be mailed, or another test waits.
    """
    if not mail.can_reach(user):
        raise ConflictError(
            "No mail can be sent to you.",
            remedy="Give an address. If there is one, the operator has not set up mail.",
        )
    waiting = Message.objects.filter(user=user, receiver=MAIL, status=Message.Status.WAITING)
    if waiting.filter(kind=kinds.MAIL_TEST).exists():
        raise ConflictError("A test is on its way already.", remedy="Look into your mail.")
    text = "This is a test: whoever reads this is told of your runs.\n"
    news = News(kinds.MAIL_TEST, database_now(), "[Slipway] A test", text, {})
    message = outbox.to_address(user, user.email, news)
    message.save(force_insert=True)
    return message


def newest(user: User) -> Message | None:
    """Return the newest mail to the user, sent or not."""
    return Message.objects.filter(user=user, receiver=MAIL).first()


def _check(address: str, wanted: Sequence[str]) -> None:
    unknown = [name for name in wanted if name not in kinds.NAMES]
    if unknown:
        raise InvalidInputError(f"There is no kind {unknown[0]!r}.", param="kinds")
    if not address:
        return
    try:
        validate_email(address)
    except ValidationError:
        raise InvalidInputError(
            "This is no mail address.", remedy="Write it as name@host.", param="address"
        ) from None


def _moved() -> News:
    text = (
        "From now on news of your runs goes to another address, or to none.\n\n"
        "If that was not you: change your password now, end the other sessions, and look at your "
        f"runs: {mail.link('/settings/')}\n"
    )
    subject = "[Slipway] Your mail goes elsewhere now"
    return News(kinds.ADDRESS_CHANGED, database_now(), subject, text, {})
