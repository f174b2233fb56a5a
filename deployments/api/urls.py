"""Addresses of this app's part of the REST interface, below ``/api/``; none ends with a slash.

Ids are plain text here: what is not an id answers like an unknown one (I18).
"""

from django.urls import path

from deployments.api import (
    artifacts,
    configs,
    deploying,
    estimates,
    exports,
    going_on,
    jobs,
    machine,
    offers,
    prices,
    told,
)

app_name = "deployments_api"

urlpatterns = [
    path("training/configs", configs.ConfigsView.as_view(), name="configs"),
    path("training/configs/<str:config_id>", configs.ConfigView.as_view(), name="config"),
    path("training/deploy", deploying.DeploymentsView.as_view(), name="deployments"),
    path("training/deploy/<str:platform>", deploying.DeployView.as_view(), name="deploy"),
    path("training/jobs", jobs.JobsView.as_view(), name="jobs"),
    path("training/jobs/<str:job_id>", jobs.JobView.as_view(), name="job"),
    path("training/jobs/<str:job_id>/metrics", told.MetricsView.as_view(), name="metrics"),
    path("training/jobs/<str:job_id>/events", machine.EventsView.as_view(), name="events"),
    path("training/jobs/<str:job_id>/logs", told.LogsView.as_view(), name="logs"),
    path(
        "training/jobs/<str:job_id>/checkpoints", jobs.CheckpointsView.as_view(), name="checkpoints"
    ),
    path("training/jobs/<str:job_id>/artifacts", jobs.ArtifactsView.as_view(), name="artifacts"),
    path(
        "training/jobs/<str:job_id>/dataset-token",
        machine.DatasetTokenView.as_view(),
        name="dataset-token",
    ),
    path("training/jobs/<str:job_id>/bundle", exports.BundleView.as_view(), name="bundle"),
    path("training/jobs/<str:job_id>/push", exports.PushView.as_view(), name="push"),
    path("training/jobs/<str:job_id>/save", jobs.SaveView.as_view(), name="save"),
    path("training/jobs/<str:job_id>/stop", jobs.StopView.as_view(), name="stop"),
    path("training/jobs/<str:job_id>/resume", going_on.ResumeView.as_view(), name="resume"),
    path("training/jobs/<str:job_id>/clone", going_on.CloneView.as_view(), name="clone"),
    path("training/jobs/<str:job_id>/samples", going_on.SamplesView.as_view(), name="samples"),
    path(
        "checkpoints/<str:checkpoint_id>/download",
        artifacts.CheckpointDownloadView.as_view(),
        name="checkpoint-download",
    ),
    path(
        "artifacts/<str:artifact_id>/download",
        artifacts.DownloadView.as_view(),
        name="artifact-download",
    ),
    path("training/estimate", estimates.EstimateView.as_view(), name="estimate"),
    path("prices", prices.PricesView.as_view(), name="prices"),
    path("offers", offers.OffersView.as_view(), name="offers"),
]
