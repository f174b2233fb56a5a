"""Helpers that make the OpenAPI document tell the whole truth."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers


class ErrorDetailsSerializer(serializers.Serializer[Any]):
    """The inside of every error."""

    code = serializers.CharField(help_text="Stable, such as E_CAPACITY.")
    type = serializers.ChoiceField(
        choices=[
            "invalid_request_error",
            "authentication_error",
            "permission_error",
            "not_found_error",
            "conflict_error",
            "rate_limit_error",
            "provider_error",
            "server_error",
        ]
    )
    message = serializers.CharField(help_text="What happened.")
    param = serializers.CharField(allow_null=True, help_text="The offending field.")
    remedy = serializers.CharField(allow_blank=True, help_text="What to do.")
    details = serializers.ListField(child=serializers.JSONField(), required=False)


class ErrorSerializer(serializers.Serializer[Any]):
    """The one error body (API.md section 1)."""

    error = ErrorDetailsSerializer()


def error_responses(*statuses: int) -> dict[int, type[ErrorSerializer]]:
    """Return the ``responses`` of these statuses, with those that any signed-in call may get.

    Use: ``@extend_schema(responses={201: VaultEntrySerializer, **error_responses(400, 409)})``.
    """
    return dict.fromkeys(sorted({401, 403, *statuses}), ErrorSerializer)


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes our tokens to drf-spectacular."""

    target_class = "core.api.authentication.BearerTokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A Slipway token, slw_..."}
