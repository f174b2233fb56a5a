"""Starting a run from a form, once however often its button is pressed (F1).

The form's nonce becomes the id of the kept settings: the database takes it once, so of two
presses that arrive together one starts the run and the other learns of it.
"""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from core.errors import ConflictError
from core.time import database_now
from deployments import services
from deployments.models import Deployment, TrainingConfig
from deployments.services import ConfigInput, DeployRequest

# A cloud is asked within this time; what is older was left behind by a crash.
LEFT_BEHIND_AFTER = timedelta(minutes=2)


@dataclass(frozen=True)
class Press:
    """What one press of the button asks for; ``nonce`` is its form's."""

    nonce: UUID
    platform: str
    config: ConfigInput
    request: DeployRequest


def start_once(user: User, press: Press) -> Deployment | None:
    """Start the run, or return the one this form has started; None: another press is at it.

    Raises: what ``services.deploy`` raises, and then nothing is kept; ConflictError when this
    form has started a run with other settings.
    """
    config = _claim(user, press)
    if config is None:
        return _started_before(user, press)
    try:
        return services.deploy(user, press.platform, press.request)
    except BaseException:
        forget(config)
        raise


def started(user: User, nonce: UUID) -> Deployment | None:
    """Return the run that a form has started, or None."""
    return Deployment.objects.filter(user=user, training_config=nonce).first()


def is_being_started(user: User, nonce: UUID) -> bool:
    """Say whether a press of this form is being worked on."""
    config = TrainingConfig.objects.filter(pk=nonce, user=user).first()
    if config is None or started(user, nonce) is not None:
        return False
    if database_now() - config.created_at > LEFT_BEHIND_AFTER:
        forget(config)
        return False
    return True


def forget(config: TrainingConfig) -> None:
    """Drop the settings of a run that was not started, so that they hold on to no data."""
    if not config.deployments.exists():
        services.delete_config(config)


def _claim(user: User, press: Press) -> TrainingConfig | None:
    """Keep the settings under the nonce; None if they are there already."""
    fresh = TrainingConfig(pk=press.nonce, user=user)
    try:
        with transaction.atomic():
            return services.save_config(user, press.config, existing=fresh)
    except IntegrityError:
        return None


def _started_before(user: User, press: Press) -> Deployment | None:
    deployment = started(user, press.nonce)
    if deployment is None:
        if is_being_started(user, press.nonce):
            return None
        # The other press may have started it between the two looks.
        deployment = started(user, press.nonce)
    if deployment is None:
        raise _used("Nothing was started.")
    if not _same(deployment, press):
        raise _used("It has started a run already, with other settings.")
    return deployment


def _same(deployment: Deployment, press: Press) -> bool:
    config = deployment.training_config
    given = press.config
    return config is not None and (
        (config.name, config.base_model, str(config.dataset_id), deployment.budget_limit)
        == (given.name, given.base_model, given.dataset_id, press.request.budget_limit)
        and config.hyperparameters == dict(given.hyperparameters or {})
        and config.eval == dict(given.eval or {})
    )


def _used(what: str) -> ConflictError:
    return ConflictError(
        f"This form was sent before. {what}",
        remedy="Look over the settings and press Start again to start another run.",
        code="E_FORM_USED",
    )
