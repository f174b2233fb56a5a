"""The addresses of the vault, below ``/api/``."""

from django.urls import path

from secrets_vault import api

app_name = "vault_api"

urlpatterns = [
    path("vault/entries", api.EntriesView.as_view(), name="entries"),
    path("vault/entries/<str:entry_id>", api.EntryView.as_view(), name="entry"),
    path("vault/entries/<str:entry_id>/check", api.CheckView.as_view(), name="check"),
    path("vault/entries/<str:entry_id>/replace", api.ReplaceView.as_view(), name="replace"),
]
