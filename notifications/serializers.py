"""How webhooks and deliveries look from outside: never a secret but once (T26)."""

from typing import ClassVar

from rest_framework import serializers

from core.api.fields import StrictSerializer, Text
from core.outbound import MAX_URL_CHARACTERS
from notifications import kinds
from notifications.models import Message, Webhook


class WebhookAnswer(serializers.ModelSerializer[Webhook]):
    """A webhook without its secret."""

    kinds = serializers.ListField(child=serializers.ChoiceField(choices=kinds.NAMES))

    class Meta:
        model = Webhook
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "url",
            "kinds",
            "is_enabled",
            "switched_off_because",
            "previous_until",
            "created_at",
        )
        read_only_fields = fields


class WebhookWithSecretAnswer(WebhookAnswer):
    """A webhook with a secret that was just made."""

    secret = serializers.CharField(
        allow_null=True, help_text="whsec_...; shown this once, null in the answer to a repeat."
    )
    notice = serializers.CharField()

    class Meta(WebhookAnswer.Meta):
        fields = (*WebhookAnswer.Meta.fields, "secret", "notice")
        read_only_fields = fields


class DeliveryAnswer(serializers.ModelSerializer[Message]):
    """One message to a webhook and what came of it; the receiver's words are not kept."""

    message_id = serializers.CharField(
        source="public_id", help_text="The webhook-id header, the same on every try."
    )

    class Meta:
        model = Message
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "message_id",
            "kind",
            "status",
            "tries",
            "answer_status",
            "problem",
            "next_try_at",
            "created_at",
            "settled_at",
        )
        read_only_fields = fields


def _kinds_field(help_text: str) -> serializers.ListField:
    return serializers.ListField(
        child=serializers.ChoiceField(choices=kinds.NAMES),
        required=False,
        min_length=1,
        max_length=len(kinds.NAMES),
        help_text=help_text,
    )


class NewWebhookBody(StrictSerializer):
    """Where to tell what."""

    url = Text(max_length=MAX_URL_CHARACTERS, help_text="https, at a public address.")
    kinds = _kinds_field("What is told; without it everything.")


class ChangedWebhookBody(StrictSerializer):
    """What to change."""

    url = Text(max_length=MAX_URL_CHARACTERS, required=False)
    kinds = _kinds_field("What is told from now on.")
    is_enabled = serializers.BooleanField(
        required=False, help_text="False gives up what waits for it."
    )
