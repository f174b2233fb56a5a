"""Pushing what is home to the Hub: asked for by its owner, carried out by a process of its own.

An upload may take longer than a task of the queues may: the task only starts the process. The row
holds how far it is. Should the process die, the row falls due again, and another sends what is
missing.
"""

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import Error, close_old_connections, transaction
from django.db.models import F, QuerySet

from core import audit
from core.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    ServerFaultError,
    SlipwayError,
)
from core.files import sha256_of
from core.time import database_now
from deployments import base_models
from deployments.archives import artifact_folder
from deployments.exports import hub
from deployments.exports.facts import card_facts
from deployments.exports.hub import HubFile
from deployments.exports.model_card import ADAPTER, FILE_NAME, MERGED, card
from deployments.models import Artifact, HubPush, TrainingJob
from secrets_vault.redaction import scrub
from secrets_vault.services import entry_for, open_secret

logger = logging.getLogger(__name__)
State = HubPush.State

KINDS = (ADAPTER, MERGED)
AT_ONCE = 2
TRIES = 5
FIRST_PAUSE_SECONDS = 30.0
# How long an uploading process may give no sign of life, and how often it gives one.
LEASE_SECONDS = 90.0
BEAT_SECONDS = 15.0


def ask(
    job: TrainingJob, *, user: AbstractBaseUser, repo_id: str, private: bool, what: str
) -> HubPush:
    """Ask for an artifact of the user's own job to be pushed; asked again it is redone.

    Raises: InvalidInputError naming the field; ConflictError while nothing of that kind is home,
    the run is not over, or its owner has no token in the vault.
    """
    _check(repo_id, what)
    if entry_for(user, hub.PROVIDER) is None:
        raise ConflictError(
            "You have no Hugging Face token in the vault.",
            remedy="Add one that may write on your keys page, then push again.",
            code="E_NO_KEY",
        )
    artifact = Artifact.objects.filter(job=job, kind=what).select_related("deployment").first()
    if artifact is None:
        raise ConflictError(
            f"No {what} of this run is home.", remedy="Push what is home, or train again."
        )
    if not artifact.deployment.is_terminal:
        raise ConflictError(
            "The run is not over: what it cost, which the model card tells, is not known yet.",
            remedy="Push when the run has ended.",
        )
    now = database_now()
    with transaction.atomic():
        push, made = HubPush.objects.select_for_update().get_or_create(
            artifact=artifact,
            repo_id=repo_id,
            defaults={"private": private, "created_at": now, "next_try_at": now},
        )
        if not made and push.is_over:
            push.state, push.private, push.error = State.QUEUED, private, None
            push.tries, push.next_try_at, push.finished_at = 0, now, None
            push.save()
        audit.record("hub.push_asked", actor=user, obj=job, repo_id=repo_id, what=what)
    return push


def of_job(job: TrainingJob) -> QuerySet[HubPush]:
    """Return the pushes of a job, newest first."""
    return HubPush.objects.filter(artifact__job=job).select_related("artifact")


def due(now: datetime) -> list[HubPush]:
    """Return what is to be begun now; two at most are under way at once."""
    busy = HubPush.objects.filter(state=State.UPLOADING, next_try_at__gt=now).count()
    rows = HubPush.objects.filter(next_try_at__lte=now).order_by("next_try_at")
    return list(rows[: max(0, AT_ONCE - busy)])


def carry_out(push_id: str) -> None:
    """Upload; whatever happens stands in the row afterwards."""
    push = _take(push_id)
    if push is None:
        return
    if push.tries > TRIES:
        # Whoever uploaded died each time, and could not say so.
        _note_failure(push, _broke_off())
        return
    with _beating(push):
        try:
            done = _upload(push)
        except SlipwayError as error:
            _note_failure(push, error)
            return
        except Exception as error:
            logger.exception("Push %s failed", push_id)
            _note_failure(push, hub.told_of(error))
            return
    _write(
        push,
        state=State.PUSHED,
        url=done.url,
        commit=done.commit or push.commit,
        error=None,
        next_try_at=None,
        finished_at=database_now(),
    )


def _check(repo_id: str, what: str) -> None:
    if what not in KINDS:
        raise InvalidInputError(
            f"There is no {what!r} to push.", remedy=f"Choose {' or '.join(KINDS)}.", param="what"
        )
    if not base_models.HUB_ID.fullmatch(repo_id) or "/" not in repo_id:
        raise InvalidInputError(
            f"{repo_id!r} is no name of a repository.",
            remedy="Give owner/name, as on the Hub.",
            param="repo_id",
        )


