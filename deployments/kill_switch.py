"""The kill switch: every run is stopped and nothing is launched, until it is off again (T20).

Its state is in the row of ``SpendingLimits``, which every accept holds: a deployment is accepted
either before the switch is on, and then stopped by it, or after, and then refused. The lifecycle
reads it once more between a launch's intent and its call.
"""

from django.contrib.auth.models import User
from django.db import transaction

from core import audit
from core.errors import InvalidInputError
from core.time import database_now
from deployments import services, spending
from deployments.models import Deployment, SpendingLimits
from deployments.models.deployments import LIVING

# As the columns have it.
REASON_CHARACTERS = 500
SHELL = "the server's shell"


def turn_on(*, actor: User | None, reason: str, save: bool = False) -> int:
    """Block launches and ask every living deployment to stop; return how many live.

    Money first: unless ``save``, nothing is brought home any more, not even by runs that were
    landing. Turning it on again stops what lives now and keeps the first moment. ``actor`` None
    is the server's shell.

    Raises: InvalidInputError without a reason.
    """
    reason = reason.strip()[:REASON_CHARACTERS]
    if not reason:
        raise InvalidInputError(
            "A reason is needed.",
            remedy="Say why: everybody whose run is stopped reads it.",
            param="reason",
        )
    with transaction.atomic():
        row = spending.hold_limits()
        row.launches_blocked_at = row.launches_blocked_at or database_now()
        row.launches_blocked_by = actor.get_username() if actor else SHELL
        row.launches_blocked_reason = reason
        row.save()
        living = list(Deployment.objects.filter(status__in=LIVING).order_by("created_at"))
        for deployment in living:
            services.cancel(deployment, requested_by=actor, save=save, why=f"Kill switch: {reason}")
        audit.record(
            "kill_switch.on", actor=actor, obj=row, reason=reason, save=save, living=len(living)
        )
    return len(living)


def turn_off(*, actor: User | None) -> bool:
    """Allow launches again and return whether they were blocked; what was stopped stays so."""
    with transaction.atomic():
        row = spending.hold_limits()
        if row.launches_blocked_at is None:
            return False
        audit.record(
            "kill_switch.off",
            actor=actor,
            obj=row,
            blocked_at=row.launches_blocked_at.isoformat(),
            reason=row.launches_blocked_reason,
        )
        SpendingLimits.objects.filter(pk=row.pk).update(
            launches_blocked_at=None, launches_blocked_by="", launches_blocked_reason=""
        )
    return True
