"""The addresses of webhooks, below ``/api/``."""

from django.urls import path

from notifications import api

app_name = "notifications_api"

urlpatterns = [
    path("webhooks", api.WebhooksView.as_view(), name="webhooks"),
    path("webhooks/<str:webhook_id>", api.WebhookView.as_view(), name="webhook"),
    path("webhooks/<str:webhook_id>/rotate", api.RotateView.as_view(), name="rotate"),
    path("webhooks/<str:webhook_id>/test", api.TestView.as_view(), name="test"),
    path("webhooks/<str:webhook_id>/deliveries", api.DeliveriesView.as_view(), name="deliveries"),
]
