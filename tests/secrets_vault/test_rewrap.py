"""Rotation of FIELD_ENCRYPTION_KEY (FAULTS.md, "Key rotation"; T8, F80)."""

from collections.abc import Iterator
from io import StringIO

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.core.management import CommandError, call_command
from django.db import connection
from encrypted_model_fields import fields as library
from pytest_django.fixtures import Settings

from core.models import AuditEntry
from secrets_vault import rewrap
from secrets_vault.models import InstallationSecret, VaultEntry
from secrets_vault.services import add_entry, delete_entry, installation_secret, open_secret
from tests.builders import SECRET, make_user

pytestmark = pytest.mark.django_db
OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


class Keys:
    """FIELD_ENCRYPTION_KEY, as it is set and as the field library has read it."""

    def __init__(self, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
        self._settings, self._monkeypatch = settings, monkeypatch

    def use(self, *keys: str) -> None:
        self._settings.FIELD_ENCRYPTION_KEY = list(keys)
        crypter = MultiFernet([Fernet(key) for key in keys])
        self._monkeypatch.setattr(library, "CRYPTER", crypter)


@pytest.fixture
def keys(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Keys:
    """An installation that was made with the old key, and now has the new one first."""
    InstallationSecret.objects.all().delete()
    keys = Keys(settings, monkeypatch)
    keys.use(OLD)
    return keys


@pytest.fixture
def entry(keys: Keys) -> VaultEntry:
    installation_secret("login", lambda: "the login key")
    return add_entry(make_user(), provider="lambda", secret=SECRET)


def column(entry: VaultEntry) -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT api_key_encrypted FROM secrets_vault WHERE label = %s", [""])
        (value,) = cursor.fetchone()
    return str(value)


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("rewrap_secrets", *arguments, stdout=out)
    return out.getvalue()


def test_every_sealed_column_of_every_app_is_found() -> None:
    assert {str(column) for column in rewrap.columns()} == {
        "secrets_vault.api_key_encrypted",
        "installation_secrets.value",
        "webhooks.secret",
        "webhooks.previous_secret",
    }


def test_afterwards_the_new_key_alone_opens_everything(entry: VaultEntry, keys: Keys) -> None:
    keys.use(NEW, OLD)

    said = run()

    keys.use(NEW)
    assert open_secret(entry) == SECRET
    assert installation_secret("login", lambda: "never made") == "the login key"
    assert "2 sealed anew. The newest key alone opens all 2" in said
    assert SECRET not in said
    assert AuditEntry.objects.get(action="vault.rewrapped").data == {"rows": 2, "proof": True}


def test_started_again_it_has_nothing_left_to_do(entry: VaultEntry, keys: Keys) -> None:
    keys.use(NEW, OLD)
    run()
    before = column(entry)

    said = run()

    assert "0 sealed anew" in said
    assert column(entry) == before


def test_stopped_half_way_it_goes_on_where_it_was(
    entry: VaultEntry, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.use(NEW, OLD)
    whole = rewrap.compare_and_set

    def killed_after_one(*args: object, **kwargs: object) -> bool:
        whole(*args, **kwargs)  # type: ignore[arg-type]  # passed on as they came
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(rewrap, "compare_and_set", killed_after_one)
        with pytest.raises(KeyboardInterrupt):
            run()
    half = rewrap.census()

    said = run()

    assert (half.by_newest, half.by_older) == (1, 1)
    assert "1 sealed anew. The newest key alone opens all 2" in said


def test_a_dry_run_counts_and_changes_nothing(entry: VaultEntry, keys: Keys) -> None:
    keys.use(NEW, OLD)
    before = column(entry)

    said = run("--dry-run")

    assert "found: 2 sealed values, 0 open with the newest key, 2 with an older one" in said
    assert column(entry) == before


def test_F80_without_the_old_key_the_rows_are_named_and_left_alone(
    entry: VaultEntry, keys: Keys
) -> None:
    before = column(entry)
    keys.use(NEW)

    with pytest.raises(CommandError) as refused:
        run()

    assert "secrets_vault.api_key_encrypted of row" in str(refused.value)
    assert "Drop no key before" in str(refused.value)
    assert column(entry) == before


def test_a_value_that_is_changed_meanwhile_is_kept_and_sealed_anew(
    entry: VaultEntry, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.use(NEW, OLD)
    changed = Fernet(OLD).encrypt(b'{"changed": "meanwhile"}').decode()
    whole, rows = rewrap.compare_and_set, iter([True])

    def somebody_was_faster(target: rewrap.Column, pk: rewrap.Key, *, old: str, new: str) -> bool:
        if target.table == "secrets_vault" and next(rows, False):
            with connection.cursor() as cursor:
                cursor.execute("UPDATE secrets_vault SET api_key_encrypted = %s", [changed])
        return whole(target, pk, old=old, new=new)

    monkeypatch.setattr(rewrap, "compare_and_set", somebody_was_faster)

    run()

    assert Fernet(NEW).decrypt(column(entry).encode()) == b'{"changed": "meanwhile"}'


def test_a_key_that_was_added_while_it_ran_is_no_proof(
    entry: VaultEntry, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys.use(NEW, OLD)
    counts: Iterator[rewrap.Census] = iter([rewrap.census(), rewrap.Census(sealed=3, by_newest=2)])
    monkeypatch.setattr(rewrap, "census", lambda: next(counts))

    with pytest.raises(CommandError, match="2 values before, 3 after, 2 proven"):
        run()


def test_deleted_keys_hold_nothing_and_are_not_counted(entry: VaultEntry, keys: Keys) -> None:
    keys.use(NEW, OLD)
    delete_entry(entry, actor=None)

    assert "all 1" in run()
