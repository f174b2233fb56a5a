"""What may not be deleted: whatever stands for a machine that may still bill (F83, I1).

The foreign keys protect a deployment that has machines; these receivers protect the machines
themselves and a deployment that is about to rent its first. They see each row of a bulk delete and
of a cascade too, wherever it was asked for: admin, shell, or another app.
"""

from typing import Any

from django.db.models import ProtectedError
from django.db.models.signals import pre_delete

from deployments.models import Deployment, Machine, Stray


def connect() -> None:
    """Start to refuse; called once by ``DeploymentsConfig.ready``."""
    pre_delete.connect(_keep_machine, sender=Machine, dispatch_uid="keep-live-machines")
    pre_delete.connect(_keep_deployment, sender=Deployment, dispatch_uid="keep-live-deployments")
    pre_delete.connect(_keep_stray, sender=Stray, dispatch_uid="keep-live-strays")


def _keep_machine(instance: Machine, **kwargs: Any) -> None:
    if instance.may_live:
        raise ProtectedError(f"{instance.name} may still live and bill.", {instance})


def _keep_deployment(instance: Deployment, **kwargs: Any) -> None:
    if not instance.is_terminal:
        raise ProtectedError(f"{instance.name} is not over; stop it first.", {instance})


def _keep_stray(instance: Stray, **kwargs: Any) -> None:
    if instance.gone_at is None:
        raise ProtectedError(f"{instance.name} is not proven gone.", {instance})
