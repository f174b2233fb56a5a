"""One setting of a recipe: its default, what it may be, and which methods have it (pure)."""

import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

from core.errors import InvalidInputError

ALL_LINEAR = "all-linear"
MODULE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")

Check = Callable[[object], str | None]


@dataclass(frozen=True)
class Setting:
    """A setting; ``check`` returns what is allowed when a value is not.

    ``methods``: those that have it; empty for all. ``by_method``: defaults that differ.
    """

    default: object
    check: Check
    methods: tuple[str, ...] = ()
    by_method: Mapping[str, object] = field(default_factory=dict)

    def default_for(self, method: str) -> object:
        """Return the default of a method."""
        return self.by_method.get(method, self.default)


def whole(low: int, high: int, *, none: bool = False) -> Check:
    """Return a check for a whole number from ``low`` to ``high``; ``none`` allows null too."""

    def check(value: object) -> str | None:
        if value is None and none:
            return None
        fine = isinstance(value, int) and not isinstance(value, bool) and low <= value <= high
        allowed = f"a whole number from {low} to {high}"
        return None if fine else allowed + (" or null" if none else "")

    return check


def dataset_id(value: object) -> str | None:
    """Return what is allowed unless the value is the id of a dataset, or null."""
    if value is None:
        return None
    try:
        UUID(value if isinstance(value, str) else "")
    except ValueError:
        return "the id of one of your datasets, or null"
    return None


def number(low: float, high: float) -> Check:
    """Return a check for a number from ``low`` to ``high``."""

    def check(value: object) -> str | None:
        fine = (
            isinstance(value, (int, float))
            and not isinstance(value, bool)
            # Compared as they are: NaN and infinity fail, and a huge whole number need not be
            # a float at all.
            and low <= value <= high
        )
        return None if fine else f"a number from {low:g} to {high:g}"

    return check


def one_of(*choices: str) -> Check:
    """Return a check for one of a few words."""

    def check(value: object) -> str | None:
        return None if value in choices else f"one of {', '.join(choices)}"

    return check


def yes_or_no(value: object) -> str | None:
    """Check for true or false."""
    return None if isinstance(value, bool) else "true or false"


def modules(value: object) -> str | None:
    """Check for the layers an adapter is put on."""
    named = (
        isinstance(value, list)
        and 0 < len(value) <= 32
        and all(isinstance(name, str) and MODULE_NAME.fullmatch(name) for name in value)
    )
    return None if value == ALL_LINEAR or named else f"{ALL_LINEAR!r} or a list of module names"


def fill(
    settings: Mapping[str, Setting], given: Mapping[str, object], *, param: str, method: str
) -> dict[str, object]:
    """Return every setting that the method has, the given ones checked.

    Raises: InvalidInputError for one that is unknown, not this method's, or not allowed.
    """
    for name in given:
        if name not in settings:
            known = ", ".join(of_method(settings, method)) or "none in this version"
            raise InvalidInputError(
                f"There is no setting named {name} in {param}.",
                remedy=f"Remove it. Known settings: {known}.",
                param=f"{param}.{name}",
            )
        only = settings[name].methods
        if only and method not in only:
            raise InvalidInputError(
                f"{name} has no meaning with the method {method}.",
                remedy=f"Remove it, or choose the method {' or '.join(only)}.",
                param=f"{param}.{name}",
            )
    filled: dict[str, object] = {}
    for name, setting in of_method(settings, method).items():
        usual = setting.default_for(method)
        value = given.get(name, usual)
        allowed = setting.check(value)
        if allowed is not None:
            raise InvalidInputError(
                f"{name} is {reprlib.repr(value)}, which is not allowed.",
                remedy=f"Give {allowed}; the default is {usual!r}.",
                param=f"{param}.{name}",
            )
        filled[name] = value
    return filled


def of_method(settings: Mapping[str, Setting], method: str) -> dict[str, Setting]:
    """Return the settings that a method has."""
    return {
        name: setting
        for name, setting in settings.items()
        if not setting.methods or method in setting.methods
    }
