"""Machine tokens: made when a machine is prepared, ended with it (T3, T6, I16).

All times are the database's (F78).
"""

import hashlib
import secrets
from datetime import timedelta

from core.time import database_now
from deployments.models import Machine, MachineToken, TrainingJob

PREFIX = "ftj_"
# What a machine may do: tell of its run, and fetch the data of its own job.
EVENTS_WRITE = "events:write"
DATASET_READ = "dataset:read"
SCOPES = (EVENTS_WRITE, DATASET_READ)
# The last words of a run that used all its hours must still be taken.
GRACE = timedelta(hours=1)


def mint(machine: Machine) -> str:
    """Return a new token of this machine: ``ftj_`` and 256 random bits, kept as their SHA-256.

    Earlier tokens of the machine stay good: its agent may run with one of them already (F39).
    """
    plaintext = PREFIX + secrets.token_urlsafe(32)
    digest = _hash(plaintext)
    now = database_now()
    deployment = machine.deployment
    MachineToken.objects.create(
        token_hash=digest,
        machine=machine,
        job_id=deployment.job_id,
        scopes=list(SCOPES),
        issued_at=now,
        expires_at=now + timedelta(hours=float(deployment.max_hours)) + GRACE,
    )
    TrainingJob.objects.filter(pk=deployment.job_id).update(job_token=digest)
    return plaintext


def authenticate(plaintext: str) -> MachineToken | None:
    """Return the token's row, or None when it is unknown, expired, revoked or not yet issued.

    A machine that is proven gone calls no more, whatever became of its tokens.
    """
    now = database_now()
    return (
        MachineToken.objects.select_related("machine__deployment__job__dataset")
        .filter(token_hash=_hash(plaintext), issued_at__lte=now, expires_at__gt=now)
        .filter(revoked_at__isnull=True, machine__gone_at__isnull=True)
        .first()
    )


def revoke(machine: Machine) -> None:
    """End all tokens of a machine."""
    MachineToken.objects.filter(machine=machine, revoked_at__isnull=True).update(
        revoked_at=database_now()
    )


def _hash(plaintext: str) -> str:
    return hashlib.sha256(plaintext.encode("utf-8", "surrogatepass")).hexdigest()
