"""Strict input, exact output: what a program sends is taken literally or refused by name."""

import json
import re
from decimal import Decimal
from typing import Any

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.fields import empty

from core.api.fields import StrictSerializer, Text

__all__ = ["DecimalText", "JsonObject", "StrictSerializer", "Text", "Usd", "Whole"]

CENT = Decimal("0.01")
OBJECT_LIMIT_CHARACTERS = 16384
_DECIMAL = re.compile(r"[0-9]{1,20}(\.[0-9]{1,20})?")
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}")


class Whole(serializers.IntegerField):
    """A whole number that was sent as one; neither "5" nor 5.0 nor true."""

    def to_internal_value(self, data: Any) -> int:
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class DecimalText(serializers.DecimalField):
    """A positive decimal sent as text, since a JSON number may have been rounded on its way."""

    default_error_messages = {
        "invalid": 'Give a decimal number as text, such as "10.00".',
        "positive": "Give more than zero.",
    }

    def run_validation(self, data: Any = empty) -> Any:
        if data is not empty and data is not None:
            if not isinstance(data, str) or not _DECIMAL.fullmatch(data):
                self.fail("invalid")
            if Decimal(data) == 0:
                self.fail("positive")
        return super().run_validation(data)


@extend_schema_field(OpenApiTypes.OBJECT)
class JsonObject(serializers.Field[dict[str, Any], Any, dict[str, Any], Any]):
    """A small JSON object whose names look like names; its values are checked by their users."""

    default_error_messages = {
        "invalid": "Give a JSON object.",
        "too_large": "The object is too large.",
        "name": "{name} is not the name of a setting.",
    }

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        if not isinstance(data, dict):
            self.fail("invalid")
        if len(json.dumps(data)) > OBJECT_LIMIT_CHARACTERS:
            self.fail("too_large")
        for name in data:
            if not _NAME.fullmatch(name):
                self.fail("name", name=ascii(name)[:80])
        return data

    def to_representation(self, value: dict[str, Any]) -> dict[str, Any]:
        return value


@extend_schema_field({"type": "string", "format": "decimal", "example": "1.29"})
class Usd(serializers.Field[Decimal, Any, str, Any]):
    """An exact amount in US dollars as text, with at least two decimals."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(read_only=True, **kwargs)

    def to_representation(self, value: Decimal) -> str:
        shortest = value.normalize()
        exponent = shortest.as_tuple().exponent
        coarse = isinstance(exponent, int) and exponent > -2
        return f"{shortest.quantize(CENT) if coarse else shortest:f}"
