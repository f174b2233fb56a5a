"""The sealed column raises where the library guesses (libraries.md section 3, F80)."""

import io
import json

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.core.exceptions import FieldError
from django.core.management import call_command
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Concat
from encrypted_model_fields import fields as library

from secrets_vault.fields import SecretUnreadableError
from secrets_vault.models import InstallationSecret

pytestmark = pytest.mark.django_db


def make_secret(value: str = "open sesame") -> InstallationSecret:
    return InstallationSecret.objects.create(name="test", value=value)


def column() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT value FROM installation_secrets WHERE name = 'test'")
        (value,) = cursor.fetchone()
    return str(value)


def write_column(value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE installation_secrets SET value = %s WHERE name = 'test'", [value])


def test_t8_the_column_holds_a_sealed_text_and_the_field_opens_it() -> None:
    row = make_secret()

    assert "sesame" not in column()
    assert InstallationSecret.objects.get(pk=row.pk).value == "open sesame"


def test_f80_a_wrong_key_raises_and_hands_out_no_sealed_text(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_secret()
    monkeypatch.setattr(library, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))

    with pytest.raises(SecretUnreadableError) as refused:
        InstallationSecret.objects.get(name="test")

    assert column() not in str(refused.value)
    assert refused.value.__cause__ is None
    assert "FIELD_ENCRYPTION_KEY" in refused.value.message


def test_f80_an_older_key_that_stands_second_still_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = Fernet(Fernet.generate_key()), Fernet(Fernet.generate_key())
    monkeypatch.setattr(library, "CRYPTER", MultiFernet([old]))
    make_secret()

    monkeypatch.setattr(library, "CRYPTER", MultiFernet([new, old]))

    assert InstallationSecret.objects.get(name="test").value == "open sesame"


@pytest.mark.parametrize("tampered", ["open sesame", "", "gAAAAAB", "é" * 20])
def test_f80_a_column_that_was_tampered_with_raises(tampered: str) -> None:
    make_secret()
    write_column(tampered)

    with pytest.raises(SecretUnreadableError):
        InstallationSecret.objects.get(name="test")


def test_f80_one_changed_character_is_noticed() -> None:
    make_secret()
    sealed = column()
    changed = "A" if sealed[40] != "A" else "B"
    write_column(sealed[:40] + changed + sealed[41:])

    with pytest.raises(SecretUnreadableError):
        InstallationSecret.objects.get(name="test")


def test_a_secret_that_looks_sealed_is_kept_as_it_is() -> None:
    looks_sealed = library.encrypt_str("inner").decode()
    row = make_secret(looks_sealed)

    assert InstallationSecret.objects.get(pk=row.pk).value == looks_sealed


@pytest.mark.parametrize("value", [7, b"bytes", Concat(F("name"), Value("x"))])
def test_only_a_text_can_be_sealed(value: object) -> None:
    row = make_secret()
    row.value = value  # type: ignore[assignment]  # the mistake under test

    with pytest.raises(TypeError):
        row.save()


def test_bulk_update_raises_instead_of_destroying_the_secret() -> None:
    row = make_secret()
    row.value = "new"  # type: ignore[assignment]  # the field's library has no types

    with pytest.raises(TypeError):
        InstallationSecret.objects.bulk_update([row], ["value"])


def test_a_plain_update_seals() -> None:
    make_secret()

    InstallationSecret.objects.filter(name="test").update(value="new")

    assert "new" not in column()
    assert InstallationSecret.objects.get(name="test").value == "new"


@pytest.mark.parametrize(
    "lookup", ["value", "value__contains", "value__in", "value__length", "value__gt"]
)
def test_nobody_can_search_by_a_sealed_value(lookup: str) -> None:
    with pytest.raises(FieldError):
        InstallationSecret.objects.filter(**{lookup: "open sesame"}).exists()


def test_whether_there_is_a_value_can_be_asked() -> None:
    make_secret()

    assert not InstallationSecret.objects.filter(name="test", value__isnull=True).exists()


def test_t15_dumpdata_leaves_the_secret_out() -> None:
    make_secret()
    output = io.StringIO()

    call_command("dumpdata", "secrets_vault", stdout=output)

    rows = json.loads(output.getvalue())
    assert "test" in [row["fields"].get("name") for row in rows]
    assert all("value" not in row["fields"] for row in rows)
    assert "sesame" not in output.getvalue()
    assert column() not in output.getvalue()
