"""This host: settings, database, keys, disk, SSH."""

import base64
import hashlib
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import paramiko
from django.conf import settings
from django.core import checks
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from core.installation import installation_id
from core.time import database_now
from deployments import clouds
from deployments.management.doctor.finding import Finding, fail, ok, warn
from deployments.remote import generate_key_pair, public_key_of
from secrets_vault import rewrap
from secrets_vault.checks import check_canary

GIB = 1024**3
LOW_DISK_BYTES, NO_DISK_BYTES = 10 * GIB, GIB
# Leases and expiry go by the database's clock, certificates and logs by the host's (F78).
CLOCK_WARN_SECONDS, CLOCK_FAIL_SECONDS = 2.0, 30.0


def settings_are_sound() -> Iterator[Finding]:
    """Run Django's and our own system checks; in production those for deployment too."""
    found = checks.run_checks(include_deployment_checks=settings.PRODUCTION)
    # The canary has a line of its own.
    told = [message for message in found if message.id != "secrets_vault.E001"]
    for message in told:
        text = f"settings: {' '.join(str(message.msg).split())} ({message.id})"
        say = fail if message.is_serious() else warn
        yield say(text, " ".join(str(message.hint or "").split()))
    if not told:
        mode = "production" if settings.PRODUCTION else "development"
        yield ok(f"settings: sound, for {mode}")


def database() -> Iterator[Finding]:
    """Connect, compare migrations and clocks."""
    connection.ensure_connection()
    if connection.vendor == "sqlite" and settings.PRODUCTION:
        yield warn(
            "database: SQLite, which serves one host only", "Set DATABASE_URL to a PostgreSQL."
        )
    else:
        yield ok(f"database: {connection.vendor} answers")
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        yield fail(f"database: {len(missing)} migrations are missing", "Run manage.py migrate.")
    else:
        yield ok("database: every migration is applied")


def database_clock() -> Iterator[Finding]:
    """Compare the database's clock with this host's."""
    yield clock_finding(
        "the database's", (database_now() - datetime.now(UTC)).total_seconds(), tolerated=0.0
    )


def clock_finding(whose: str, ahead_seconds: float, *, tolerated: float) -> Finding:
    """Judge by how much somebody's clock is ahead of ours."""
    away = max(0.0, abs(ahead_seconds) - tolerated)
    side = "ahead of" if ahead_seconds > 0 else "behind"
    if away <= CLOCK_WARN_SECONDS:
        return ok(f"clock: agrees with {whose}")
    text = f"clock: {whose} is {abs(ahead_seconds):.0f} s {side} this host's"
    remedy = "Let both hosts keep time by NTP (timedatectl)."
    return fail(text, remedy) if away > CLOCK_FAIL_SECONDS else warn(text, remedy)


def installation() -> Iterator[Finding]:
    """Name this installation: the panic mode asks for it."""
    yield ok(f"installation id: {installation_id()} (machines are named {installation_id()}-...)")


def encryption() -> Iterator[Finding]:
    """Open the canary, and every sealed value besides (F80)."""
    for message in check_canary(None):
        yield fail(f"encryption: {message.msg}", str(message.hint))
    found = rewrap.census()
    if found.unreadable:
        yield fail(
            f"encryption: no key opens {', '.join(found.unreadable[:5])}",
            "Put the key they were sealed with at the end of FIELD_ENCRYPTION_KEY.",
        )
    elif found.by_older:
        yield warn(
            f"encryption: {found.by_older} of {found.sealed} values are sealed with an older key",
            "Run manage.py rewrap_secrets.",
        )
    else:
        yield ok(f"encryption: the newest key opens all {found.sealed} sealed values")


def data_folder() -> Iterator[Finding]:
    """Write a file where datasets and adapters go, and look at the space left (F61)."""
    folder: Path = settings.SLIPWAY_DATA_DIR
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(b"doctor")
        file.flush()
        os.fsync(file.fileno())
    free = shutil.disk_usage(folder).free
    text = f"data folder: {folder} can be written, {free / GIB:.1f} GiB free"
    if free < NO_DISK_BYTES:
        yield fail(text, "Free some space: adapters could not come home.")
    elif free < LOW_DISK_BYTES:
        yield warn(text, "Free some space before the next large run.")
    else:
        yield ok(text)
    for key in sorted((folder / "keys").glob("*")):
        mode = stat.S_IMODE(key.stat().st_mode)
        if mode & 0o077:
            yield fail(f"data folder: {key} has mode {mode:04o}", f"chmod 600 {key}")


def ssh() -> Iterator[Finding]:
    """Make and read a key as for a machine, then the key that this installation logs in with."""
    pair = generate_key_pair("doctor")
    if public_key_of(pair.private_key).split()[:2] != pair.public_key.split()[:2]:
        yield fail("SSH: a new key cannot be read back", "Reinstall the locked packages.")
        return
    yield ok(f"SSH: paramiko {paramiko.__version__} makes and reads keys")
    login = clouds.login_key()
    kind, blob = login.public_key.split()[:2]
    digest = hashlib.sha256(base64.b64decode(blob)).digest()
    where = settings.LAMBDA_SSH_KEY_PATH or "sealed in the vault"
    fingerprint = base64.b64encode(digest).decode().rstrip("=")
    yield ok(f"SSH: login key {kind} SHA256:{fingerprint}, {where}")
