"""What a machine may call with its token, and nothing else (API.md section 5; T3, T6).

No session, no user's token and no CSRF here: the token in the Authorization header is all. What
arrives is a stranger's data; ``run_log`` takes it as such.
"""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.models import AnonymousUser
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.parsers import BaseParser
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import BaseThrottle
from rest_framework.views import APIView

from core import audit
from core.addresses import client_network
from core.api.parsers import BoundedJSONParser
from core.api.schema import error_responses
from core.api.throttles import refuse_if_exceeded
from core.errors import (
    AuthenticationError,
    InvalidInputError,
    NotFoundError,
    PermissionDeniedError,
)
from core.limits import take
from datasets import services as datasets
from deployments import machine_tokens, run_log
from deployments.api import jobs
from deployments.models import MachineToken

MAX_BODY_BYTES = 64 * 1024
# A machine needs one, and another when two hours have passed.
DATASET_TOKENS_PER_MINUTE = 10


class MachineTokenAuthentication(BaseAuthentication):
    """Accept a machine's token; ``request.auth`` is then its MachineToken row."""

    def authenticate(self, request: Request) -> tuple[AnonymousUser, MachineToken] | None:
        scheme, _, plaintext = get_authorization_header(request).partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        token = machine_tokens.authenticate(plaintext.strip().decode("latin-1"))
        if token is None:
            network = client_network(request)
            allowance = take(f"refused:{network}", limit=settings.REFUSED_TOKENS_PER_MINUTE)
            refuse_if_exceeded(request, allowance)
            audit.record_denied("token.refused", caller=network, network=network)
            # One answer for unknown, expired, revoked and a user's: a guesser learns nothing.
            raise AuthenticationError(
                "This is no valid machine token.",
                remedy="Only the machine of a running job may call this.",
                code="E_TOKEN",
            )
        return AnonymousUser(), token

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class IsMachine(BasePermission):
    """Lets machines in, and nobody else."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.auth, MachineToken)


class MachineLimit(BaseThrottle):
    """Counts by machine: those behind one address do not starve one another (T1, T3).

    By machine and not by token, of which it has another after each preparation. A token that is
    not good is counted by address, when it is refused.
    """

    def allow_request(self, request: Request, view: Any) -> bool:
        token = request.auth
        if isinstance(token, MachineToken):
            allowance = take(
                f"machine:{token.machine_id}", limit=settings.TOKEN_ROUTE_CALLS_PER_MINUTE
            )
            refuse_if_exceeded(request, allowance)
        return True


class MachineJSONParser(BoundedJSONParser):
    """64 KiB; NaN and Infinity are read, as in the run log's file: they become null (F42)."""

    limit_bytes = MAX_BODY_BYTES
    strict = False


class PushedSerializer(serializers.Serializer[Any]):
    """A piece of the run log, described for OpenAPI; kinds we do not know are passed over."""

    events = serializers.ListField(
        child=serializers.DictField(),
        help_text="Lines of run.jsonl in their order, going on after accepted_through.",
    )


class AcceptedSerializer(serializers.Serializer[Any]):
    """How far the run log is known now, by whatever way it came."""

    accepted_through = serializers.IntegerField(
        min_value=0, help_text="Go on with the event after this number."
    )


class DatasetTokenSerializer(serializers.Serializer[Any]):
    """The right to fetch the job's data once more, for two hours."""

    token = serializers.CharField()
    url = serializers.CharField(help_text="The address with the token in it.")


class EventsView(jobs.EventsView):
    """The story of a job for its user; the run log from its machine."""

    def get_authenticators(self) -> list[BaseAuthentication]:
        return [MachineTokenAuthentication()] if self._is_push() else super().get_authenticators()

    def get_permissions(self) -> Any:
        return [IsMachine()] if self._is_push() else super().get_permissions()

    def get_throttles(self) -> list[BaseThrottle]:
        return [MachineLimit()] if self._is_push() else super().get_throttles()

    def get_parsers(self) -> list[BaseParser]:
        return [MachineJSONParser()] if self._is_push() else super().get_parsers()

    def _is_push(self) -> bool:
        return getattr(self, "request", None) is not None and self.request.method == "POST"

    @extend_schema(
        operation_id="training_jobs_events_push",
        parameters=[jobs.JOB_ID],
        request=PushedSerializer,
        responses={200: AcceptedSerializer, **error_responses(400, 404)},
    )
    def post(self, request: Request, job_id: str) -> Response:
        """Take events of a machine's run log; each (machine, number) counts once.

        At most 64 KiB. A batch that does not go on after ``accepted_through`` is taken up to its
        first gap; send again from there.
        """
        token = machine_of(request, job_id, scope=machine_tokens.EVENTS_WRITE)
        taken = run_log.ingest_pushed(token.machine, _events(request.data))
        return Response({"accepted_through": taken.accepted_through})


class DatasetTokenView(APIView):
    """A machine's next address of its data (F36)."""

    authentication_classes = [MachineTokenAuthentication]
    permission_classes = [IsMachine]
    throttle_classes = [MachineLimit]
    parser_classes = [MachineJSONParser]

    @extend_schema(
        operation_id="training_jobs_dataset_token",
        parameters=[jobs.JOB_ID],
        request=None,
        responses={200: DatasetTokenSerializer, **error_responses(404)},
    )
    def post(self, request: Request, job_id: str) -> Response:
        """Make a download token for the machine's data; the ones before it open nothing more."""
        machine = machine_of(request, job_id, scope=machine_tokens.DATASET_READ).machine
        allowance = take(f"dataset-token:{machine.pk}", limit=DATASET_TOKENS_PER_MINUTE)
        refuse_if_exceeded(request, allowance)
        datasets.revoke_tokens(machine.name)
        token = datasets.mint_token(machine.deployment.job.dataset, run_id=machine.name)
        address = f"{settings.APP_URL}/api/datasets/download?token={token}"
        return Response({"token": token, "url": address})


def machine_of(request: Request, job_id: str, *, scope: str) -> MachineToken:
    """Return the caller's token if it is good for this job and verb (I16)."""
    token = request.auth
    if not isinstance(token, MachineToken) or not _is(job_id, token.job_id):
        _note_denied(token, what="another job")
        raise NotFoundError("There is nothing here.", remedy="Check the address and the id.")
    if scope not in token.scopes:
        _note_denied(token, what=scope)
        raise PermissionDeniedError(
            f"This token lacks the scope {scope}.", remedy="It is not for this.", code="E_SCOPE"
        )
    return token


def _note_denied(token: object, *, what: str) -> None:
    if isinstance(token, MachineToken):
        audit.record_denied(
            "machine.denied",
            caller=f"machine:{token.machine_id}",
            machine=str(token.machine_id),
            what=what,
        )


def _is(text: str, wanted: UUID) -> bool:
    try:
        return UUID(text) == wanted
    except ValueError:
        return False


def _events(body: object) -> list[object]:
    events = body.get("events") if isinstance(body, dict) else None
    if not isinstance(events, list):
        raise InvalidInputError(
            "The body has no list of events.", remedy='Send {"events": [..]}.', param="events"
        )
    return events


class MachineTokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """Describes a machine's token to drf-spectacular."""

    target_class = "deployments.api.machine.MachineTokenAuthentication"
    name = "machine token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:
        return {"type": "http", "scheme": "bearer", "description": "A machine's token, ftj_..."}
