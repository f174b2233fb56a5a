"""The audit trail in Django's admin, and what every admin page of Slipway is: read-only."""

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest

from core.models import AuditEntry


class ReadOnlyAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # not generic at run time
    """Rows to look at: states change by services alone (T15)."""

    actions = None

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False


@admin.register(AuditEntry)
class AuditEntryAdmin(ReadOnlyAdmin):
    """Who did what, and when."""

    list_display = ("at", "who", "action", "object_type", "object_id")
    list_filter = ("action", "object_type")
    search_fields = ("who", "object_id")
    date_hierarchy = "at"
