"""Finding a user's own objects, so that nobody else's can be told from unknown ones (I18, T2)."""

import re
from typing import TypeVar
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

from core import audit
from core.errors import NotFoundError

Found = TypeVar("Found", bound=Model)


def get_owned(
    objects: QuerySet[Found] | type[Found],
    user: AbstractBaseUser | AnonymousUser,
    pk: str | UUID | int,
    *,
    owner: str = "user",
) -> Found:
    """Return the object with that id if it is the user's.

    ``owner`` is the path to the user, such as ``job__user``.
    Raises: NotFoundError for unknown ids, malformed ids and other people's objects alike.
    """
    queryset = objects if isinstance(objects, QuerySet) else QuerySet(objects)
    try:
        found = queryset.filter(**{owner: user.pk, "pk": pk}).first()
    except (ValueError, ValidationError, OverflowError):
        found = None
    if found is None:
        _note_denied(queryset, user, pk)
        kind = re.sub(r"(?<!^)(?=[A-Z])", " ", queryset.model.__name__).lower()
        raise NotFoundError(
            f"There is no such {kind}.", remedy="Check the id, or list what you have."
        )
    return found


def _note_denied(
    queryset: QuerySet[Found], user: AbstractBaseUser | AnonymousUser, pk: str | UUID | int
) -> None:
    """Leave an audit row, for unknown ids too: the time of an answer must not tell them apart."""
    try:
        theirs = QuerySet(queryset.model).filter(pk=pk).exists()
    except (ValueError, ValidationError, OverflowError):
        return
    audit.record_denied(
        "access.denied",
        caller=f"user:{user.pk}",
        actor=user,
        kind=queryset.model.__name__,
        id=str(pk)[:64],
        exists=theirs,
    )
