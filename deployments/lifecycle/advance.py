"""One tick of one deployment: take the lease, decide, do one thing, save (D4)."""

import logging
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import F
from structlog.contextvars import bound_contextvars

from core.database import DATABASE_AWAY, reconnect
from core.errors import ServerFaultError, SlipwayError
from core.time import database_now
from datasets.services import revoke_tokens
from deployments import checkpoints, history, machine_tokens, telling
from deployments.lifecycle import (
    booting,
    collecting,
    describing,
    fetching,
    launching,
    merging,
    preparing,
    terminating,
    training,
)
from deployments.lifecycle.actions import Action, Do, Effect, Record, Rest
from deployments.lifecycle.attention import FAILED_TICKS
from deployments.lifecycle.decide import decide
from deployments.lifecycle.lease import Lease, LeaseLostError
from deployments.lifecycle.situation import Situation
from deployments.models import (
    Artifact,
    Checkpoint,
    CloudSnapshot,
    Deployment,
    Machine,
    RunState,
)
from deployments.models.deployments import Status
from deployments.timing import Timing

logger = logging.getLogger(__name__)

# A tick follows at most this many row changes that need nothing from outside.
MAX_RECORDS = 12
# F10: from so many failed ticks on, the deployment asks for attention; it is still ticked.
ATTENTION_AFTER = 5

Performer = Callable[[Lease, Machine | None], float]

PERFORM: dict[Effect, Performer] = {
    Effect.LAUNCH: launching.launch,
    Effect.TERMINATE: terminating.terminate,
    Effect.LOG_IN: booting.log_in,
    Effect.PREPARE: preparing.prepare,
    Effect.FOLLOW: training.follow,
    Effect.FETCH: fetching.fetch,
    Effect.COLLECT: collecting.collect,
    Effect.COLLECT_MERGED: merging.collect_merged,
    Effect.DESCRIBE: describing.describe,
}


def advance(deployment_id: UUID | str, *, may_block: bool) -> Effect | None:
    """Do the next step of a deployment; harmless when repeated, late, or concurrent.

    ``may_block`` says whether this worker may speak SSH. Returns the effect that waits for one
    that may, or None.
    """
    # Each line that is logged meanwhile, by whomever, says whose it is.
    with bound_contextvars(deployment_id=str(deployment_id)):
        try:
            return _advance(deployment_id, may_block=may_block)
        # F76: no row was changed for it. What was done outside is in the rows as a wish, and a
        # lease that could not be given back ends by itself.
        except DATABASE_AWAY as error:
            logger.warning("Tick of deployment %s left to the next: %s", deployment_id, error)
            reconnect()
            return None


def _advance(deployment_id: UUID | str, *, may_block: bool) -> Effect | None:
    timing: Timing = settings.TIMING
    purpose = "ssh" if may_block else "tick"
    lease = Lease.take(deployment_id, purpose=purpose, seconds=timing.lease_seconds)
    if lease is None:
        return None
    try:
        delay, waiting_effect = _step(lease, may_block=may_block, timing=timing)
    except LeaseLostError:
        return None
    # A database that is away says nothing about this deployment: it is not counted as failed.
    except DATABASE_AWAY as error:
        logger.warning("Tick of deployment %s is done again: %s", deployment_id, error)
        reconnect()
        delay, waiting_effect = timing.poll_seconds, None
    # A tick never raises: a poison row must not stop the others (F10, D10).
    except Exception as error:
        logger.exception("Tick of deployment %s failed", deployment_id)
        _note_failed_tick(lease, error)
        delay, waiting_effect = min(60.0, 5.0 * (lease.deployment.failed_ticks + 1)), None
    # Read the clock again: the effect took time of its own.
    next_tick = None if delay is None else database_now() + timedelta(seconds=delay)
    lease.release(next_tick_at=next_tick)
    return waiting_effect


def _step(lease: Lease, *, may_block: bool, timing: Timing) -> tuple[float | None, Effect | None]:
    """Follow records until an effect or a rest; return the delay and an effect not for us."""
    for _ in range(MAX_RECORDS):
        action = decide(observe(lease, timing=timing))
        if isinstance(action, Record):
            _write(lease, action)
            continue
        return _perform(lease, action, may_block=may_block, timing=timing)
    return 0.0, None


