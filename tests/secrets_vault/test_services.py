"""Keys go in, are used by Slipway for their owner alone, and never come out (T2, T8, F55, F80)."""

import threading
from datetime import timedelta

import pytest
from cryptography.fernet import Fernet, MultiFernet
from django.db import connection
from encrypted_model_fields import fields as library

from core.errors import ConflictError, InvalidInputError
from core.models import AuditEntry
from core.time import database_now
from secrets_vault import services
from secrets_vault.fields import SecretUnreadableError
from secrets_vault.kinds import CheckResult, register_kind
from secrets_vault.models import InstallationSecret, VaultEntry
from tests.builders import SECRET, make_user, make_vault_entry
from tests.secrets_vault.conftest import PracticeCloud

pytestmark = pytest.mark.django_db


def sealed_column(entry: VaultEntry) -> str | None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT api_key_encrypted FROM secrets_vault WHERE fingerprint = %s",
            [entry.fingerprint],
        )
        (value,) = cursor.fetchone()
    return None if value is None else str(value)


def swap_columns(one: VaultEntry, other: VaultEntry) -> None:
    sealed = sealed_column(one), sealed_column(other)
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE secrets_vault SET api_key_encrypted = %s WHERE fingerprint = %s",
            [(sealed[1], one.fingerprint), (sealed[0], other.fingerprint)],
        )


def audited() -> list[str]:
    return [entry.action for entry in AuditEntry.objects.order_by("id")]


class TestAdding:
    """``add_entry``."""

    def test_a_key_is_sealed_and_known_by_its_end_and_fingerprint(self) -> None:
        entry = make_vault_entry(label=" mine ")

        assert services.open_secret(entry) == SECRET
        assert (entry.hint, entry.label, entry.status) == (SECRET[-4:], "mine", "unchecked")
        assert len(entry.fingerprint) == 16
        assert SECRET not in str(sealed_column(entry))

    def test_what_is_handed_out_holds_no_opened_text(self) -> None:
        entry = make_vault_entry()

        assert SECRET not in str(vars(entry))
        assert SECRET not in f"{entry} {entry!r}"

    def test_blanks_that_pasting_brings_along_are_dropped(self) -> None:
        entry = make_vault_entry(secret=f"  {SECRET}\r\n")

        assert services.open_secret(entry) == SECRET

    def test_a_short_secret_has_no_hint_that_would_tell_most_of_it(self) -> None:
        entry = make_vault_entry(secret="hunter2")

        assert entry.hint == ""
        assert "hunter2" not in str(vars(entry))

    @pytest.mark.parametrize(
        "secret", ["", "  \n", "a\nb", "a\0b", "a\x1bb", "a\u202eb", "x" * 4097]
    )
    def test_what_can_be_no_key_is_refused_without_repeating_it(self, secret: str) -> None:
        with pytest.raises(InvalidInputError) as refused:
            make_vault_entry(secret=secret)

        assert refused.value.param == "secret"
        assert not secret.strip() or secret.strip() not in str(refused.value.as_body())
        assert not VaultEntry.objects.exists()

    def test_the_longest_secret_is_kept_whole(self) -> None:
        entry = make_vault_entry(secret="x" * 4096)

        assert services.open_secret(entry) == "x" * 4096

    def test_an_unknown_provider_is_refused_with_the_known_ones(self) -> None:
        with pytest.raises(InvalidInputError) as refused:
            services.add_entry(make_user(), provider="nimbus", secret=SECRET)

        assert refused.value.param == "provider"
        assert "lambda, other" in refused.value.remedy

    def test_a_second_key_for_the_same_provider_is_a_conflict_that_says_what_to_do(self) -> None:
        entry = make_vault_entry()

        with pytest.raises(ConflictError) as refused:
            make_vault_entry(entry.user, secret="another key entirely")

        assert refused.value.code == "E_KEY_EXISTS"
        assert refused.value.remedy
        assert services.open_secret(entry) == SECRET

    def test_each_user_and_each_provider_has_a_key_of_its_own(self) -> None:
        user = make_user()
        entries = [
            make_vault_entry(user),
            make_vault_entry(user, provider="other"),
            make_vault_entry(),
        ]

        assert len({entry.pk for entry in entries}) == 3

    def test_a_deleted_key_makes_room_for_a_new_one(self) -> None:
        old = make_vault_entry()
        services.delete_entry(old, actor=old.user)

        new = make_vault_entry(old.user, secret="the second key of this user")

        assert services.entry_for(old.user, "lambda") == new

    def test_i19_adding_leaves_an_audit_row_that_holds_no_secret(self) -> None:
        entry = make_vault_entry()

        row = AuditEntry.objects.get()
        assert (row.action, row.who) == ("vault.key_added", entry.user.username)
        assert row.object_id == str(entry.pk)
        assert row.data == {
            "provider": "lambda",
            "hint": entry.hint,
            "fingerprint": entry.fingerprint,
        }


