"""System checks of the settings: what would fail later, said at the start, with a hint.

Each finding names the variable to change. None of them asks the network or the database.
"""

import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning, register  # noqa: A004  # Django's name

from deployments import clouds
from deployments.acceptance import LOOPBACK
from deployments.providers import rented
from deployments.timing import Timing

# D10: any slice of work ends within this, whatever it waits for.
SLICE_LIMIT_SECONDS = 40.0


@register
def check_app_url(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """T25: machines must reach APP_URL, and over https; else a deployment is refused at accept."""
    if not settings.APP_URL:
        return []
    url = urlsplit(settings.APP_URL)
    if url.hostname in LOOPBACK:
        real = ", ".join(platform for platform in rented() if not _is_practice(platform))
        if not real:
            return []
        return [
            Warning(
                f"APP_URL is {settings.APP_URL}: machines rented at {real} cannot reach that.",
                hint="Set APP_URL to your public https address, or unset it: then SSH serves.",
                id="deployments.W001",
            )
        ]
    if url.scheme == "https" and url.hostname:
        return []
    return [
        Warning(
            f"APP_URL is {settings.APP_URL}, which is no https address.",
            hint="Serve Slipway over https and set APP_URL to that address, or unset it.",
            id="deployments.W002",
        )
    ]


@register
def check_hub(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """T7: tokens of the Hub go to HF_ENDPOINT: over https, or to this host alone."""
    url = urlsplit(settings.HF_ENDPOINT)
    if not settings.HF_ENDPOINT or url.scheme == "https" or url.hostname in LOOPBACK:
        return []
    return [
        Error(
            f"HF_ENDPOINT is {settings.HF_ENDPOINT}: tokens would go there unsealed.",
            hint="Give an https address, or unset it for the public Hub.",
            id="deployments.E003",
        )
    ]


@register
def check_clouds(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Two settings that are meant for the practice cloud, or for odd images, and cost safety."""
    found: list[CheckMessage] = []
    for platform in rented():
        vendor = clouds.provider_class(platform).default_endpoint().base_url
        if settings.ALLOW_CPU_MACHINES and clouds.endpoint(platform).base_url == vendor:
            found.append(
                Warning(
                    f"ALLOW_CPU_MACHINES is on and {platform} is the real one: a rented machine "
                    "whose image declares a CPU stand-in would be paid for without its GPU.",
                    hint="Unset ALLOW_CPU_MACHINES; it is for the practice cloud.",
                    id="deployments.W004",
                )
            )
        if clouds.takes_first_contact(platform):
            variable = f"{platform.upper()}_HOST_KEY"
            found.append(
                Warning(
                    f"{variable} is first_contact: whoever answers first at a machine's address "
                    "is believed to be that machine (F30, T7).",
                    hint=f"Unset {variable} unless your image makes host keys of its own.",
                    id="deployments.W003",
                )
            )
    return found


@register
def check_login_key(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """The one private key that is a file must be there, and nobody else's to read."""
    if not settings.LAMBDA_SSH_KEY_PATH:
        return []
    path = Path(settings.LAMBDA_SSH_KEY_PATH)
    try:
        with path.open("rb"):
            mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        return [
            Error(
                f"LAMBDA_SSH_KEY_PATH names {path}, which cannot be read: {error.strerror}.",
                hint="Correct the path, or unset it: then a key pair is made and sealed.",
                id="deployments.E001",
            )
        ]
    if mode & 0o077 == 0:
        return []
    return [
        Warning(
            f"The private key {path} has mode {mode:04o}: others on this machine can read it.",
            hint=f"chmod 600 {path}",
            id="deployments.W005",
        )
    ]


@register
def check_timing(app_configs: Sequence[Any] | None, **kwargs: Any) -> list[CheckMessage]:
    """Durations that contradict each other stop the start: a step would be killed half-way."""
    timing: Timing = settings.TIMING
    task_seconds = float(str(settings.Q_CLUSTER["timeout"]))
    problems = [*_too_long_for_a_task(timing, task_seconds=task_seconds), *_wrong_order(timing)]
    found: list[CheckMessage] = [
        Error(problem, hint=hint, id="deployments.E002") for problem, hint in problems
    ]
    if timing.stall_limit_seconds <= task_seconds:
        found.append(
            Warning(
                f"STALL_LIMIT_SECONDS is {timing.stall_limit_seconds:g}: a queue that is only "
                "busy would be killed as if it stood still.",
                hint=f"Set it to more than the {task_seconds:g} s that a task may take.",
                id="deployments.W006",
            )
        )
    return found


def _too_long_for_a_task(t: Timing, *, task_seconds: float) -> Iterator[tuple[str, str]]:
    """A task that outlives its limit is killed in the middle of whatever it does (D10)."""
    if t.slice_seconds > SLICE_LIMIT_SECONDS:
        yield (
            f"SLICE_SECONDS is {t.slice_seconds:g}: with the connecting before it a slice may not "
            f"end within the {task_seconds:g} s that a task has.",
            f"Set SLICE_SECONDS to {SLICE_LIMIT_SECONDS:g} or less.",
        )
    # A launch is preceded by reads in the same task.
    launch_seconds = t.launch_timeout_seconds + clouds.READ_TIMEOUT_SECONDS
    if launch_seconds > task_seconds:
        yield (
            f"LAUNCH_TIMEOUT_SECONDS is {t.launch_timeout_seconds:g}: with the reads before it a "
            f"launch may take {launch_seconds:g} s, and a task is killed after {task_seconds:g} s.",
            f"Set it to {task_seconds - clouds.READ_TIMEOUT_SECONDS:g} or less.",
        )


def _wrong_order(t: Timing) -> Iterator[tuple[str, str]]:
    if t.lease_seconds < t.slice_seconds:
        yield (
            f"LEASE_SECONDS is {t.lease_seconds:g} and SLICE_SECONDS {t.slice_seconds:g}: another "
            "worker would take a deployment over while a slice still runs.",
            f"Set LEASE_SECONDS to more than {t.slice_seconds:g}.",
        )
    if t.canary_seconds >= t.stall_limit_seconds:
        yield (
            "CANARY_SECONDS is not less than STALL_LIMIT_SECONDS: a healthy queue would be killed "
            "before it is asked.",
            "Set CANARY_SECONDS to a small part of STALL_LIMIT_SECONDS.",
        )
    if t.terminate_retry_seconds > t.terminate_retry_limit_seconds:
        yield (
            "TERMINATE_RETRY_SECONDS is more than TERMINATE_RETRY_LIMIT_SECONDS.",
            "Give the first the smaller value: ending is retried from the one up to the other.",
        )
    if t.poll_seconds >= t.silence_limit_seconds:
        yield (
            "POLL_SECONDS is not less than SILENCE_LIMIT_SECONDS: every machine would count as "
            "silent.",
            "Set POLL_SECONDS to a small part of SILENCE_LIMIT_SECONDS.",
        )


def _is_practice(platform: str) -> bool:
    return urlsplit(clouds.endpoint(platform).base_url).hostname in LOOPBACK