def _perform(
    lease: Lease, action: Action, *, may_block: bool, timing: Timing
) -> tuple[float | None, Effect | None]:
    if isinstance(action, Rest):
        _note_good_tick(lease)
        return action.seconds, None
    if not isinstance(action, Do):
        raise TypeError(f"not an action: {action}")
    if action.effect.may_block and not may_block:
        # Should the hand-over get lost, the ticker claims this row again.
        return timing.claim_seconds, action.effect
    name = action.machine.name if action.machine else ""
    try:
        with bound_contextvars(machine=name):
            delay = PERFORM[action.effect](lease, action.machine)
    except SlipwayError as error:
        # What a cloud or a machine answers badly is told and tried again at the next tick.
        logger.warning("%s of %s: %s", action.effect, lease.deployment.pk, error.message)
        _note_failed_tick(lease, error)
        return timing.poll_seconds, None
    _note_good_tick(lease)
    return delay, None


def observe(lease: Lease, *, timing: Timing) -> Situation:
    """Read the rows a decision needs, fresh."""
    deployment = Deployment.objects.select_related("job", "user").get(pk=lease.deployment.pk)
    lease.deployment = deployment
    lease.now = database_now()
    machines = tuple(deployment.machines.order_by("attempt", "node"))
    newest = machines[-1] if machines else None
    run = RunState.objects.filter(machine=newest).first() if newest else None
    home = set(Artifact.objects.filter(machine=newest).values_list("kind", flat=True))
    return Situation(
        deployment=deployment,
        machines=machines,
        run=run,
        adapter_home="adapter" in home,
        merged_home=merging.MERGED in home,
        card_due=_card_due(deployment),
        checkpoint=_waiting(deployment, newest),
        now=lease.now,
        timing=timing,
        median_step_seconds=_median_step_seconds(run, timing=timing),
        cloud_error=_cloud_error(deployment, newest),
        strays=tuple(deployment.strays.order_by("pk")),
        owner_may_run=deployment.user.is_active,
    )


def _median_step_seconds(run: RunState | None, *, timing: Timing) -> float | None:
    """Ask only once it matters: the run's own pace can make the limit of a step longer (F44)."""
    if run is None or run.stalled_seconds < timing.step_limit_seconds:
        return None
    return history.median_step_seconds(run.machine_id)


def _waiting(deployment: Deployment, machine: Machine | None) -> Checkpoint | None:
    """Checkpoints come home while the run trains; after that, the adapter does."""
    if machine is None or deployment.status != Status.TRAINING:
        return None
    return checkpoints.waiting(machine)


def _card_due(deployment: Deployment) -> bool:
    return deployment.status == Status.TERMINATING and describing.without_card(deployment).exists()


def _cloud_error(deployment: Deployment, newest: Machine | None) -> Mapping[str, Any] | None:
    key = newest.vault_entry_id if newest is not None else deployment.vault_entry_id
    rows = CloudSnapshot.objects.filter(vault_entry=key)
    return rows.values_list("error", flat=True).first()


def _write(lease: Lease, record: Record) -> None:
    event = lease.event(
        record.kind, record.message, machine=record.machine, data=record.data, to=record.to
    )
    lease.write(
        deployment=record.deployment,
        machine=record.machine,
        machine_changes=record.machine_changes,
        event=event,
        to=record.to,
    )
    if record.machine is not None and "gone_at" in record.machine_changes:
        # T6: a machine's rights end with it.
        revoke_tokens(record.machine.name)
        machine_tokens.revoke(record.machine)


def _note_failed_tick(lease: Lease, error: Exception) -> None:
    rows = Deployment.objects.filter(pk=lease.deployment.pk)
    rows.update(failed_ticks=F("failed_ticks") + 1)
    lease.deployment.refresh_from_db(fields=["failed_ticks", "attention"])
    if lease.deployment.failed_ticks < ATTENTION_AFTER or lease.deployment.attention:
        return
    attention = _told(error)
    with transaction.atomic():
        if rows.filter(attention__isnull=True).update(attention=attention) == 1:
            event = lease.event("attention", attention["message"])
            event.version = lease.version
            event.save(force_insert=True)
            telling.tell(event)


def _told(error: Exception) -> dict[str, str]:
    """Return the notice; the words of an error that is none of ours are for the log alone."""
    told = (
        error
        if isinstance(error, SlipwayError)
        else ServerFaultError(
            "Slipway met an error that it did not expect.",
            remedy="Show the time to whoever runs this server: the reason is in its log. "
            "We go on trying.",
        )
    )
    return {
        "code": told.code,
        "message": f"The last {ATTENTION_AFTER} tries to go on failed: {told.message}"[:1000],
        "remedy": told.remedy or "Nothing, if it passes: we go on trying.",
        "kind": FAILED_TICKS,
    }


def _note_good_tick(lease: Lease) -> None:
    if lease.deployment.failed_ticks:
        rows = Deployment.objects.filter(pk=lease.deployment.pk)
        rows.update(failed_ticks=0)
        if (lease.deployment.attention or {}).get("kind") == FAILED_TICKS:
            rows.update(attention=None)
