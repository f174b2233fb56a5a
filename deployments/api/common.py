"""What the views share: the caller's own job, and lists by other moments."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from core.api.caller import caller
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


def own_job(request: Request, job_id: str) -> TrainingJob:
    """Return the caller's job; NotFoundError for anybody else's (I18)."""
    return get_owned(TrainingJob.objects.select_related("dataset"), caller(request), job_id)
