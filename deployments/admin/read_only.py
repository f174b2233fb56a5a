"""What every admin page of this app is: a look at rows, never an edit (F83, F84).

Sealed keys are not shown, not even by way of a foreign key: loading a vault entry would open it.
"""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest


class LookOnly:
    """Nobody adds, changes or deletes, whatever their permissions."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


# Generic in the stubs only.
class ReadOnlyAdmin(LookOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """A list with search and a page per row."""

    show_full_result_count = False
    list_per_page = 50


class ReadOnlyInline(LookOnly, admin.TabularInline):  # type: ignore[type-arg]
    """Rows of another table on a row's page."""

    extra = 0
    show_change_link = True
