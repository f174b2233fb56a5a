"""In production nothing is left to chance: keys, cookies, headers, static files (FAULTS.md 3)."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet
from django.conf import settings as django_settings

TOLD = """
import json, django
django.setup()
from django.conf import settings as s
print(json.dumps({
    "cookies": [s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME],
    "secure": [s.SESSION_COOKIE_SECURE, s.CSRF_COOKIE_SECURE, s.SECURE_SSL_REDIRECT],
    "http_only": [s.SESSION_COOKIE_HTTPONLY, s.CSRF_COOKIE_HTTPONLY],
    "hsts": [s.SECURE_HSTS_SECONDS, s.SECURE_HSTS_INCLUDE_SUBDOMAINS],
    "proxy": getattr(s, "SECURE_PROXY_SSL_HEADER", None),
    "debug": s.DEBUG, "hosts": s.ALLOWED_HOSTS,
    "log": s.LOGGING["handlers"]["console"],
}))
"""


def production(data_dir: Path, **also: str) -> dict[str, str]:
    """Return the environment of an operator who has read the README."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return {
        **kept,
        "SLIPWAY_ENV": "production",
        "SLIPWAY_DATA_DIR": str(data_dir),
        "SECRET_KEY": "q8PzV3nTj7Lw2XcR5mKf9HdYb4GsA6eUoN1iWtJyMhBvCxZlQkDpErSgFaOu",
        "FIELD_ENCRYPTION_KEY": Fernet.generate_key().decode(),
        "ALLOWED_HOSTS": "slipway.example.org",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        **also,
    }


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # noqa: S603  # our own command
        [sys.executable, *arguments],
        env=environment,
        cwd=django_settings.BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )


def test_djangos_own_check_of_a_deployment_finds_nothing(tmp_path: Path) -> None:
    check = run(production(tmp_path), "manage.py", "check", "--deploy", "--fail-level", "WARNING")

    assert (check.returncode, check.stderr) == (0, "")


@pytest.mark.parametrize("name", ["SECRET_KEY", "FIELD_ENCRYPTION_KEY"])
def test_t10_a_key_that_is_missing_is_named_and_never_made_up(tmp_path: Path, name: str) -> None:
    check = run(production(tmp_path, **{name: ""}), "manage.py", "check")

    assert check.returncode != 0
    assert f"{name} must be set in production" in check.stderr
    assert not (tmp_path / "keys").exists()


def test_t13_t14_cookies_and_https_are_as_strict_as_browsers_allow(tmp_path: Path) -> None:
    told = json.loads(run(production(tmp_path), "-c", TOLD).stdout)

    assert told["cookies"] == ["__Host-sessionid", "__Host-csrftoken"]
    assert all(told["secure"] + told["http_only"])
    assert told["hsts"] == [31536000, True]
    assert (told["debug"], told["hosts"]) == (False, ["slipway.example.org"])
    assert (told["log"]["formatter"], told["log"]["filters"]) == ("json", ["redact"])
    assert told["proxy"] is None


def test_t7_a_proxys_word_is_taken_only_where_the_operator_says_so(tmp_path: Path) -> None:
    told = json.loads(run(production(tmp_path, BEHIND_PROXY="1"), "-c", TOLD).stdout)

    assert told["proxy"] == ["HTTP_X_FORWARDED_PROTO", "https"]


@pytest.mark.full
def test_the_web_process_starts_once_the_static_files_are_collected(tmp_path: Path) -> None:
    environment = production(tmp_path)

    before = run(environment, "-c", "import config.wsgi")
    collected = run(environment, "manage.py", "collectstatic", "--noinput", "--verbosity", "0")
    after = run(environment, "-c", "import config.wsgi")

    assert "run manage.py collectstatic" in before.stderr
    assert (collected.returncode, collected.stderr) == (0, "")
    assert (after.returncode, after.stderr) == (0, "")
