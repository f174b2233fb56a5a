"""What every page shows around its content: the burn meter and the installation's banners.

Computed when a template asks, so that other answers cost nothing; a handful of queries, however
many runs there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.models import User
from django.db.models import Exists, Max, OuterRef
from django.http import HttpRequest
from django.utils.functional import SimpleLazyObject

from core.time import database_now
from deployments import clouds, second_guard, spending
from deployments.models import CloudSnapshot, Deployment, Machine, Stray, WorkerHeartbeat
from deployments.models.deployments import LIVING
from deployments.overview import MAY_LIVE
from deployments.pages.machine_facts import CONFIRMED_FOR_SECONDS
from deployments.pages.problems import OUT_OF_REACH
from deployments.pages.zone import zone_words
from deployments.providers import PROVIDERS
from deployments.templatetags.wording import counted, duration, moment, usd

# F9: how long the worker may be silent before the pages say so.
WORKER_SILENT_AFTER = timedelta(seconds=60)

APP = "deployments"
# The part of the site that an address belongs to, by its name.
HERE = {
    "runs": "runs",
    "job": "runs",
    "job-charts": "runs",
    "chart-table": "runs",
    "job-logs": "runs",
    "job-events": "runs",
    "job-checkpoints": "runs",
    "job-files": "runs",
    "job-use": "runs",
    "job-config": "runs",
    "job-cost": "runs",
    "job-stop": "runs",
    "job-cancel": "runs",
    "being-started": "new",
    "wizard-data": "runs",
    "wizard-upload": "runs",
    "wizard-method": "runs",
    "wizard-model": "runs",
    "wizard-training": "runs",
    "wizard-hardware": "runs",
    "wizard-review": "runs",
    "wizard-file": "runs",
    "machines": "machines",
    "datasets": "data",
    "dataset": "data",
    "dataset-upload": "data",
    "dataset-delete": "data",
    "settings": "settings",
    "confirm": "settings",
    "password": "settings",
    "new-token": "settings",
    "revoke-token": "settings",
    "end-session": "settings",
    "end-other-sessions": "settings",
    "mail": "settings",
    "new-webhook": "settings",
    "webhook": "settings",
    "webhook-change": "settings",
    "webhook-rotate": "settings",
    "webhook-delete": "settings",
    "vault": "vault",
    "vault-add": "vault",
    "vault-delete": "vault",
    "vault-replace": "vault",
    "own-machine": "vault",
    "own-machine-replace": "vault",
    "prices": "prices",
}


@dataclass(frozen=True)
class Burn:
    """The burn meter. ``tone`` is live, nothing, bad or unknown."""

    tone: str
    text: str

    @property
    def every_seconds(self) -> int:
        """How soon it must be asked again to stay true: a run may start in another window."""
        return 15 if self.tone == "nothing" else 5


@dataclass(frozen=True)
class Banner:
    """One line below the top bar."""

    title: str
    text: str
    tone: str = "warn"
    command: str = ""


@dataclass(frozen=True)
class TopBar:
    """What a signed-in user sees above every page."""

    burn: Burn
    banners: tuple[Banner, ...]


def top_bar(request: HttpRequest) -> dict[str, object]:
    """Return ``top_bar`` for signed-in users and the banners for everybody, both lazily.

    ``here`` is the part of the site that the address belongs to.
    """
    user = getattr(request, "user", None)
    match = request.resolver_match
    return {
        "here": HERE.get(match.url_name or "", "") if match and match.namespaces == [APP] else "",
        "top_bar": SimpleLazyObject(lambda: _top_bar(user)) if isinstance(user, User) else None,
        "zone_words": zone_words(),
        "installation_banners": SimpleLazyObject(installation_banners),
    }


def burn_now(user: User) -> Burn:
    """Return what bills now, read afresh."""
    return burn(user, living_machines(user), now=database_now())


def _top_bar(user: User) -> TopBar:
    now = database_now()
    machines = living_machines(user)
    return TopBar(burn=burn(user, machines, now=now), banners=_banners(user, machines, now=now))


def _banners(user: User, machines: Sequence[Machine], *, now: datetime) -> tuple[Banner, ...]:
    return (
        *kill_switch_banner(),
        *worker_banner(user, machines, now),
        *guard_banner(machines, now),
        *restored_banner(user),
    )


def kill_switch_banner() -> tuple[Banner, ...]:
    """Say to everybody that nothing is launched, since when and why (T20)."""
    limits = spending.limits()
    if limits.launches_blocked_at is None:
        return ()
    text = (
        "Every run was asked to stop, and nothing new is rented until staff lifts the block. "
        f"The reason: {limits.launches_blocked_reason}"
    )
    since = moment(limits.launches_blocked_at)
    return (Banner(f"Launches are blocked since {since}", text, tone="bad"),)


def living_machines(user: User) -> list[Machine]:
    """Return the user's machines that may exist at a cloud and bill."""
    rows = Machine.objects.filter(gone_at__isnull=True, launch_state__in=MAY_LIVE)
    # Not the vault entry: loading it would open the sealed key.
    return list(rows.filter(deployment__user=user).select_related("deployment"))


