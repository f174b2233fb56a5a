"""The rest of the world: clouds, their keys and clocks, and whether it can reach us."""

from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import requests
from django.conf import settings

from core.errors import SlipwayError
from deployments import checks, clouds
from deployments.management.doctor.finding import Finding, fail, ok, warn
from deployments.management.doctor.here import clock_finding
from deployments.operations import fleet
from deployments.providers import PROVIDERS, rented
from deployments.providers.base import ProviderError
from deployments.providers.http import USER_AGENT
from secrets_vault.models import VaultEntry

TIMEOUT_SECONDS = 10
# A Date header has whole seconds, and the answer takes its time.
DATE_TOLERANCE_SECONDS = 1.5


def cloud_apis() -> Iterator[Finding]:
    """Ask each cloud something without a key: any answer shows that it is reached."""
    for platform in sorted(rented()):
        base_url = clouds.endpoint(platform).base_url
        try:
            answer = _ask(f"{base_url}/instances")
        except requests.RequestException as error:
            yield fail(
                f"{platform}: {base_url} cannot be reached ({type(error).__name__})",
                "Check this host's network, name resolution, proxy and certificates.",
            )
            continue
        yield ok(f"{platform}: {base_url} answers ({answer.status_code} without a key)")
        theirs = _date_of(answer)
        if theirs is not None:
            ahead = (theirs - datetime.now(UTC)).total_seconds()
            yield clock_finding(f"{platform}'s", ahead, tolerated=DATE_TOLERANCE_SECONDS)


def cloud_keys() -> Iterator[Finding]:
    """Ask each cloud whether it takes the keys in the vault; what it says changes no row (F4)."""
    entries = VaultEntry.objects.active().filter(provider__in=list(PROVIDERS))
    for entry in entries.select_related("user"):
        whose = f"key: {entry} of {entry.user}"
        try:
            provider = clouds.provider_for(entry)
            provider.check_key()
        except ProviderError as error:
            if error.retryable:
                yield warn(f"{whose}: could not be asked: {error.message}", error.remedy)
            else:
                yield fail(f"{whose}: {error.message}", error.remedy)
        except SlipwayError as error:
            yield fail(f"{whose}: {error.message}", error.remedy)
        else:
            balance = provider.balance_usd()
            told = "" if balance is None else f"; the account's balance is ${balance:.2f}"
            yield ok(f"{whose}: the cloud takes it{told}")
    if not entries:
        yield warn("key: no cloud key is in the vault", "Add one on the vault page.")


def app_url() -> Iterator[Finding]:
    """Say how machines get their data, and whether our address answers at all (T25)."""
    if not settings.APP_URL:
        yield ok("APP_URL: unset, so machines are served over SSH alone")
        return
    if checks.check_app_url(None):
        # The settings' line has said it.
        return
    try:
        answer = _ask(f"{settings.APP_URL}/healthz")
    except requests.RequestException as error:
        yield warn(
            f"APP_URL: {settings.APP_URL} does not answer here ({type(error).__name__})",
            "Start the web process and the proxy before it; machines fall back to SSH meanwhile.",
        )
        return
    yield ok(f"APP_URL: {settings.APP_URL} answers ({answer.status_code})")


def live_machines() -> Iterator[Finding]:
    """Say what may bill now."""
    now = fleet()
    text = f"machines: {len(now.machines)} may bill, ${now.burn_usd_per_hour:.2f} an hour"
    attention = [live for live in now.machines if live.machine.deployment.attention]
    if now.strays or attention:
        yield warn(
            f"{text}; {len(attention)} of them and {len(now.strays)} strays ask for attention",
            "Look at the fleet in the admin.",
        )
    else:
        yield ok(text)


def _ask(url: str) -> requests.Response:
    return requests.get(
        url,
        headers={"User-Agent": USER_AGENT},
        timeout=TIMEOUT_SECONDS,
        allow_redirects=False,
    )


def _date_of(answer: requests.Response) -> datetime | None:
    try:
        return parsedate_to_datetime(answer.headers.get("Date", "")).astimezone(UTC)
    except (TypeError, ValueError):
        return None
