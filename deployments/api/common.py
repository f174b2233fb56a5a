"""What the views share: the caller's own job, and lists by other moments."""

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from core.api.caller import caller
from core.api.pagination import NewestFirst
from core.errors import ConflictError
from core.lookups import get_owned
from deployments import overview
from deployments.models import Deployment, TrainingJob

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


def newest_deployment(request: Request, job_id: str) -> Deployment:
    """Return the newest deployment of the caller's job; ConflictError where there is none."""
    job = own_job(request, job_id)
    newest = overview.deployments_of(caller(request)).filter(job=job).first()
    if newest is None:
        raise ConflictError("This job was never deployed.", remedy="Deploy it first.")
    return newest
