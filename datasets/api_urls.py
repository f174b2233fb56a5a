"""The addresses of the datasets, below ``/api/``."""

from django.urls import path

from datasets import api

app_name = "datasets_api"

urlpatterns = [
    path("datasets", api.DatasetsView.as_view(), name="list"),
    # Before the ids, so that no id is ever "download".
    path("datasets/download", api.DownloadView.as_view(), name="download"),
    path("datasets/<str:dataset_id>", api.DatasetView.as_view(), name="dataset"),
    path("datasets/<str:dataset_id>/preview", api.PreviewView.as_view(), name="preview"),
    path("datasets/<str:dataset_id>/findings", api.FindingsView.as_view(), name="findings"),
]
