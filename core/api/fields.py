"""Strict input: what a program sends is taken literally or refused by name."""

from collections.abc import Mapping
from typing import Any

from rest_framework import serializers
from rest_framework.fields import empty

from core.errors import InvalidInputError


class StrictSerializer(serializers.Serializer[Any]):
    """A request body: a field it does not know is refused, not passed over."""

    def to_internal_value(self, data: Any) -> Any:
        if isinstance(data, Mapping):
            for name in data:
                if name not in self.fields:
                    error = _unknown_field(str(name), known=", ".join(self.fields))
                    if self.parent is None:
                        raise error
                    # What stands inside another field is named with its whole path.
                    raise serializers.ValidationError({name: f"{error.message} {error.remedy}"})
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """Text that was sent as text; numbers are not turned into it."""

    def run_validation(self, data: Any = empty) -> Any:
        if data is not empty and data is not None and not isinstance(data, str):
            self.fail("invalid")
        return super().run_validation(data)


def _unknown_field(name: str, *, known: str) -> InvalidInputError:
    shown = name if name.isprintable() and len(name) <= 64 else ascii(name)[:64]
    return InvalidInputError(
        f"There is no field named {shown}.",
        remedy=f"Remove it. Known fields: {known}.",
        param=shown,
    )
