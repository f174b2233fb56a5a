"""The kinds of key the vault knows; other apps tell it at start, it asks nobody."""

from collections.abc import Callable
from dataclasses import dataclass
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
class Kind:
    """One provider's keys: how to check one, and what would break without it.

    ``in_use_by`` returns a line (or JSON object) for each thing that still needs the key.
    """

    provider: str
    label: str
    check: Callable[[str], CheckResult] | None = None
    in_use_by: Callable[["VaultEntry"], list[object]] | None = None


_kinds: dict[str, Kind] = {}


def register_kind(
    provider: str,
    label: str,
    *,
    check: Callable[[str], CheckResult] | None = None,
    in_use_by: Callable[["VaultEntry"], list[object]] | None = None,
) -> None:
    """Tell the vault of a provider; call it from ``AppConfig.ready``. A second call replaces."""
    _kinds[provider] = Kind(provider=provider, label=label, check=check, in_use_by=in_use_by)


def kind_of(provider: str) -> Kind | None:
    """Return the registered kind, or None."""
    return _kinds.get(provider)


def provider_choices() -> list[tuple[str, str]]:
    """Return (provider, label) of every kind; a function, so that no migration lists them."""
    return [(kind.provider, kind.label) for kind in _kinds.values()]