class TestFinding:
    """``entry_for``."""

    def test_t2_a_key_is_found_for_its_owner_alone(self) -> None:
        entry = make_vault_entry()

        assert services.entry_for(entry.user, "lambda") == entry
        assert services.entry_for(entry.user, "other") is None
        assert services.entry_for(make_user(), "lambda") is None

    def test_a_list_of_keys_opens_none_of_them(self) -> None:
        make_vault_entry()

        (entry,) = VaultEntry.objects.active()

        assert "api_key_encrypted" in entry.get_deferred_fields()


class TestOpening:
    """``open_secret``."""

    def test_t8_swapping_the_columns_of_two_users_opens_neither(self) -> None:
        mine = make_vault_entry(secret="the key of the first user")
        theirs = make_vault_entry(secret="the key of the second user")

        swap_columns(mine, theirs)

        for entry in (mine, theirs):
            with pytest.raises(SecretUnreadableError) as refused:
                services.open_secret(entry)
            assert "the key of" not in str(refused.value.as_body())

    def test_t8_swapping_the_columns_of_two_providers_opens_neither(self) -> None:
        user = make_user()
        first = make_vault_entry(user, secret="the key for the first cloud")
        second = make_vault_entry(user, provider="other", secret="the key for the second")

        swap_columns(first, second)

        for entry in (first, second):
            with pytest.raises(SecretUnreadableError):
                services.open_secret(entry)

    @pytest.mark.parametrize("inner", ["plain", "[]", "{}", '{"secret": 7}', '{"secret": "x"}'])
    def test_t8_a_sealed_text_without_its_owner_is_refused(self, inner: str) -> None:
        entry = make_vault_entry()
        VaultEntry.objects.filter(pk=entry.pk).update(api_key_encrypted=inner)

        with pytest.raises(SecretUnreadableError):
            services.open_secret(entry)

    def test_f80_a_wrong_encryption_key_raises_and_names_the_key(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entry = make_vault_entry()
        monkeypatch.setattr(library, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))

        with pytest.raises(SecretUnreadableError) as refused:
            services.open_secret(entry)

        assert (refused.value.code, refused.value.http_status) == ("E_SECRET_UNREADABLE", 500)

    def test_a_key_deleted_meanwhile_is_not_used(self) -> None:
        entry = make_vault_entry()
        services.delete_entry(VaultEntry.objects.get(pk=entry.pk), actor=None)

        with pytest.raises(ConflictError) as refused:
            services.open_secret(entry)

        assert refused.value.code == "E_KEY_DELETED"

    def test_a_use_is_noted_once_a_minute_and_not_audited(self) -> None:
        entry = make_vault_entry()
        recently = database_now() - timedelta(seconds=30)
        long_ago = database_now() - timedelta(seconds=90)

        noted = []
        for before in (None, recently, long_ago):
            VaultEntry.objects.filter(pk=entry.pk).update(last_used_at=before)
            services.open_secret(entry)
            noted.append(VaultEntry.objects.get(pk=entry.pk).last_used_at)

        assert noted[0] is not None
        assert noted[1] == recently
        assert noted[2] is not None
        assert noted[2] > long_ago
        assert audited() == ["vault.key_added"]


class TestChecking:
    """``check_entry``."""

    def test_a_key_that_the_provider_takes_works(self, cloud: PracticeCloud) -> None:
        entry = services.check_entry(make_vault_entry())

        entry.refresh_from_db()
        assert (entry.status, entry.status_message) == ("ok", "")
        assert entry.last_checked_at is not None
        assert cloud.asked == [SECRET]

    def test_a_key_that_the_provider_refuses_is_kept_with_the_reason(
        self, cloud: PracticeCloud
    ) -> None:
        cloud.result = CheckResult(ok=False, message="The key was revoked.", remedy="Add one.")

        entry = services.check_entry(make_vault_entry())

        assert (entry.status, entry.status_message) == ("refused", "The key was revoked. Add one.")

    def test_a_provider_out_of_reach_says_nothing_about_the_key(self, cloud: PracticeCloud) -> None:
        entry = services.check_entry(make_vault_entry())
        checked_at = entry.last_checked_at
        cloud.result = CheckResult(ok=None, message="Lambda does not answer.")

        services.check_entry(entry)

        entry.refresh_from_db()
        assert (entry.status, entry.last_checked_at) == ("ok", checked_at)
        assert entry.status_message == "Lambda does not answer."

    def test_a_kind_without_a_check_stays_unchecked(self) -> None:
        entry = services.check_entry(make_vault_entry(provider="other"))

        assert (entry.status, entry.last_checked_at) == ("unchecked", None)
        assert entry.status_message

    def test_i17_a_provider_that_repeats_the_key_cannot_bring_it_into_the_database(
        self, cloud: PracticeCloud
    ) -> None:
        cloud.result = CheckResult(ok=False, message=f"No such key: {SECRET}." + "x" * 1000)

        entry = services.check_entry(make_vault_entry())

        assert SECRET not in entry.status_message
        assert len(entry.status_message) == 300

    def test_a_key_deleted_during_the_check_stays_deleted(self) -> None:
        entry = make_vault_entry()

        def delete(secret: str) -> CheckResult:
            services.delete_entry(entry, actor=None)
            return CheckResult(ok=True)

        register_kind("lambda", "Lambda", check=delete)

        services.check_entry(entry)

        assert VaultEntry.objects.get(pk=entry.pk).status == "unchecked"
        assert services.entry_for(entry.user, "lambda") is None

    def test_i19_each_check_leaves_an_audit_row(self) -> None:
        entry = make_vault_entry()

        services.check_entry(entry)

        assert audited() == ["vault.key_added", "vault.key_checked"]


