"""Finding a user's own objects, so that nobody else's can be told from unknown ones (I18, T2)."""

import re
from typing import TypeVar
from uuid import UUID

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import ValidationError
from django.db.models import Model, QuerySet

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
        kind = re.sub(r"(?<!^)(?=[A-Z])", " ", queryset.model.__name__).lower()
        raise NotFoundError(
            f"There is no such {kind}.", remedy="Check the id, or list what you have."
        )
    return found
