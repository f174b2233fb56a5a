"""Mail to users: whether it is set up, who wants what, and the sending of one."""

from urllib.parse import urljoin

from django.conf import settings
from django.contrib.auth.models import User
from django.core.mail import EmailMessage

from notifications import kinds
from notifications.models import MailChoice, Message


def is_set_up() -> bool:
    """Say whether the operator has named a mail server (EMAIL_URL)."""
    return bool(settings.MAIL_IS_SET_UP)


def can_reach(user: User) -> bool:
    """Say whether a mail could be sent to the user at all."""
    return is_set_up() and bool(user.email) and user.is_active


def is_wanted(user: User, kind: str) -> bool:
    """Say whether the user is to be mailed news of this kind."""
    return can_reach(user) and kind in chosen(user)


def chosen(user: User) -> list[str]:
    """Return the kinds that the user wants mailed."""
    choice = MailChoice.objects.filter(user=user).first()
    return list(kinds.MAILED) if choice is None else list(choice.kinds)


def link(path: str) -> str:
    """Return the whole address of a page of ours, or its path while APP_URL is not set."""
    return urljoin(settings.APP_URL + "/", path.lstrip("/")) if settings.APP_URL else path


def send(message: Message) -> None:
    """Send one mail; raises OSError (SMTPException is one) when the server did not take it."""
    domain = settings.DEFAULT_FROM_EMAIL.rpartition("@")[2].strip("> ") or "localhost"
    EmailMessage(
        subject=message.subject,
        body=message.body,
        to=[message.address],
        # The same on every try, so that a repeat can be told from another mail.
        headers={"Message-ID": f"<{message.pk.hex}@{domain}>", "Auto-Submitted": "auto-generated"},
    ).send()
