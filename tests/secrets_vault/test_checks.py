"""A wrong key stops the start instead of a deployment (F80)."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings as django_settings
from django.core.checks import Error
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import connection
from encrypted_model_fields import fields as library
from pytest_django.fixtures import Settings

from secrets_vault import checks
from secrets_vault.models import InstallationSecret


@pytest.mark.django_db
def test_migrate_leaves_a_canary_and_the_present_key_opens_it() -> None:
    assert InstallationSecret.objects.filter(name="canary").exists()
    assert checks.check_canary(None) == []


@pytest.mark.django_db
def test_a_second_migrate_keeps_the_first_canary() -> None:
    before = InstallationSecret.objects.get(name="canary").created_at

    checks.place_canary()

    assert InstallationSecret.objects.get(name="canary").created_at == before


@pytest.mark.django_db
def test_f80_with_a_wrong_key_no_command_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(library, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))

    with pytest.raises(SystemCheckError) as refused:
        call_command("check")

    assert "secrets_vault.E001" in str(refused.value)
    assert "FIELD_ENCRYPTION_KEY" in str(refused.value)


@pytest.mark.django_db
def test_before_the_tables_exist_there_is_nothing_to_find() -> None:
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE installation_secrets RENAME TO hidden")

    assert checks.check_canary(None) == []


@pytest.mark.django_db
def test_before_the_first_canary_there_is_nothing_to_find() -> None:
    InstallationSecret.objects.all().delete()

    assert checks.check_canary(None) == []


def test_the_two_keys_of_an_installation_must_differ(settings: Settings) -> None:
    settings.SECRET_KEY = settings.FIELD_ENCRYPTION_KEY[0]

    (finding,) = checks.check_keys_differ(None)

    assert isinstance(finding, Error)
    assert (finding.id, bool(finding.hint)) == ("secrets_vault.E002", True)


def test_the_generated_keys_differ() -> None:
    assert checks.check_keys_differ(None) == []


@pytest.mark.parametrize("key", ["not-a-key", ",", "A" * 42 + "="])
def test_f80_a_malformed_key_is_named_without_being_shown(key: str, tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "FIELD_ENCRYPTION_KEY": key,
        "SLIPWAY_DATA_DIR": str(tmp_path / "data"),
    }

    result = subprocess.run(
        [sys.executable, "-c", "import django; django.setup()"],
        cwd=django_settings.BASE_DIR,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert result.returncode != 0
    assert "ImproperlyConfigured: FIELD_ENCRYPTION_KEY holds no usable key" in result.stderr
    assert len(key) < 5 or key not in result.stderr
