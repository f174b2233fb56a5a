"""Checkpoints at home: which is brought next, which one a machine goes on from, what is kept."""

import shutil
from pathlib import Path
from uuid import UUID

from django.conf import settings
from django.db.models import Case, Q, QuerySet, Value, When

from core.files import sha256_of
from deployments.models import Checkpoint, Deployment, Machine
from deployments.models.deployments import LIVING

KEPT_AT_HOME = 2
REPLACED = "It was home, until newer ones were."
NEWEST_FIRST = ("-home_at", "-step")


def name_of(checkpoint: Checkpoint) -> str:
    """Return the name of its folder, here and on a machine."""
    return f"checkpoint-{checkpoint.step}"


def folder_of(checkpoint: Checkpoint) -> Path:
    """Return where its files lie at home, or will."""
    machine = checkpoint.machine
    return _job_folder(checkpoint.job_id) / machine.name / name_of(checkpoint)


def archive_of(checkpoint: Checkpoint) -> Path:
    """Return where the archive with its adapter lies."""
    folder = folder_of(checkpoint)
    return folder.with_name(f"{folder.name}.tar.gz")


def waiting(machine: Machine) -> Checkpoint | None:
    """Return what is to be brought home from a machine, None when nothing is.

    That is its newest checkpoint; one that was begun is finished first, so that saving faster
    than a link carries brings something home all the same. One query.
    """
    begun = Q(fetch_tried_at__isnull=False, home_at__isnull=True, left_because="")
    first = Case(When(begun, then=Value(0)), default=Value(1))
    rows = Checkpoint.objects.filter(machine=machine).alias(first=first)
    newest = rows.order_by("first", "-step").first()
    if newest is None or newest.home_at is not None or newest.left_because:
        return None
    return newest


def at_home(job_id: UUID) -> QuerySet[Checkpoint]:
    """Return the checkpoints of a job that are home, the last that came first."""
    rows = Checkpoint.objects.filter(job=job_id, home_at__isnull=False)
    return rows.select_related("machine").order_by(*NEWEST_FIRST)


def to_go_on_from(deployment: Deployment) -> Checkpoint | None:
    """Return the checkpoint that a fresh machine goes on from: the newest at home and whole.

    That of an earlier machine of this deployment, before that the one its owner chose.
    """
    own = list(at_home(deployment.job_id).filter(machine__deployment=deployment))
    chosen = deployment.resume_from
    if chosen is not None and chosen.home_at is not None and chosen not in own:
        own.append(chosen)
    return next(filter(is_whole, own), None)


def is_whole(checkpoint: Checkpoint) -> bool:
    """Whether each of its files is at home as its machine told it, read back now."""
    folder = folder_of(checkpoint).parent
    try:
        return bool(checkpoint.files) and all(
            sha256_of(folder / file["name"]) == file["sha256"] for file in checkpoint.files
        )
    except OSError:
        return False


def drop_older(job_id: UUID) -> None:
    """Take the older ones off the rows; their files go with ``clean_up``, once that is certain.

    One that a living deployment goes on from stays, for the machine that may still need it.
    """
    older = [row.pk for row in at_home(job_id)[KEPT_AT_HOME:]]
    needed = Deployment.objects.filter(status__in=LIVING, resume_from__in=older)
    kept = set(needed.values_list("resume_from", flat=True))
    Checkpoint.objects.filter(pk__in=[pk for pk in older if pk not in kept]).update(
        home_at=None,
        home_path="",
        home_sha256="",
        home_size_bytes=0,
        fetch_tried_at=None,
        left_because=REPLACED,
    )


def clean_up(job_id: UUID) -> None:
    """Remove what lies at home and is no checkpoint there: older ones, and parts of them."""
    kept = set()
    for row in at_home(job_id):
        kept |= {folder_of(row), archive_of(row)}
    for path in _job_folder(job_id).glob("*/*"):
        if path in kept:
            continue
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _job_folder(job_id: UUID) -> Path:
    data_dir: Path = settings.SLIPWAY_DATA_DIR
    return data_dir / "checkpoints" / str(job_id)
