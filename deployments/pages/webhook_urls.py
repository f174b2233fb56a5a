"""The pages of one webhook, below ``settings/webhooks/<id>/``."""

from django.urls import path

from deployments.pages import notifications

urlpatterns = [
    path("", notifications.webhook, name="webhook"),
    path("test/", notifications.test_webhook, name="webhook-test"),
    path("change/", notifications.change_webhook, name="webhook-change"),
    path("rotate/", notifications.rotate_secret, name="webhook-rotate"),
    path("delete/", notifications.delete_webhook, name="webhook-delete"),
]