def _take(push_id: str) -> HubPush | None:
    """Become the one who uploads; None when it is over, or another has just taken it."""
    push = HubPush.objects.get(pk=push_id)
    if push.next_try_at is None:
        return None
    now = database_now()
    taken = HubPush.objects.filter(pk=push_id, version=push.version).update(
        version=push.version + 1,
        state=State.UPLOADING,
        tries=F("tries") + 1,
        next_try_at=now + timedelta(seconds=LEASE_SECONDS),
    )
    if not taken:
        return None
    rows = HubPush.objects.select_related(
        "artifact__job__dataset",
        "artifact__job__user",
        "artifact__deployment",
        "artifact__machine__deployment",
    )
    return rows.get(pk=push_id)


def _upload(push: HubPush) -> hub.Pushed:
    artifact = push.artifact
    entry = entry_for(artifact.job.user, hub.PROVIDER)
    if entry is None:
        raise hub.HubTokenError(
            "The Hugging Face token is no longer in the vault.",
            remedy="Add one on your keys page, then push again.",
        )
    files = files_of(artifact)
    _write(push, files_total=len(files), files_done=0)
    secret = open_secret(entry)

    def told(number: int) -> None:
        _write(push, files_done=number)

    try:
        return hub.upload(
            files,
            repo_id=push.repo_id,
            private=push.private,
            token=secret,
            message=f"Add the {artifact.kind} of {artifact.job.name}"[:200],
            told=told,
        )
    except SlipwayError as error:
        # I17: whatever the Hub answers, the token is not in what we keep.
        error.message = scrub(error.message, [secret])
        raise


def files_of(artifact: Artifact) -> list[HubFile]:
    """Return what goes into the repository: the files as checked, and the card.

    Raises: NotFoundError when one is gone or is not what was checked (I11).
    """
    folder = artifact_folder(artifact.machine)
    found = []
    for file in artifact.files:
        path = folder / file["name"]
        if not path.is_file() or sha256_of(path) != file["sha256"]:
            raise NotFoundError(
                f"{file['name']} is no longer in the data folder as it was checked.",
                remedy="Put the file back from a backup of the data folder.",
                code="E_ARTIFACT_MISSING",
            )
        found.append(HubFile(path.relative_to(folder / artifact.kind).as_posix(), path))
    if any(file.name == FILE_NAME for file in found):
        return found
    text = card(card_facts(artifact, now=database_now()), what=artifact.kind)
    return [*found, HubFile(FILE_NAME, text.encode())]


def _broke_off() -> ServerFaultError:
    return ServerFaultError(
        f"The upload broke off {TRIES} times before it was whole.",
        remedy="Push again: what is there already is not sent anew. If it lasts, whoever runs this "
        "server finds in its log why.",
    )


def _note_failure(push: HubPush, error: SlipwayError) -> None:
    now = database_now()
    told = {"code": error.code, "message": error.message[:1000], "remedy": error.remedy}
    again = getattr(error, "retryable", False) and push.tries < TRIES
    pause = timedelta(seconds=FIRST_PAUSE_SECONDS * 2 ** (push.tries - 1))
    _write(
        push,
        state=State.QUEUED if again else State.FAILED,
        error=told,
        next_try_at=now + pause if again else None,
        finished_at=None if again else now,
    )


def _write(push: HubPush, **changes: object) -> bool:
    """Change the row while it is ours; False when another has taken it."""
    rows = HubPush.objects.filter(pk=push.pk, version=push.version)
    return rows.update(**changes) == 1


@contextmanager
def _beating(push: HubPush) -> Iterator[None]:
    """Show a sign of life now and then; a process that lost its work to another ends at once."""
    over = threading.Event()

    def beat() -> None:
        while not over.wait(BEAT_SECONDS):
            close_old_connections()
            try:
                later = database_now() + timedelta(seconds=LEASE_SECONDS)
                if not _write(push, next_try_at=later) and not over.is_set():
                    os._exit(1)
            except Error as error:
                logger.warning("Push %s could not show that it lives: %s", push.pk, error)

    thread = threading.Thread(target=beat, name="push-beat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
