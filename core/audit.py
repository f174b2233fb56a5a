"""The audit trail: state changes, key use, admin actions, denied access (I19)."""

from typing import Any

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.db import models

from core.models import AuditEntry

SYSTEM = "system"


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
