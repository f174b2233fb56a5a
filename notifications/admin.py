"""Webhooks and the outbox in Django's admin: what was told whom, never a secret (T15)."""

from django.contrib import admin

from core.admin import ReadOnlyAdmin
from notifications.models import Message, Webhook


@admin.register(Webhook)
class WebhookAdmin(ReadOnlyAdmin):
    """Where users are told; paths may hold secrets of the receivers, so they are left out."""

    list_display = ("origin", "user", "is_enabled", "switched_off_because", "created_at")
    list_filter = ("is_enabled",)
    list_select_related = ("user",)
    search_fields = ("=id", "user__username")
    fields = ("user", "origin", "kinds", "is_enabled", "switched_off_because", "created_at")


@admin.register(Message)
class MessageAdmin(ReadOnlyAdmin):
    """The outbox; what stands in a message is its reader's."""

    list_display = ("created_at", "kind", "receiver", "status", "tries", "problem", "next_try_at")
    list_filter = ("status", "kind")
    search_fields = ("=id", "=receiver", "user__username")
    exclude = ("body", "subject", "webhook")
