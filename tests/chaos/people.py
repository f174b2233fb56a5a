"""What people do while a run lives: owners and operators, with what may be refused to them."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from core.errors import ConflictError, InvalidInputError, SlipwayError
from deployments import operations, services
from deployments.models import Deployment
from secrets_vault.models import VaultEntry
from secrets_vault.services import delete_entry, replace_secret

if TYPE_CHECKING:
    from tests.chaos.life import Life


def cancel(life: "Life", deployment: Deployment) -> None:
    life.world.cancel(deployment)


def cancel_unsaved(life: "Life", deployment: Deployment) -> None:
    life.world.cancel(deployment, save=False)


def save(life: "Life", deployment: Deployment) -> None:
    services.save_now(deployment, requested_by=life.world.user)


def deploy_again(life: "Life", deployment: Deployment) -> None:
    """F1: the same request under the same key takes no effect."""
    assert life.post() == str(deployment.pk), "F1: another deployment"
    assert Deployment.objects.count() == 1, "F1: two deployments"


def delete_key(life: "Life", deployment: Deployment) -> None:
    """F55: while the run may need it, this is refused."""
    delete_entry(entry_of(deployment), actor=life.world.user)
    raise AssertionError("F55: the key of a living run was deleted")


def replace_key(life: "Life", deployment: Deployment) -> None:
    """F55: from then on the old key opens nothing; a worker that slept may still hold it."""
    entry, new = entry_of(deployment), life.new_secret()
    cloud = next(cloud for cloud in life.world.clouds if cloud.platform == entry.provider)
    old = set(cloud.keys)
    cloud.keys.add(new)
    try:
        replace_secret(entry, secret=new, actor=life.world.user)
    except SlipwayError:
        cloud.keys_used.discard(new)
        cloud.keys = old
        raise
    if not life.is_nested:
        cloud.keys_used.clear()
        cloud.keys = {new}


def retry_collect(life: "Life", deployment: Deployment) -> None:
    operations.retry_collect(deployment, requested_by=life.world.user)


def resolve_attention(life: "Life", deployment: Deployment) -> None:
    operations.resolve_attention(deployment, requested_by=life.world.user, reason="Seen.")


def entry_of(deployment: Deployment) -> VaultEntry:
    """Return the key under which its newest machine was rented, or the preferred cloud's."""
    newest = deployment.machines.order_by("-attempt").first()
    return VaultEntry.objects.get(pk=(newest or deployment).vault_entry_id)


ACTS: dict[str, Callable[["Life", Deployment], None]] = {
    act.__name__: act
    for act in (
        cancel,
        cancel_unsaved,
        save,
        deploy_again,
        delete_key,
        replace_key,
        retry_collect,
        resolve_attention,
    )
}
# What a person may be told no with; anything else is a fault.
TOLD_NO = (ConflictError, InvalidInputError, SlipwayError)


def act(life: "Life", what: str) -> None:
    """Let somebody do this to the run, unless it is over; being told no is fine."""
    deployment = Deployment.objects.get()
    if deployment.is_terminal:
        return
    try:
        ACTS[what](life, deployment)
    except TOLD_NO:
        life.refused[what] += 1
    else:
        life.done[what] += 1
