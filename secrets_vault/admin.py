"""Keys in Django's admin: what is known of them, never the keys (T15)."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin
from secrets_vault.models import VaultEntry


@admin.register(VaultEntry)
class VaultEntryAdmin(ReadOnlyAdmin):
    """One user's key for one provider; the sealed column is no field of any page."""

    list_display = ("user", "provider", "name", "label", "hint", "fingerprint", "status")
    list_filter = ("provider", "status")
    search_fields = ("user__username", "fingerprint")
    fields = (
        "user",
        "provider",
        "name",
        "label",
        "hint",
        "fingerprint",
        "status",
        "status_message",
        "last_checked_at",
        "last_used_at",
        "created_at",
        "deleted_at",
    )
