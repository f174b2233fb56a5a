"""What a user's cloud accounts hold besides their runs, as the newest lists of them show it.

Machines of others are shown and never touched (I15, F70). Everything is read from rows; only
``look`` asks the clouds.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from django.contrib.auth.models import User
from django.db.models import F, Q

from core import limits
from core.errors import InvalidInputError, RateLimitedError
from core.installation import installation_id
from deployments import second_guard, snapshot
from deployments.models import CloudSnapshot, Machine, Stray
from deployments.providers import PROVIDERS
from deployments.providers.base import InstanceStatus
from secrets_vault.models import VaultEntry

LOOKS_A_MINUTE = 1


@dataclass(frozen=True)
class Listed:
    """One machine of an account's list. ``hourly`` is None where the cloud tells no price."""

    platform: str
    instance_id: str
    name: str
    status: str
    region: str
    instance_type: str
    description: str
    hourly: Decimal | None
    seen_since: datetime | None


@dataclass(frozen=True)
class Account:
    """One account and its newest list; ``listed_at`` is None for a key that never had one."""

    platform: str
    listed_at: datetime | None
    failed_since: datetime | None
    error: dict[str, Any] | None
    machines: tuple[Listed, ...]


@dataclass(frozen=True)
class Accounts:
    """``foreign`` are not ours; ``unknown`` carry our name, and no row of ours knows them (F69).

    ``strays`` are those being ended and those gone since the time asked for.
    """

    accounts: tuple[Account, ...]
    foreign: tuple[Listed, ...]
    unknown: tuple[Listed, ...]
    strays: tuple[Stray, ...]
    guard_looked_at: datetime | None


def accounts_of(user: User, *, strays_since: datetime) -> Accounts:
    """Return what the newest lists of the user's accounts show besides their runs. Six queries."""
    accounts = tuple(_accounts(user))
    listed = [machine for account in accounts for machine in account.machines]
    prefix = f"{installation_id()}-"
    ours = [each for each in listed if each.name.startswith(prefix)]
    rows = Machine.objects.filter(name__in=[each.name for each in ours])
    known = set(rows.values_list("name", flat=True))
    open_or_recent = Q(gone_at__isnull=True) | Q(gone_at__gte=strays_since)
    strays = Stray.objects.filter(open_or_recent, vault_entry__user=user)
    strays = strays.annotate(platform=F("vault_entry__provider")).order_by("first_seen_at")
    watched = {stray.instance_id for stray in strays}
    return Accounts(
        accounts=accounts,
        foreign=tuple(each for each in listed if not each.name.startswith(prefix)),
        unknown=tuple(
            each for each in ours if each.name not in known and each.instance_id not in watched
        ),
        strays=tuple(strays),
        guard_looked_at=second_guard.looked_at(),
    )


def look(user: User) -> Sequence[CloudSnapshot]:
    """Ask every account of the user for a fresh list; at most once a minute.

    Raises: InvalidInputError without a key; RateLimitedError when it was asked a moment ago.
    """
    keys = list(_keys(user).values_list("pk", flat=True))
    if not keys:
        raise InvalidInputError(
            "Your vault holds no key of a cloud, so there is no account to look at.",
            remedy="Add your API key of a cloud to the vault.",
            code="E_NO_KEY",
        )
    allowance = limits.take(f"look:{user.pk}", limit=LOOKS_A_MINUTE)
    if allowance.is_exceeded:
        raise RateLimitedError(
            "The accounts were read less than a minute ago.",
            remedy=f"Look again in {allowance.resets_in_seconds} s.",
            retry_after_seconds=allowance.resets_in_seconds,
        )
    return [snapshot.list_cloud(key) for key in keys]


def _keys(user: User) -> Any:
    return VaultEntry.objects.active().filter(user=user, provider__in=PROVIDERS)


def _accounts(user: User) -> Iterator[Account]:
    snapshots = CloudSnapshot.objects.filter(vault_entry__user=user)
    by_key = {row.vault_entry_id: row for row in snapshots}
    for key, platform in _keys(user).order_by("provider").values_list("pk", "provider"):
        row = by_key.get(key)
        yield Account(
            platform=platform,
            listed_at=row.listed_at if row else None,
            failed_since=row.failed_since if row else None,
            error=row.error if row else None,
            machines=tuple(_listed(platform, row.instances)) if row else (),
        )


def _listed(platform: str, rows: Sequence[dict[str, Any]]) -> Iterator[Listed]:
    """Read a list's rows; those written by an earlier version have no price and no time."""
    for row in rows:
        if row["status"] == InstanceStatus.TERMINATED:
            continue
        hourly, since = row.get("hourly"), row.get("seen_since")
        yield Listed(
            platform=platform,
            instance_id=row["instance_id"],
            name=row["name"],
            status=row["status"],
            region=row["region"],
            instance_type=row["instance_type"],
            description=row.get("description", ""),
            hourly=None if hourly is None else Decimal(hourly),
            seen_since=None if since is None else datetime.fromisoformat(since),
        )
