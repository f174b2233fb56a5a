"""What the vault does for its users and for the rest of Slipway.

The audit trail has a row for each key that is added, checked, replaced or deleted. Using a key
leaves ``last_used_at`` and no row: a live deployment uses its key every few seconds, and what it
did with it stands in the deployment's own events (I19).
"""

import hashlib
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import AbstractBaseUser, User
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.views.decorators.debug import sensitive_variables

from core import audit
from core.errors import ConflictError, InvalidInputError
from core.time import database_now
from secrets_vault import kinds, sealing
from secrets_vault.models import InstallationSecret, VaultEntry
from secrets_vault.redaction import scrub

MAX_SECRET_CHARACTERS = 4096
# For kinds with several parts, an SSH key among them.
MAX_PARTS_CHARACTERS = 8192
# A hint of 4 characters must leave enough of the secret untold.
_HINT_FROM_CHARACTERS = 16
_LAST_USED_GRAIN = timedelta(minutes=1)


@sensitive_variables("secret")
def add_entry(user: User, *, provider: str, secret: str, label: str = "") -> VaultEntry:
    """Seal a user's key for one provider; it can be used from now on and never be read again.

    Blanks around the secret are dropped, since they come from pasting.
    Raises: InvalidInputError for an unknown provider or an impossible secret; ConflictError when
    the user has a key for this provider already; what the kind's ``prepare`` raises.
    """
    _check_provider(provider)
    prepared = _prepared(provider, secret)
    entry = VaultEntry(
        user=user,
        provider=provider,
        label=label.strip(),
        name=prepared.name,
        **_sealed(prepared, user_id=user.pk, provider=provider),
    )
    try:
        with transaction.atomic():
            entry.save(force_insert=True)
            _record("vault.key_added", entry, actor=user)
    except IntegrityError:
        if entry_for(user, provider) is None:
            raise
        what = f"a machine named {prepared.name}" if prepared.name else "a key"
        raise ConflictError(
            f"You have {what} for {_label(provider)} already.",
            remedy="Replace that key, or delete it first.",
            code="E_KEY_EXISTS",
            param="name" if prepared.name else "provider",
        ) from None
    # Read again: what is handed out holds no sealed text.
    return VaultEntry.objects.get(pk=entry.pk)


def entry_for(user: AbstractBaseUser, provider: str) -> VaultEntry | None:
    """Return the user's own key for a provider, or None; nobody else's is ever found (T2)."""
    return next(iter(entries_for(user, [provider])), None)


def entries_for(user: AbstractBaseUser, providers: Iterable[str]) -> list[VaultEntry]:
    """Return the user's own keys for these providers, in the order of the providers' names."""
    mine = VaultEntry.objects.active().filter(user_id=user.pk, provider__in=list(providers))
    return list(mine.order_by("provider", "name"))


def open_secret(entry: VaultEntry) -> str:
    """Return the key itself, for one call to its provider; never store or log it.

    Raises: SecretUnreadableError when it does not open or was sealed for another row (F80, T8);
    ConflictError when it has been deleted.
    """
    # The row is asked, not the object: a key deleted meanwhile must not be used.
    found = VaultEntry.objects.filter(pk=entry.pk).values_list(
        "user_id", "provider", "api_key_encrypted"
    )
    user_id, provider, sealed = found.get()
    if sealed is None:
        raise ConflictError(
            f"The {_label(provider)} key was deleted.", remedy="Add a key.", code="E_KEY_DELETED"
        )
    secret = sealing.unbind(sealed, f"The {_label(provider)} key", **_owner(user_id, provider))
    _note_use(entry)
    return secret


