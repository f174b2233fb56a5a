"""Describing: the adapter at home gets its model card, when all machines are gone and paid."""

import logging

from django.db.models import QuerySet

from core.database import DATABASE_AWAY
from deployments.exports.cards import add_card
from deployments.lifecycle.lease import Lease, LeaseLostError
from deployments.lifecycle.merging import remove_unless_whole
from deployments.models import Artifact, Deployment, Machine

logger = logging.getLogger(__name__)


def describe(lease: Lease, _machine: Machine | None) -> float:
    """Write the cards of what is home. A card that cannot be written holds up no end."""
    for artifact in without_card(lease.deployment):
        remove_unless_whole(artifact.machine)
        try:
            add_card(artifact)
        except (LeaseLostError, *DATABASE_AWAY):
            raise
        except Exception:
            logger.exception("Artifact %s gets no model card", artifact.pk)
            Artifact.objects.filter(pk=artifact.pk).update(card_due=False)
            lease.write(
                event=lease.event(
                    "no_card", "The adapter is home, but its model card could not be written."
                )
            )
    return 0.0


def without_card(deployment: Deployment) -> QuerySet[Artifact]:
    """Return the adapters of a deployment whose card is still to be written."""
    rows = Artifact.objects.filter(deployment=deployment, card_due=True)
    return rows.select_related("job__dataset", "deployment", "machine__deployment")
