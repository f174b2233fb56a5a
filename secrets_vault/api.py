"""``/api/vault/entries``: keys go in and never come out (API.md section 3, T15)."""

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.caller import caller, id_parameter
from core.api.idempotency import creates
from core.api.pagination import NewestFirst
from core.api.schema import error_responses
from core.lookups import get_owned
from secrets_vault import services
from secrets_vault.models import VaultEntry
from secrets_vault.serializers import (
    NewEntrySerializer,
    ReplacementSerializer,
    VaultEntrySerializer,
)


class EntriesView(GenericAPIView[VaultEntry]):
    """Every key of the caller."""

    serializer_class = VaultEntrySerializer
    pagination_class = NewestFirst
    needs_password = frozenset({"POST"})

    @extend_schema(
        operation_id="vault_entries_list",
        responses={200: VaultEntrySerializer(many=True), **error_responses(400)},
    )
    def get(self, request: Request) -> Response:
        """List your keys, newest first."""
        rows = self.paginate_queryset(VaultEntry.objects.active().filter(user=caller(request)))
        return self.get_paginated_response(VaultEntrySerializer(rows, many=True).data)

    @extend_schema(
        operation_id="vault_entries_create",
        request=NewEntrySerializer,
        responses={201: VaultEntrySerializer, **error_responses(400, 409)},
    )
    @creates("key")
    def post(self, request: Request) -> Response:
        """Seal a key; one for each provider."""
        given = NewEntrySerializer(data=request.data)
        given.is_valid(raise_exception=True)
        entry = services.add_entry(caller(request), **given.validated_data)
        return Response(VaultEntrySerializer(entry).data, status=201)


class EntryView(APIView):
    """One key of the caller."""

    needs_password = frozenset({"DELETE"})

    @extend_schema(
        operation_id="vault_entries_retrieve",
        parameters=[id_parameter("entry_id")],
        responses={200: VaultEntrySerializer, **error_responses(404)},
    )
    def get(self, request: Request, entry_id: str) -> Response:
        """Show what is known of a key."""
        return Response(VaultEntrySerializer(_own(request, entry_id)).data)

    @extend_schema(
        operation_id="vault_entries_destroy",
        parameters=[id_parameter("entry_id")],
        responses={204: None, **error_responses(404, 409)},
    )
    def delete(self, request: Request, entry_id: str) -> Response:
        """Forget a key, unless machines still run under it."""
        services.delete_entry(_own(request, entry_id), actor=caller(request))
        return Response(status=204)


class CheckView(APIView):
    """Asking the provider about a key."""

    @extend_schema(
        operation_id="vault_entries_check",
        parameters=[id_parameter("entry_id")],
        request=None,
        responses={200: VaultEntrySerializer, **error_responses(404)},
    )
    def post(self, request: Request, entry_id: str) -> Response:
        """Ask the provider whether it takes the key."""
        entry = services.check_entry(_own(request, entry_id), actor=caller(request))
        return Response(VaultEntrySerializer(entry).data)


class ReplaceView(APIView):
    """A new key in the place of an old one."""

    needs_password = frozenset({"POST"})

    @extend_schema(
        operation_id="vault_entries_replace",
        parameters=[id_parameter("entry_id")],
        request=ReplacementSerializer,
        responses={200: VaultEntrySerializer, **error_responses(400, 404, 409, 502)},
    )
    def post(self, request: Request, entry_id: str) -> Response:
        """Replace a key; the new one must see every machine that lives under the old one."""
        entry = _own(request, entry_id)
        given = ReplacementSerializer(data=request.data)
        given.is_valid(raise_exception=True)
        entry = services.replace_secret(
            entry, secret=given.validated_data["secret"], actor=caller(request)
        )
        return Response(VaultEntrySerializer(entry).data)


def _own(request: Request, entry_id: str) -> VaultEntry:
    return get_owned(VaultEntry.objects.active(), caller(request), entry_id)
