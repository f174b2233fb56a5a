"""An administrator sees what is known of a key, and can neither read nor change it (T15)."""

import pytest
from django.test import Client

from secrets_vault.models import VaultEntry
from tests.builders import SECRET, make_user, make_vault_entry

pytestmark = pytest.mark.django_db
PAGES = "/admin/secrets_vault/vaultentry/"


@pytest.fixture
def admin(client: Client) -> Client:
    """Return a signed-in administrator."""
    client.force_login(make_user(is_staff=True, is_superuser=True))
    return client


def test_t15_the_pages_show_the_hint_and_never_the_secret(admin: Client) -> None:
    entry = make_vault_entry(label="mine")
    sealed = VaultEntry.objects.values_list("api_key_encrypted", flat=True).get()

    pages = [admin.get(PAGES), admin.get(f"{PAGES}{entry.pk}/change/")]

    for page in pages:
        text = page.content.decode()
        assert page.status_code == 200
        assert entry.fingerprint in text
        assert SECRET not in text
        assert str(sealed) not in text
        assert "api_key" not in text


def test_t15_nothing_can_be_changed_there(admin: Client) -> None:
    entry = make_vault_entry()

    answers = [
        admin.get(f"{PAGES}add/"),
        admin.post(f"{PAGES}add/", {"provider": "lambda"}),
        admin.post(f"{PAGES}{entry.pk}/change/", {"label": "changed"}),
        admin.post(f"{PAGES}{entry.pk}/delete/", {"post": "yes"}),
        admin.post(PAGES, {"action": "delete_selected", "_selected_action": str(entry.pk)}),
    ]

    assert {answer.status_code for answer in answers[:4]} == {403}
    assert VaultEntry.objects.get(pk=entry.pk).label == ""
