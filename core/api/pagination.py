"""Lists as API.md section 1 has them: newest first, ``limit`` and ``after``."""

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError
from django.db.models import Model, Q, QuerySet
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import InvalidInputError

DEFAULT_LIMIT = 20
MAX_LIMIT = 100


class NewestFirst(BasePagination):
    """``{"object": "list", "data": [..], "has_more": bool}`` over rows with ``created_at``.

    The cursor is the last row's id: rows added meanwhile shift nothing. A subclass names another
    ``moment`` for rows that call it otherwise.
    """

    moment = "created_at"
    has_more = False

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        limit = _limit(request.query_params.get("limit"))
        after = request.query_params.get("after")
        if after:
            queryset = _behind(queryset, after, moment=self.moment)
        rows = list(queryset.order_by(f"-{self.moment}", "-pk")[: limit + 1])
        self.has_more = len(rows) > limit
        return rows[:limit]

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"object": "list", "data": data, "has_more": self.has_more})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        return {
            "type": "object",
            "required": ["object", "data", "has_more"],
            "properties": {
                "object": {"type": "string", "enum": ["list"]},
                "data": schema,
                "has_more": {"type": "boolean"},
            },
        }

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": "limit",
                "in": "query",
                "description": f"Rows a page; more than {MAX_LIMIT} count as {MAX_LIMIT}.",
                "schema": {"type": "integer", "minimum": 1, "default": DEFAULT_LIMIT},
            },
            {
                "name": "after",
                "in": "query",
                "description": "The id of the last row seen.",
                "schema": {"type": "string"},
            },
        ]


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit()) or len(text) > 9 or int(text) < 1:
        raise InvalidInputError(
            f"limit must be a number from 1 to {MAX_LIMIT}.",
            remedy=f"Ask for 1 to {MAX_LIMIT} rows.",
            param="limit",
        )
    return min(int(text), MAX_LIMIT)


def _behind(queryset: QuerySet[Any], after: str, *, moment: str) -> QuerySet[Any]:
    """Keep the rows that come after the one with that id, looked up among the caller's own."""
    try:
        last: Model | None = queryset.filter(pk=after).first()
    except (ValueError, ValidationError, OverflowError):
        last = None
    if last is None:
        raise InvalidInputError(
            "after names no row of this list.",
            remedy="Use the id of the last row of the page before.",
            param="after",
        )
    at = getattr(last, moment)
    earlier = Q(**{f"{moment}__lt": at})
    return queryset.filter(earlier | Q(**{moment: at, "pk__lt": last.pk}))


def page(rows: Sequence[Any], *, has_more: bool) -> dict[str, Any]:
    """Return the list body for rows that come from no query."""
    return {"object": "list", "data": list(rows), "has_more": has_more}
