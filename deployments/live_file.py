"""What ``reap`` last knew to be alive, in a file of its own: for when the database is away (F77).

It holds names and ids and no key: enough to find the machines in a cloud's console, and to start
the panic mode, which needs the installation id.
"""

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from django.conf import settings

from core.installation import installation_id
from deployments.models import Machine
from deployments.providers.base import Instance
from deployments.snapshot import NOT_LIVE
from secrets_vault.models import VaultEntry


@dataclass(frozen=True)
class LiveMachine:
    """One machine that may live: how the cloud calls it, and the end of the key it is under."""

    name: str
    instance_id: str
    platform: str
    region: str
    key_hint: str


@dataclass(frozen=True)
class LiveFile:
    """What was known, and when."""

    written_at: str
    installation_id: str
    machines: tuple[LiveMachine, ...]


def path() -> Path:
    """Return where the file is."""
    folder: Path = settings.SLIPWAY_DATA_DIR
    return folder / "reap" / "live.json"


def remember(
    now: datetime,
    *,
    seen: Iterable[tuple[VaultEntry, Instance]],
    listed: Iterable[VaultEntry],
) -> None:
    """Write down what may live: by the rows, and whatever a list showed that no row has.

    ``listed`` are the keys whose account gave a good list; what was known of the others is kept,
    since nothing newer is.
    """
    known = {machine.name: machine for machine in _by_rows()}
    for entry, instance in seen:
        known.setdefault(
            instance.name,
            LiveMachine(
                name=instance.name,
                instance_id=instance.instance_id,
                platform=entry.provider,
                region=instance.region,
                key_hint=entry.hint,
            ),
        )
    for machine in _not_asked_after(listed):
        known.setdefault(machine.name, machine)
    _write(LiveFile(now.isoformat(), installation_id(), tuple(known.values())))


def _not_asked_after(listed: Iterable[VaultEntry]) -> Iterable[LiveMachine]:
    """Return what an earlier list showed, has no row, and could not be looked for this time."""
    before = recall()
    asked = {(entry.provider, entry.hint) for entry in listed}
    keys = set(VaultEntry.objects.active().values_list("provider", "hint")) - asked
    strays = [m for m in before.machines if (m.platform, m.key_hint) in keys] if before else []
    rows = Machine.objects.filter(name__in=[m.name for m in strays])
    have_rows = set(rows.values_list("name", flat=True))
    return [machine for machine in strays if machine.name not in have_rows]


def recall() -> LiveFile | None:
    """Return what was written last, or None when there is no file that can be read."""
    try:
        told = json.loads(path().read_text(encoding="utf-8"))
        return LiveFile(
            written_at=str(told["written_at"]),
            installation_id=str(told["installation_id"]),
            machines=tuple(_machine(entry) for entry in told["machines"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _by_rows() -> Iterable[LiveMachine]:
    rows = Machine.objects.filter(gone_at__isnull=True).exclude(launch_state__in=NOT_LIVE)
    for row in rows.select_related("vault_entry").defer("vault_entry__api_key_encrypted"):
        yield LiveMachine(
            name=row.name,
            instance_id=row.instance_id or row.seen_instance_id,
            platform=row.platform,
            region=row.region,
            key_hint=row.vault_entry.hint,
        )


def _machine(told: Mapping[str, object]) -> LiveMachine:
    return LiveMachine(**{name: str(told[name]) for name in LiveMachine.__dataclass_fields__})


def _write(live: LiveFile) -> None:
    """Replace the file as a whole: a reader, or a power cut, never meets half of it."""
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = target.with_name(f".{target.name}.{os.getpid()}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(asdict(live), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    part.replace(target)
