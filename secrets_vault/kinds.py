"""The kinds of key the vault knows; other apps tell it at start, it asks nobody."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from secrets_vault.models import VaultEntry


@dataclass(frozen=True)
class CheckResult:
    """What a provider said about a key. ``ok`` None: it could not be asked, so nothing is known."""

    ok: bool | None
    message: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class Prepared:
    """What is sealed of what its owner gave; ``name`` tells several of one kind apart."""

    secret: str = field(repr=False)
    name: str = ""


@dataclass(frozen=True)
class Succession:
    """How one key takes over from another without losing sight of a machine (F55).

    ``shown_to`` asks the provider, with the new key, for the ids and names of all it shows; it
    raises InvalidInputError when the key is refused, ProviderError when nobody answers.
    ``missing_from`` returns a line (or JSON object) for each thing under the entry that is not
    among those. It is called in the transaction that swaps the keys, and keeps what it looked at
    as it is until then. ``taken_over`` is told in the same transaction.
    """

    shown_to: Callable[["VaultEntry", str], frozenset[str]]
    missing_from: Callable[["VaultEntry", frozenset[str]], list[object]]
    taken_over: Callable[["VaultEntry"], None]


@dataclass(frozen=True)
class Kind:
    """One provider's keys: how to check one, what would break without it, how to replace it.

    ``in_use_by`` returns a line (or JSON object) for each thing that still needs the key.
    ``prepare`` makes what is sealed out of what was given, and may ask the world; it raises
    SlipwayError. Kinds with it may have several entries for one user, each under a name.
    """

    provider: str
    label: str
    check: Callable[[str], CheckResult] | None = None
    in_use_by: Callable[["VaultEntry"], list[object]] | None = None
    succession: Succession | None = None
    prepare: Callable[[str], Prepared] | None = None


_kinds: dict[str, Kind] = {}


def register_kind(
    provider: str,
    label: str,
    *,
    check: Callable[[str], CheckResult] | None = None,
    in_use_by: Callable[["VaultEntry"], list[object]] | None = None,
    succession: Succession | None = None,
    prepare: Callable[[str], Prepared] | None = None,
) -> None:
    """Tell the vault of a provider; call it from ``AppConfig.ready``. A second call replaces."""
    _kinds[provider] = Kind(provider, label, check, in_use_by, succession, prepare)


def kind_of(provider: str) -> Kind | None:
    """Return the registered kind, or None."""
    return _kinds.get(provider)


def provider_choices() -> list[tuple[str, str]]:
    """Return (provider, label) of every kind; a function, so that no migration lists them."""
    return [(kind.provider, kind.label) for kind in _kinds.values()]
