"""System checks of the settings: each finding names the variable and the way out."""

from dataclasses import replace
from pathlib import Path

import pytest
from django.core.checks import CheckMessage
from pytest_django.fixtures import Settings

from deployments import checks
from deployments.providers import PROVIDERS
from deployments.timing import Timing

SANDBOX = "http://127.0.0.1:9400/api/v1"


def every() -> list[CheckMessage]:
    return [
        *checks.check_app_url(None),
        *checks.check_hub(None),
        *checks.check_clouds(None),
        *checks.check_login_key(None),
        *checks.check_timing(None),
    ]


def practise(settings: Settings) -> None:
    """Let every cloud be the practice cloud."""
    for platform in PROVIDERS:
        setattr(settings, f"{platform.upper()}_API_BASE_URL", SANDBOX)


def ids() -> list[str | None]:
    return [finding.id for finding in every()]


def test_the_default_settings_are_sound() -> None:
    assert every() == []


@pytest.mark.parametrize("url", ["http://localhost:8000", "https://127.0.0.1", "http://[::1]:80"])
def test_T25_a_loopback_app_url_goes_with_the_practice_cloud_alone(
    url: str, settings: Settings
) -> None:
    settings.APP_URL = url

    (finding,) = every()
    practise(settings)

    assert finding.id == "deployments.W001"
    assert "APP_URL" in finding.msg
    assert finding.hint
    assert every() == []


def test_T7_tokens_of_the_hub_go_over_https_or_to_this_host(settings: Settings) -> None:
    for sound in ("https://hub.example.org", "http://127.0.0.1:9400", ""):
        settings.HF_ENDPOINT = sound
        assert every() == []

    settings.HF_ENDPOINT = "http://hub.example.org"

    assert ids() == ["deployments.E003"]


def test_T25_an_app_url_elsewhere_must_be_https(settings: Settings) -> None:
    settings.APP_URL = "http://slipway.example.org"
    assert ids() == ["deployments.W002"]

    settings.APP_URL = "https://slipway.example.org"
    assert ids() == []


def test_F30_taking_the_first_host_key_is_warned_of(settings: Settings) -> None:
    settings.LAMBDA_HOST_KEY = "first_contact"

    (finding,) = every()

    assert finding.id == "deployments.W003"
    assert "LAMBDA_HOST_KEY" in finding.msg


def test_machines_without_gpu_are_for_the_practice_cloud(settings: Settings) -> None:
    settings.ALLOW_CPU_MACHINES = True
    assert set(ids()) == {"deployments.W004"}

    practise(settings)
    assert ids() == []


@pytest.mark.parametrize(
    ("mode", "found"),
    [(0o600, []), (0o400, []), (0o640, ["deployments.W005"]), (0o604, ["deployments.W005"])],
)
def test_the_login_key_is_its_owners_alone(
    mode: int, found: list[str], tmp_path: Path, settings: Settings
) -> None:
    key = tmp_path / "key"
    key.write_text("a key", encoding="utf-8")
    key.chmod(mode)
    settings.LAMBDA_SSH_KEY_PATH = str(key)

    assert ids() == found


@pytest.mark.parametrize("name", ["missing", "."])
def test_a_login_key_that_cannot_be_read_is_an_error(
    name: str, tmp_path: Path, settings: Settings
) -> None:
    settings.LAMBDA_SSH_KEY_PATH = str(tmp_path / name)

    (finding,) = every()

    assert finding.id == "deployments.E001"
    assert str(tmp_path / name) in finding.msg


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"slice_seconds": 45.0}, ["SLICE_SECONDS"]),
        ({"lease_seconds": 20.0}, ["LEASE_SECONDS", "SLICE_SECONDS"]),
        ({"launch_timeout_seconds": 40.0}, ["LAUNCH_TIMEOUT_SECONDS"]),
        ({"canary_seconds": 90.0}, ["CANARY_SECONDS", "STALL_LIMIT_SECONDS"]),
        ({"terminate_retry_seconds": 400.0}, ["TERMINATE_RETRY_SECONDS"]),
        ({"poll_seconds": 600.0}, ["POLL_SECONDS", "SILENCE_LIMIT_SECONDS"]),
    ],
)
def test_D10_durations_that_contradict_each_other_stop_the_start(
    changes: dict[str, float], names: list[str], settings: Settings
) -> None:
    settings.TIMING = replace(Timing(), **changes)  # type: ignore[arg-type]  # all in seconds

    (finding,) = every()

    assert finding.id == "deployments.E002"
    assert finding.is_serious()
    assert all(name in finding.msg for name in names)
    assert finding.hint


def test_a_stall_limit_within_a_task_s_time_is_warned_of(settings: Settings) -> None:
    settings.TIMING = replace(Timing(), stall_limit_seconds=50.0)

    assert ids() == ["deployments.W006"]