def burn(user: User, machines: Sequence[Machine], *, now: datetime) -> Burn:
    """Return what bills now. "Nothing bills" only if no machine of ours may live (I20)."""
    strays = Stray.objects.filter(vault_entry__user=user, gone_at__isnull=True).count()
    total = sum((machine.hourly_price for machine in machines), Decimal(0))
    lost = [m for m in machines if (m.deployment.attention or {}).get("code") in OUT_OF_REACH]
    if lost:
        price = sum((machine.hourly_price for machine in lost), Decimal(0))
        return Burn("bad", f"{counted(len(lost), 'machine')} out of reach · {usd(price)} an hour")
    if strays:
        return Burn("bad", f"{counted(strays, 'stray machine')} being ended")
    if not machines:
        return Burn("nothing", "Nothing bills")
    unconfirmed = _not_confirmed_seconds(machines, now=now)
    if unconfirmed is not None:
        return Burn("unknown", f"Not confirmed for {duration(unconfirmed)}")
    return Burn("live", f"{counted(len(machines), 'machine')} · {usd(total)} an hour")


def _not_confirmed_seconds(machines: Sequence[Machine], *, now: datetime) -> float | None:
    """Return for how long the oldest account list is too old; None if all are fresh enough.

    Before the first list a machine counts from its launch.
    """
    keys = {machine.vault_entry_id for machine in machines}
    rows = CloudSnapshot.objects.filter(vault_entry_id__in=keys)
    listed = dict(rows.values_list("vault_entry_id", "listed_at"))
    ages = [
        (now - max(listed.get(m.vault_entry_id) or m.requested_at, m.requested_at)).total_seconds()
        for m in machines
    ]
    oldest = max(ages, default=0.0)
    return oldest if oldest >= CONFIRMED_FOR_SECONDS else None


def worker_banner(user: User, machines: Sequence[Machine], now: datetime) -> tuple[Banner, ...]:
    """Say that nothing is looked after while a run is alive and no worker has beaten (F9)."""
    live = Deployment.objects.filter(user=user, status__in=LIVING)
    if not machines and not live.exists():
        return ()
    workers = WorkerHeartbeat.objects.exclude(name=second_guard.BEAT_NAME)
    newest = workers.aggregate(newest=Max("beat_at"))["newest"]
    if newest is not None and now - newest < WORKER_SILENT_AFTER:
        return ()
    title = "No worker runs" if newest is None else f"No worker since {moment(newest)}"
    bills = " and machines go on billing" if machines else ""
    text = f"Runs stand still{bills} until one is started:"
    return (Banner(title, text, tone="bad", command="python manage.py worker"),)


def guard_banner(machines: Sequence[Machine], now: datetime) -> tuple[Banner, ...]:
    """Say that real machines live and the second guard does not look after them (D7)."""
    if not second_guard.is_needed(machines):
        return ()
    looked = second_guard.looked_at()
    if not second_guard.is_late(looked, now=now):
        return ()
    when = "has not looked today" if looked is None else f"has not looked since {moment(looked)}"
    text = "Runs go on. If the worker fails too, nobody ends your machines. Set up its timer, or:"
    return (Banner(f"The second guard {when}", text, command="python manage.py reap"),)


def restored_banner(user: User) -> tuple[Banner, ...]:
    """F81: a machine with our name and no row is what a restored backup leaves behind."""
    rows = Machine.objects.filter(name=OuterRef("name"))
    lost = Stray.objects.filter(vault_entry__user=user, gone_at__isnull=True).exclude(Exists(rows))
    names = list(lost.values_list("name", flat=True)[:3])
    if not names:
        return ()
    text = (
        f"{', '.join(names)} carries this installation's name and no run knows it, as after a "
        "backup was restored. It is ended after a grace; what was made since that backup, tokens "
        "included, is gone. See Machines."
    )
    return (Banner("Was the database restored?", text, tone="bad"),)


def installation_banners() -> tuple[Banner, ...]:
    """Say so when machines are CPU stand-ins, or a cloud's address is not its vendor's."""
    elsewhere = [
        f"{urlsplit(clouds.endpoint(platform).base_url).netloc} instead of "
        f"{provider.capabilities.label}"
        for platform, provider in PROVIDERS.items()
        if clouds.endpoint(platform).base_url != provider.default_endpoint().base_url
    ]
    talks = f"This installation talks to {', '.join(elsewhere)}." if elsewhere else ""
    if settings.ALLOW_CPU_MACHINES:
        accepts = "Machines may be CPU stand-ins: what they train is real, their speed is not."
        return (Banner("Practice machines, not GPUs", f"{talks} {accepts}".strip()),)
    return (Banner("Another cloud address", talks),) if talks else ()
