"""One try of one message, over its channel. Whatever goes wrong is an outcome, never an error."""

import logging
import smtplib
import time
from dataclasses import dataclass

from django.conf import settings

from core import outbound
from core.errors import SlipwayError
from notifications import mail, sealed, signing
from notifications.models import Message, Webhook

logger = logging.getLogger(__name__)

USER_AGENT = "slipway-webhooks/0.1"
SWITCHED_OFF = "The webhook is switched off."
# The receiver says that nobody is there any more (Standard Webhooks, "Deliverability").
GONE = 410


@dataclass(frozen=True)
class Outcome:
    """What came of a try. ``is_final``: trying again is of no use."""

    is_sent: bool = False
    answer_status: int | None = None
    problem: str = ""
    is_final: bool = False


def send(message: Message) -> Outcome:
    """Try the message once."""
    try:
        if message.webhook is None:
            return _mail(message)
        return _post(message, message.webhook)
    except outbound.UnansweredError as error:
        return Outcome(problem=str(error))
    except SlipwayError as error:
        return Outcome(problem=error.message)
    # A message that no code foresaw must come to its end like the others (I9).
    except Exception:
        logger.exception("Message %s could not be tried", message.pk)
        return Outcome(problem="Slipway failed at it; the operator's log says why.")


def _post(message: Message, webhook: Webhook) -> Outcome:
    if not webhook.is_enabled:
        return Outcome(problem=SWITCHED_OFF, is_final=True)
    rules: outbound.Rules = settings.WEBHOOK_RULES
    target = outbound.target_of(webhook.url, rules=rules)
    body = message.body.encode()
    signed = signing.signed_headers(
        sealed.secrets_of(webhook),
        message_id=message.public_id,
        timestamp=int(time.time()),
        body=body,
    )
    headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT, **signed}
    status = outbound.post(target, body, headers=headers, rules=rules)
    if 200 <= status < 300:
        return Outcome(is_sent=True, answer_status=status)
    redirects = 300 <= status < 400
    more = "; redirects are not followed" if redirects else ""
    return Outcome(
        answer_status=status, problem=f"It answered {status}{more}.", is_final=status == GONE
    )


def _mail(message: Message) -> Outcome:
    if not mail.is_set_up():
        return Outcome(problem="Mail is not set up on this server.")
    try:
        mail.send(message)
    except smtplib.SMTPRecipientsRefused:
        return Outcome(problem="The mail server does not take mail for this address.")
    except (smtplib.SMTPException, OSError) as error:
        # The class alone: a server's words may repeat what was sent to it.
        return Outcome(problem=f"The mail server did not take it ({type(error).__name__}).")
    return Outcome(is_sent=True)
