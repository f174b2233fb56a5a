"""The addresses that belong to no other app, below ``/api/``."""

from django.urls import path

from core.api import tokens

app_name = "core_api"

urlpatterns = [
    path("tokens", tokens.TokensView.as_view(), name="tokens"),
    path("tokens/<str:token_id>", tokens.TokenView.as_view(), name="token"),
]
