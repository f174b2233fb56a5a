"""What the views share: who calls, and finding what is theirs."""

from django.contrib.auth.models import User
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.exceptions import NotAuthenticated
from rest_framework.request import Request

from core.api.pagination import NewestFirst
from core.lookups import get_owned
from deployments.models import TrainingJob

SAVE = OpenApiParameter(
    "save",
    OpenApiTypes.BOOL,
    default=True,
    description="false skips bringing the adapter home; once skipped, it stays skipped.",
)


class NewestMomentFirst(NewestFirst):
    """Lists of rows that call their moment ``at``."""

    moment = "at"


class NewestSavedFirst(NewestFirst):
    """Lists of rows that call their moment ``saved_at``."""

    moment = "saved_at"


def caller(request: Request) -> User:
    """Return the signed-in user; permissions have let nobody else through."""
    if not isinstance(request.user, User):
        raise NotAuthenticated
    return request.user


def own_job(request: Request, job_id: str) -> TrainingJob:
    """Return the caller's job; NotFoundError for anybody else's (I18)."""
    return get_owned(TrainingJob.objects.select_related("dataset"), caller(request), job_id)


def id_parameter(name: str) -> OpenApiParameter:
    """Describe an id in the path to OpenAPI."""
    return OpenApiParameter(name, OpenApiTypes.UUID, OpenApiParameter.PATH)