def check_entry(entry: VaultEntry, *, actor: AbstractBaseUser | None = None) -> VaultEntry:
    """Ask the provider whether it takes the key and keep what it says.

    A provider that cannot be reached says nothing about the key: its status stays, and only the
    message tells of the attempt. Without an ``actor`` the check counts as its owner's.
    """
    kind = kinds.kind_of(entry.provider)
    if kind is None or kind.check is None:
        result = kinds.CheckResult(ok=None, message="Keys of this kind cannot be checked.")
        said = result.message
    else:
        secret = open_secret(entry)
        result = kind.check(secret)
        said = scrub(f"{result.message} {result.remedy}".strip(), [secret])
    changes: dict[str, object] = {"status_message": said[:300]}
    if result.ok is not None:
        changes["status"] = VaultEntry.Status.OK if result.ok else VaultEntry.Status.REFUSED
        changes["last_checked_at"] = database_now()
    with transaction.atomic():
        # Not save(): the key may have been deleted while the provider was asked.
        VaultEntry.objects.active().filter(pk=entry.pk).update(**changes)
        _record("vault.key_checked", entry, actor=actor or entry.user, ok=result.ok)
    entry.refresh_from_db(fields=["status", "status_message", "last_checked_at"])
    return entry


@sensitive_variables("secret")
def replace_secret(
    entry: VaultEntry, *, secret: str, actor: AbstractBaseUser | None = None
) -> VaultEntry:
    """Put a new key in the place of the old one: same entry, so that deployments go on with it.

    The provider must take the new key and show it every machine that lives under the old one;
    until that is proven the old key stays, and afterwards it is nowhere any more (F55).
    Raises: InvalidInputError when the new key is impossible or refused; ProviderError when the
    provider could not be asked; ConflictError listing the machines that the new key does not
    see, or when the entry was changed meanwhile. After each of them nothing has changed.
    """
    prepared = _prepared(entry.provider, secret, entry=entry)
    kind = kinds.kind_of(entry.provider)
    succession = kind.succession if kind is not None else None
    shown = succession.shown_to(entry, prepared.secret) if succession is not None else frozenset()
    changes = _sealed(prepared, user_id=entry.user_id, provider=entry.provider) | {
        "status": VaultEntry.Status.OK if succession else VaultEntry.Status.UNCHECKED,
        "status_message": "",
        "last_checked_at": database_now() if succession else None,
    }
    standing = VaultEntry.objects.active().filter(pk=entry.pk, fingerprint=entry.fingerprint)
    with transaction.atomic():
        # As in delete_entry: a deployment that is being accepted waits.
        standing.select_for_update().first()
        if succession is not None:
            _refuse_if_missing(entry, succession.missing_from(entry, shown))
        # By compare-and-set: the key that was there when we began may be gone or replaced.
        if standing.update(**changes) != 1:
            raise ConflictError(
                f"The {_label(entry.provider)} key was changed or deleted meanwhile.",
                remedy="Look at your keys and try again.",
                code="E_KEY_CHANGED",
            )
        if succession is not None:
            succession.taken_over(entry)
        was = {"old_hint": entry.hint, "old_fingerprint": entry.fingerprint}
        entry = VaultEntry.objects.get(pk=entry.pk)
        _record("vault.key_replaced", entry, actor=actor or entry.user, **was)
    return entry


def delete_entry(entry: VaultEntry, *, actor: AbstractBaseUser | None) -> None:
    """Forget the key; its row stays, since machines it rented refer to it.

    Raises: ConflictError listing what still needs it: without the key those machines could not
    be ended (F55).
    """
    with transaction.atomic():
        # The lock makes a deployment that is being accepted wait, and be refused afterwards.
        VaultEntry.objects.active().select_for_update().filter(pk=entry.pk).first()
        uses = _uses(entry)
        if uses:
            raise ConflictError(
                f"The {_label(entry.provider)} key is still needed by {len(uses)} of your "
                "machines.",
                remedy="Cancel their deployments and delete the key once the machines are gone.",
                code="E_KEY_IN_USE",
                details=uses,
            )
        wiped = (
            VaultEntry.objects.active()
            .filter(pk=entry.pk)
            .update(api_key_encrypted=None, deleted_at=database_now())
        )
        if wiped:
            _record("vault.key_deleted", entry, actor=actor)