class TestDeleting:
    """``delete_entry``."""

    def test_the_key_is_wiped_and_the_row_stays_for_the_machines_it_rented(self) -> None:
        entry = make_vault_entry()

        services.delete_entry(entry, actor=entry.user)

        entry = VaultEntry.objects.get(pk=entry.pk)
        assert sealed_column(entry) is None
        assert entry.deleted_at is not None
        assert services.entry_for(entry.user, "lambda") is None
        assert audited() == ["vault.key_added", "vault.key_deleted"]

    def test_f55_a_key_with_live_machines_is_kept_and_they_are_listed(
        self, cloud: PracticeCloud
    ) -> None:
        entry = make_vault_entry()
        cloud.uses = [{"machine": "slw1-a"}, {"machine": "slw1-b"}]

        with pytest.raises(ConflictError) as refused:
            services.delete_entry(entry, actor=entry.user)

        assert (refused.value.code, refused.value.details) == ("E_KEY_IN_USE", cloud.uses)
        assert services.open_secret(entry) == SECRET

    def test_f80_a_key_that_does_not_open_any_more_can_still_be_seen_and_deleted(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        entry = make_vault_entry()
        monkeypatch.setattr(library, "CRYPTER", MultiFernet([Fernet(Fernet.generate_key())]))

        found = services.entry_for(entry.user, "lambda")
        assert found == entry
        services.delete_entry(entry, actor=entry.user)

        assert services.entry_for(entry.user, "lambda") is None

    def test_deleting_again_changes_nothing(self) -> None:
        entry = make_vault_entry()
        services.delete_entry(entry, actor=entry.user)
        first = VaultEntry.objects.get(pk=entry.pk).deleted_at

        services.delete_entry(entry, actor=entry.user)

        assert VaultEntry.objects.get(pk=entry.pk).deleted_at == first
        assert audited() == ["vault.key_added", "vault.key_deleted"]


class TestInstallationSecrets:
    """``installation_secret``."""

    def test_it_is_made_once(self) -> None:
        made = services.installation_secret("login", lambda: "first")
        again = services.installation_secret("login", lambda: "second")

        assert (made, again) == ("first", "first")

    def test_it_is_not_made_where_it_is_there_already(self) -> None:
        services.installation_secret("login", lambda: "first")

        def refuse() -> str:
            raise AssertionError("made twice")

        assert services.installation_secret("login", refuse) == "first"

    def test_several_lines_come_back_as_they_were(self) -> None:
        key = "-----BEGIN\nabc\n-----END\n"

        services.installation_secret("login", lambda: key)

        assert services.installation_secret("login", lambda: "") == key

    def test_t8_one_secret_in_the_place_of_another_is_refused(self) -> None:
        services.installation_secret("login", lambda: "first")
        services.installation_secret("other", lambda: "second")
        moved = InstallationSecret.objects.get(name="other").value
        InstallationSecret.objects.filter(name="login").update(value=moved)

        with pytest.raises(SecretUnreadableError):
            services.installation_secret("login", lambda: "third")


@pytest.mark.django_db(transaction=True)
def test_processes_that_ask_at_once_all_get_the_same_secret() -> None:
    together = threading.Barrier(4)
    found: list[str] = []

    def ask(number: int) -> None:
        together.wait(timeout=10)
        try:
            found.append(services.installation_secret("raced", lambda: f"made by {number}"))
        finally:
            connection.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert len(found) == 4
    assert len(set(found)) == 1
