"""Who calls, for views that need somebody signed in."""

from django.contrib.auth.models import User
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request


def caller(request: Request) -> User:
    """Return the signed-in user; permissions have let nobody else through."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def id_parameter(name: str) -> OpenApiParameter:
    """Describe an id in the path to OpenAPI."""
    return OpenApiParameter(name, OpenApiTypes.UUID, OpenApiParameter.PATH)
