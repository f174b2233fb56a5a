"""How keys look from outside: never the key (T15)."""

from typing import Any

from rest_framework import serializers

from core.api.fields import StrictSerializer, Text
from secrets_vault.models import VaultEntry
from secrets_vault.services import MAX_SECRET_CHARACTERS


class VaultEntrySerializer(serializers.ModelSerializer[VaultEntry]):
    """A key by its last four characters and its fingerprint."""

    class Meta:
        model = VaultEntry
        fields = (
            "id",
            "provider",
            "label",
            "hint",
            "fingerprint",
            "status",
            "status_message",
            "last_checked_at",
            "last_used_at",
            "created_at",
        )
        read_only_fields = fields


class NewEntrySerializer(serializers.Serializer[Any]):
    """A key to be sealed."""

    # The service says which providers there are, so that every caller hears the same.
    provider = serializers.CharField(max_length=32)
    secret = serializers.CharField(
        write_only=True,
        allow_blank=True,
        trim_whitespace=False,
        help_text=f"At most {MAX_SECRET_CHARACTERS} characters; sealed and never shown again.",
    )
    label = serializers.CharField(  # type: ignore[assignment]  # a field of the body
        max_length=100, required=False, allow_blank=True, default=""
    )


class ReplacementSerializer(StrictSerializer):
    """The key that takes over."""

    secret = Text(
        write_only=True,
        trim_whitespace=False,
        help_text=f"At most {MAX_SECRET_CHARACTERS} characters; sealed and never shown again.",
    )
