"""``/api/tokens``: sign-ins for programs, shown once and ended at will (API.md section 1)."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core import tokens
from core.api.caller import caller, id_parameter
from core.api.fields import StrictSerializer, Text
from core.api.idempotency import creates
from core.api.pagination import NewestFirst
from core.api.schema import error_responses
from core.lookups import get_owned
from core.models import ApiToken

# A token that only reads or deploys must not make itself a stronger one.
ADMIN_ALONE = {"GET": "admin", "HEAD": "admin", "POST": "admin", "DELETE": "admin"}


class TokenAnswer(serializers.ModelSerializer[ApiToken]):
    """A token by its first characters; the token itself is never shown again."""

    scopes = serializers.ListField(child=serializers.ChoiceField(choices=tokens.SCOPES))

    class Meta:
        model = ApiToken
        fields: ClassVar[tuple[str, ...]] = (
            "id",
            "name",
            "prefix",
            "scopes",
            "created_at",
            "expires_at",
            "last_used_at",
            "revoked_at",
        )
        read_only_fields = fields


class NewTokenAnswer(TokenAnswer):
    """A token that was just made, with the token itself."""

    token = serializers.CharField(
        allow_null=True, help_text="Shown this once; null in the answer to a repeat."
    )
    notice = serializers.CharField()

    class Meta(TokenAnswer.Meta):
        fields = (*TokenAnswer.Meta.fields, "token", "notice")
        read_only_fields = fields


class NewTokenBody(StrictSerializer):
    """What a token is for and what it may do."""

    name = Text(max_length=100)
    scopes = serializers.ListField(
        child=serializers.ChoiceField(choices=tokens.SCOPES),
        required=False,
        min_length=1,
        max_length=len(tokens.SCOPES),
        help_text="Each includes the ones before it: read, deploy, admin.",
    )
    expires_at = serializers.DateTimeField(
        required=False, allow_null=True, help_text="Without it the token holds until revoked."
    )


class TokensView(GenericAPIView[ApiToken]):
    """Every token of the caller."""

    serializer_class = TokenAnswer
    pagination_class = NewestFirst
    required_scopes = ADMIN_ALONE
    needs_password = frozenset({"POST"})

    @extend_schema(
        operation_id="tokens_list",
        responses={200: TokenAnswer(many=True), **error_responses(400)},
    )
    def get(self, request: Request) -> Response:
        """List your tokens, ended ones included, newest first."""
        rows = self.paginate_queryset(ApiToken.objects.filter(user=caller(request)))
        return self.get_paginated_response(TokenAnswer(rows, many=True).data)

    @extend_schema(
        operation_id="tokens_create",
        request=NewTokenBody,
        responses={201: NewTokenAnswer, **error_responses(400, 409)},
    )
    @creates("token", shown_once=["token"])
    def post(self, request: Request) -> Response:
        """Make a token; it is shown in this answer and never again."""
        body = NewTokenBody(data=request.data)
        body.is_valid(raise_exception=True)
        token, plaintext = tokens.issue(caller(request), **body.validated_data)
        shown = TokenAnswer(token).data
        return Response(
            {**shown, "token": plaintext, "notice": "Keep it now: it is not shown again."},
            status=201,
        )


class TokenView(APIView):
    """One token of the caller."""

    required_scopes = ADMIN_ALONE

    @extend_schema(
        operation_id="tokens_retrieve",
        parameters=[id_parameter("token_id")],
        responses={200: TokenAnswer, **error_responses(404)},
    )
    def get(self, request: Request, token_id: str) -> Response:
        """Show what is known of a token."""
        return Response(TokenAnswer(_own(request, token_id)).data)

    @extend_schema(
        operation_id="tokens_destroy",
        parameters=[id_parameter("token_id")],
        responses={204: None, **error_responses(404)},
    )
    def delete(self, request: Request, token_id: str) -> Response:
        """Revoke a token; it opens nothing from now on. Asking again is harmless."""
        tokens.revoke(_own(request, token_id), actor=caller(request))
        return Response(status=204)


def _own(request: Request, token_id: str) -> ApiToken:
    return get_owned(ApiToken, caller(request), token_id)
