"""How keys look from outside: never the key (T15)."""

import json
from typing import Any

from rest_framework import serializers

from core.api.fields import StrictSerializer, Text
from secrets_vault.models import VaultEntry
from secrets_vault.services import MAX_SECRET_CHARACTERS

PARTS_HELP = (
    "In place of ``secret``, for kinds that have several parts. A machine of your own (ssh): name, "
    "address, port, user, private_key, hourly_price, host_key. Without ``host_key`` the answer is "
    "409 E_HOSTKEY_UNCONFIRMED with the fingerprint to compare; then give that."
)


def as_secret(given: dict[str, Any]) -> dict[str, Any]:
    """Return what was given with the parts as one secret; one of both is needed."""
    parts = given.pop("parts", None)
    if (parts is None) == ("secret" not in given):
        raise serializers.ValidationError({"secret": "Give either secret or parts."})
    return given if parts is None else {**given, "secret": json.dumps(parts)}


class VaultEntrySerializer(serializers.ModelSerializer[VaultEntry]):
    """A key by its last four characters and its fingerprint."""

    class Meta:
        model = VaultEntry
        fields = (
            "id",
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
        )
        read_only_fields = fields


class NewEntrySerializer(serializers.Serializer[Any]):
    """A key to be sealed."""

    # The service says which providers there are, so that every caller hears the same.
    provider = serializers.CharField(max_length=32)
    secret = serializers.CharField(
        write_only=True,
        allow_blank=True,
        required=False,
        trim_whitespace=False,
        help_text=f"At most {MAX_SECRET_CHARACTERS} characters; sealed and never shown again.",
    )
    parts = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False),
        write_only=True,
        required=False,
        help_text=PARTS_HELP,
    )
    label = serializers.CharField(  # type: ignore[assignment]  # a field of the body
        max_length=100, required=False, allow_blank=True, default=""
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return as_secret(attrs)


class ReplacementSerializer(StrictSerializer):
    """The key that takes over."""

    secret = Text(
        write_only=True,
        required=False,
        trim_whitespace=False,
        help_text=f"At most {MAX_SECRET_CHARACTERS} characters; sealed and never shown again.",
    )
    parts = serializers.DictField(
        child=serializers.CharField(allow_blank=True, trim_whitespace=False),
        write_only=True,
        required=False,
        help_text=PARTS_HELP,
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        return as_secret(attrs)
