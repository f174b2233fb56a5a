"""Helpers that make the OpenAPI document tell the whole truth."""

from typing import Any

from drf_spectacular.extensions import (
    OpenApiAuthenticationExtension,
    OpenApiSerializerExtension,
)
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction, OpenApiParameter
from rest_framework import serializers

from core.api.file_response import AnyAccept
from core.api.idempotency import HEADER, MAX_KEY_CHARACTERS, creating_of


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


class SlipwaySchema(AutoSchema):
    """Adds what every operation may answer, so that no view has to repeat it.

    429 and 503 everywhere, 406 where ``Accept`` is heeded, 400, 413 and 415 where a body is read;
    the Idempotency-Key and its 409 where something is created.
    """

    def get_operation(self, *args: Any, **kwargs: Any) -> dict[str, Any] | None:
        operation: dict[str, Any] | None = super().get_operation(*args, **kwargs)
        if operation is None:
            return None
        error = self.resolve_serializer(ErrorSerializer, "response").ref
        answers = operation["responses"]
        for status in self._common_refusals(reads_body="requestBody" in operation):
            answers.setdefault(
                str(status), {"content": {"application/json": {"schema": error}}, "description": ""}
            )
        operation["responses"] = dict(sorted(answers.items()))
        return operation

    def get_override_parameters(self) -> list[Any]:
        if creating_of(self.view, self.method) is None:
            return []
        described = (
            "The same key and body within 24 hours give the first answer again, marked by the "
            "header Idempotent-Replayed; another body answers 409."
        )
        return [
            OpenApiParameter(
                HEADER,
                {"type": "string", "minLength": 1, "maxLength": MAX_KEY_CHARACTERS},
                OpenApiParameter.HEADER,
                description=described,
            )
        ]

    def _common_refusals(self, *, reads_body: bool) -> set[int]:
        found = {429, 503}
        if not issubclass(self.view.content_negotiation_class, AnyAccept):
            found.add(406)
        if reads_body:
            found |= {400, 413, 415}
        if creating_of(self.view, self.method) is not None:
            found |= {400, 409}
        return found


def error_responses(*statuses: int) -> dict[int, type[ErrorSerializer]]:
    """Return the ``responses`` of these statuses, with those that any signed-in call may get.

    Use: ``@extend_schema(responses={201: VaultEntrySerializer, **error_responses(400, 409)})``.
    """
    return dict.fromkeys(sorted({401, 403, *statuses}), ErrorSerializer)


class StrictSerializerScheme(OpenApiSerializerExtension):  # type: ignore[no-untyped-call]
    """Says of strict bodies that they take no field but those named, and no blank text."""

    target_class = "core.api.fields.StrictSerializer"
    match_subclasses = True

    def map_serializer(self, auto_schema: AutoSchema, direction: Direction) -> dict[str, Any]:
        schema: Any = auto_schema
        mapped: dict[str, Any] = schema._map_serializer(  # noqa: SLF001  # its documented way
            self.target, direction, bypass_extensions=True
        )
        for name, field in self.target.fields.items():
            if isinstance(field, serializers.CharField) and not field.allow_blank:
                mapped["properties"][name]["minLength"] = 1
        return {**mapped, "additionalProperties": False}


class BearerTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes our tokens to drf-spectacular."""

    target_class = "core.api.authentication.BearerTokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A Slipway token, slw_..."}
