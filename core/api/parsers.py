"""Reading request bodies within limits (T18)."""

from collections.abc import Mapping
from typing import IO, Any

from django.conf import settings
from rest_framework import parsers
from rest_framework.exceptions import ParseError

from core.errors import TooLargeError


class BoundedJSONParser(parsers.JSONParser):
    """JSON no larger than DATA_UPLOAD_MAX_MEMORY_SIZE and no deeper than can be read.

    REST framework's own reads past Django's limit, and deep nesting breaks it. A subclass may
    set a ``limit_bytes`` of its own.
    """

    limit_bytes: int | None = None

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        limit = self.limit_bytes or settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        request = (parser_context or {}).get("request")
        # The server hands over no more than the announced length.
        announced = str(request.META.get("CONTENT_LENGTH", "")) if request is not None else ""
        if announced.isdigit() and int(announced) > limit:
            raise TooLargeError(
                f"The request body is larger than {limit} bytes.", remedy="Send less at once."
            )
        try:
            parsed: dict[str, Any] = super().parse(stream, media_type, parser_context)
        except RecursionError:
            raise ParseError("The JSON nests brackets too deeply.") from None
        return parsed
