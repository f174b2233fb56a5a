"""What the clouds themselves say a machine cost, held against what we counted (I8).

Read once a machine is proven gone and the cloud has had time to write its bill. A difference is
told and changes nothing: what we counted stays what the run is said to cost.
"""

import logging
from datetime import datetime, timedelta
from decimal import Decimal

from django.conf import settings
from django.db import transaction
from django.db.models import QuerySet

from core.errors import SlipwayError
from core.time import database_now
from deployments import clouds
from deployments.models import Event, Machine
from deployments.models.deployments import LaunchState
from deployments.providers import PROVIDERS
from deployments.timing import Timing

logger = logging.getLogger(__name__)

# Bills of the clouds are late; after a week nobody is asked any more.
ASK_FOR = timedelta(days=7)
# Bills are rounded, and begin and end some seconds beside ours.
TOLERATED_USD = Decimal("0.02")
TOLERATED_SHARE = Decimal("0.02")


def due(now: datetime) -> QuerySet[Machine]:
    """Return the machines whose bill may be there and was not asked for lately."""
    timing: Timing = settings.TIMING
    wait = timedelta(seconds=timing.bill_delay_seconds)
    telling = [name for name, cloud in PROVIDERS.items() if cloud.capabilities.tells_bills]
    ended = Machine.objects.filter(
        platform__in=telling,
        launch_state=LaunchState.LAUNCHED,
        billed_usd__isnull=False,
        cloud_billed_usd__isnull=True,
        gone_at__lte=now - wait,
        gone_at__gte=now - ASK_FOR,
    ).exclude(instance_id="")
    return ended.exclude(cloud_bill_asked_at__gt=now - wait).order_by("gone_at")


def claim(machine: Machine, *, now: datetime) -> bool:
    """Take the next look at a machine's bill; False if somebody else has."""
    mine = Machine.objects.filter(pk=machine.pk, cloud_bill_asked_at=machine.cloud_bill_asked_at)
    return mine.update(cloud_bill_asked_at=now) == 1


def compare(machine: Machine) -> None:
    """Write a machine's bill down, and tell when it differs; never raises for a cloud's failure."""
    try:
        provider = clouds.provider_for(machine.vault_entry)
        billed = provider.billed_usd(machine.instance_id, since=machine.requested_at)
    except SlipwayError as error:
        logger.info("The bill of %s could not be read: %s", machine.name, error.message)
        return
    if billed is None:
        return
    rows = Machine.objects.filter(pk=machine.pk, cloud_billed_usd__isnull=True)
    with transaction.atomic():
        first = rows.update(cloud_billed_usd=billed) == 1
        if first and differs(machine.billed_usd or Decimal(0), billed):
            _tell(machine, billed)


def differs(counted_usd: Decimal, billed_usd: Decimal) -> bool:
    """Say whether a bill is further from what we counted than rounding explains (pure)."""
    tolerated = max(TOLERATED_USD, counted_usd * TOLERATED_SHARE)
    return abs(billed_usd - counted_usd) > tolerated


def _tell(machine: Machine, billed: Decimal) -> None:
    label = clouds.capabilities(machine.platform).label
    message = (
        f"{label} bills ${billed:.4f} for {machine.name}; we counted ${machine.billed_usd:.4f}. "
        "Compare with the bill on the cloud's own page."
    )
    logger.warning(message)
    Event.objects.create(
        deployment=machine.deployment,
        machine=machine,
        at=database_now(),
        kind="bill_differs",
        message=message,
        data={"billed_usd": str(billed), "counted_usd": str(machine.billed_usd)},
    )
