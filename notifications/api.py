"""``/api/webhooks``: programs that are told of runs (API.md section 3)."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from core.api.caller import caller, id_parameter
from core.api.idempotency import creates
from core.api.pagination import NewestFirst
from core.api.schema import error_responses
from core.lookups import get_owned
from notifications import webhooks
from notifications.models import Message, Webhook
from notifications.serializers import (
    ChangedWebhookBody,
    DeliveryAnswer,
    NewWebhookBody,
    WebhookAnswer,
    WebhookWithSecretAnswer,
)

# A webhook goes on telling when the token that made it is long revoked.
CHANGES_BY_ADMIN = {"POST": "admin", "PATCH": "admin", "DELETE": "admin"}
WEBHOOK_ID = id_parameter("webhook_id")
KEEP_IT = "Keep the secret now: it is not shown again."


class WebhooksView(GenericAPIView[Webhook]):
    """Every webhook of the caller."""

    serializer_class = WebhookAnswer
    pagination_class = NewestFirst
    required_scopes = CHANGES_BY_ADMIN
    needs_password = frozenset({"POST"})

    @extend_schema(
        operation_id="webhooks_list",
        responses={200: WebhookAnswer(many=True), **error_responses(400)},
    )
    def get(self, request: Request) -> Response:
        """List your webhooks, newest first."""
        rows = self.paginate_queryset(Webhook.objects.filter(user=caller(request)))
        return self.get_paginated_response(WebhookAnswer(rows, many=True).data)

    @extend_schema(
        operation_id="webhooks_create",
        request=NewWebhookBody,
        responses={201: WebhookWithSecretAnswer, **error_responses(400, 409)},
    )
    @creates("webhook", shown_once=["secret"])
    def post(self, request: Request) -> Response:
        """Make a webhook; its signing secret is shown in this answer and never again."""
        body = NewWebhookBody(data=request.data)
        body.is_valid(raise_exception=True)
        given = {"wanted": body.validated_data["kinds"]} if "kinds" in body.validated_data else {}
        webhook, secret = webhooks.add(caller(request), url=body.validated_data["url"], **given)
        return Response(_with_secret(webhook, secret), status=201)


class WebhookView(APIView):
    """One webhook of the caller."""

    required_scopes = CHANGES_BY_ADMIN
    needs_password = frozenset({"PATCH", "DELETE"})

    @extend_schema(
        operation_id="webhooks_retrieve",
        parameters=[WEBHOOK_ID],
        responses={200: WebhookAnswer, **error_responses(404)},
    )
    def get(self, request: Request, webhook_id: str) -> Response:
        """Show a webhook, without its secret."""
        return Response(WebhookAnswer(_own(request, webhook_id)).data)

    @extend_schema(
        operation_id="webhooks_partial_update",
        parameters=[WEBHOOK_ID],
        request=ChangedWebhookBody,
        responses={200: WebhookAnswer, **error_responses(400, 404)},
    )
    def patch(self, request: Request, webhook_id: str) -> Response:
        """Change where it leads or what is told, or switch it off and on."""
        webhook = _own(request, webhook_id)
        body = ChangedWebhookBody(data=request.data)
        body.is_valid(raise_exception=True)
        given = dict(body.validated_data)
        webhook = webhooks.change(
            webhook,
            actor=caller(request),
            url=given.get("url"),
            wanted=given.get("kinds"),
            is_enabled=given.get("is_enabled"),
        )
        return Response(WebhookAnswer(webhook).data)

    @extend_schema(
        operation_id="webhooks_destroy",
        parameters=[WEBHOOK_ID],
        responses={204: None, **error_responses(404)},
    )
    def delete(self, request: Request, webhook_id: str) -> Response:
        """Forget a webhook and its deliveries."""
        webhooks.delete(_own(request, webhook_id), actor=caller(request))
        return Response(status=204)


class RotateView(APIView):
    """A new secret for a webhook."""

    required_scopes = CHANGES_BY_ADMIN
    needs_password = frozenset({"POST"})

    @extend_schema(
        operation_id="webhooks_rotate",
        parameters=[WEBHOOK_ID],
        request=None,
        responses={201: WebhookWithSecretAnswer, **error_responses(404)},
    )
    @creates("secret", shown_once=["secret"])
    def post(self, request: Request, webhook_id: str) -> Response:
        """Make a new signing secret; the old one signs beside it for 24 hours."""
        webhook, secret = webhooks.rotate(_own(request, webhook_id), actor=caller(request))
        return Response(_with_secret(webhook, secret), status=201)


class TestView(APIView):
    """A test message."""

    @extend_schema(
        operation_id="webhooks_test",
        parameters=[WEBHOOK_ID],
        request=None,
        responses={202: DeliveryAnswer, **error_responses(404, 409)},
    )
    @creates("delivery")
    def post(self, request: Request, webhook_id: str) -> Response:
        """Have a test message sent; the list of deliveries tells what came of it."""
        message = webhooks.send_test(_own(request, webhook_id))
        return Response(DeliveryAnswer(message).data, status=202)


class DeliveriesView(GenericAPIView[Message]):
    """What was sent to one webhook, for 30 days."""

    serializer_class = DeliveryAnswer
    pagination_class = NewestFirst

    @extend_schema(
        operation_id="webhooks_deliveries_list",
        parameters=[WEBHOOK_ID],
        responses={200: DeliveryAnswer(many=True), **error_responses(400, 404)},
    )
    def get(self, request: Request, webhook_id: str) -> Response:
        """List the messages to a webhook, newest first."""
        rows = self.paginate_queryset(_own(request, webhook_id).messages.all())
        return self.get_paginated_response(DeliveryAnswer(rows, many=True).data)


def _own(request: Request, webhook_id: str) -> Webhook:
    return get_owned(Webhook.objects.all(), caller(request), webhook_id)


def _with_secret(webhook: Webhook, secret: str) -> dict[str, Any]:
    return {**WebhookAnswer(webhook).data, "secret": secret, "notice": KEEP_IT}
