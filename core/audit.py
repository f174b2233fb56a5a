"""The audit trail: state changes, key use, admin actions, denied access (I19)."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.contrib.auth.signals import user_login_failed
from django.db import models
from django.dispatch import receiver
from django.http import HttpRequest

from core.addresses import client_network
from core.limits import take
from core.models import AuditEntry

SYSTEM = "system"
# So that nobody fills the table by being refused: rows a minute by one caller, and by all.
DENIALS_BY_ONE = 10
DENIALS_BY_ALL = 100


def record(
    action: str,
    *,
    actor: AbstractBaseUser | AnonymousUser | None,
    obj: models.Model | None,
    **data: Any,
) -> AuditEntry:
    """Write down that ``actor`` (None: Slipway itself) did ``action`` to ``obj``.

    ``data`` must be JSON and must never hold a secret: name keys by hint and fingerprint.
    """
    known = actor if actor is not None and actor.pk is not None else None
    return AuditEntry.objects.create(
        actor_id=known.pk if known else None,
        who=known.get_username() if known else SYSTEM,
        action=action,
        object_type=type(obj).__name__ if obj is not None else "",
        object_id=str(obj.pk) if obj is not None else "",
        data=data,
    )


def record_denied(
    action: str,
    *,
    caller: str,
    actor: AbstractBaseUser | AnonymousUser | None = None,
    **data: Any,
) -> None:
    """Write down that somebody was refused, at most so often a minute (I19).

    ``caller`` is whom the rows are counted by: a user, a machine, a network. The last row of a
    caller's minute, and of everybody's, says that those after it are not written.
    """
    one = take(f"denied:{caller}", limit=DENIALS_BY_ONE)
    if one.is_exceeded:
        return
    everybody = take("denied", limit=DENIALS_BY_ALL)
    if everybody.is_exceeded:
        return
    if not one.remaining or not everybody.remaining:
        data["last_of_this_minute"] = True
    record(action, actor=actor, obj=None, **data)


@receiver(user_login_failed, dispatch_uid="core.audit.sign_in_refused")
def _sign_in_refused(sender: object, request: HttpRequest | None = None, **others: object) -> None:
    # Without the name that was tried: it may be a mistyped password.
    if request is not None:
        network = client_network(request)
        record_denied("sign_in.refused", caller=network, network=network)