def installation_secret(name: str, make: Callable[[], str]) -> str:
    """Return this installation's own secret of that name, made by ``make`` the first time.

    Of several processes that ask at once, one makes it and all get the same.
    """
    row, _ = InstallationSecret.objects.get_or_create(
        name=name, defaults={"value": lambda: sealing.bind(make(), installation=name)}
    )
    return sealing.unbind(row.value, f"The installation's {name}", installation=name)


def _check_provider(provider: str) -> None:
    if kinds.kind_of(provider) is None:
        known = ", ".join(sorted(name for name, _ in kinds.provider_choices()))
        raise InvalidInputError(
            f"There is no provider named {provider!r}.",
            remedy=f"Choose one of: {known}.",
            param="provider",
        )


def _label(provider: str) -> str:
    """Return what people call a provider."""
    kind = kinds.kind_of(provider)
    return kind.label if kind is not None else provider


def _checked_secret(secret: str, *, limit: int) -> str:
    """Return the secret without surrounding blanks; the errors never repeat any of it."""
    secret = secret.strip()
    problem = ""
    if not secret:
        problem = "The secret is empty."
    elif len(secret) > limit:
        problem = f"The secret is longer than {limit} characters."
    elif not all(character.isprintable() for character in secret):
        problem = "The secret holds characters that no key has, such as a line break."
    if problem:
        raise InvalidInputError(
            problem, remedy="Copy the key again, the whole key and nothing else.", param="secret"
        )
    return secret


@sensitive_variables("secret", "prepared")
def _prepared(provider: str, secret: str, *, entry: VaultEntry | None = None) -> kinds.Prepared:
    """Return what is sealed; what takes an entry's place must be the same of several."""
    kind = kinds.kind_of(provider)
    if kind is None or kind.prepare is None:
        return kinds.Prepared(_checked_secret(secret, limit=MAX_SECRET_CHARACTERS))
    prepared = kind.prepare(_checked_secret(secret, limit=MAX_PARTS_CHARACTERS))
    if entry is not None and prepared.name != entry.name:
        raise InvalidInputError(
            f"This is {prepared.name}, and not {entry.name}. Nothing was changed.",
            remedy="Keep its name, or add it as another one.",
            param="name",
        )
    return prepared


def _sealed(prepared: kinds.Prepared, *, user_id: object, provider: str) -> dict[str, Any]:
    """Return the columns that hold a key and tell it from others."""
    secret = prepared.secret
    # The end of what has parts tells nothing of it.
    hint = "" if prepared.name or len(secret) < _HINT_FROM_CHARACTERS else secret[-4:]
    return {
        "api_key_encrypted": sealing.bind(secret, **_owner(user_id, provider)),
        "hint": hint,
        "fingerprint": hashlib.sha256(secret.encode()).hexdigest()[:16],
    }


def _refuse_if_missing(entry: VaultEntry, missing: list[object]) -> None:
    if missing:
        raise ConflictError(
            f"The new {entry.get_provider_display()} key does not see everything that lives under "
            "the old one. Nothing was changed: the old key is still in place.",
            remedy="Use a key of the same account. A machine that is just being started or ended "
            "is known within minutes: try again then.",
            code="E_KEY_SEES_LESS",
            param="secret",
            details=missing,
        )


def _owner(user_id: object, provider: str) -> dict[str, object]:
    return {"owner": str(user_id), "provider": provider}


def _uses(entry: VaultEntry) -> list[object]:
    kind = kinds.kind_of(entry.provider)
    return kind.in_use_by(entry) if kind is not None and kind.in_use_by is not None else []


def _note_use(entry: VaultEntry) -> None:
    now = database_now()
    VaultEntry.objects.filter(pk=entry.pk).filter(
        Q(last_used_at__isnull=True) | Q(last_used_at__lt=now - _LAST_USED_GRAIN)
    ).update(last_used_at=now)


def _record(
    action: str, entry: VaultEntry, *, actor: AbstractBaseUser | None, **data: object
) -> None:
    audit.record(
        action,
        actor=actor,
        obj=entry,
        provider=entry.provider,
        hint=entry.hint,
        fingerprint=entry.fingerprint,
        **data,
    )
