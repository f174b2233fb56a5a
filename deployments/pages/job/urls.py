"""The addresses of one run, below ``jobs/<id>/``."""

from django.urls import path

from deployments.pages import jobs
from deployments.pages.charts import views
from deployments.pages.job import config, logs, pushing, resume, stopping

urlpatterns = [
    path("", jobs.job, name="job"),
    path("blocks/<slug:name>/", jobs.block, name="job-block"),
    path("charts/", views.tab, name="job-charts"),
    path("charts/points/", views.data, name="chart-data"),
    path("charts/<slug:name>/", views.table, name="chart-table"),
    path("charts/<slug:name>.csv", views.table_csv, name="chart-csv"),
    path("logs/", logs.logs, name="job-logs"),
    path("logs/newer/", logs.newer, name="job-logs-newer"),
    path("logs.txt", logs.text, name="job-logs-text"),
    path("events/", jobs.events, name="job-events"),
    path("checkpoints/", jobs.checkpoints, name="job-checkpoints"),
    path("checkpoints/<uuid:checkpoint_id>/", jobs.take_checkpoint, name="job-take-checkpoint"),
    path("files/", jobs.files, name="job-files"),
    path("bundle.tar.gz", jobs.bundle, name="job-bundle"),
    path("push/", pushing.push, name="job-push"),
    path("files/use/", jobs.use, name="job-use"),
    path("files/<uuid:artifact_id>/", jobs.take, name="job-take"),
    path("config/", config.config, name="job-config"),
    path("config.json", config.config_json, name="job-config-json"),
    path("cost/", jobs.cost, name="job-cost"),
    path("cost.csv", jobs.cost_csv, name="job-cost-csv"),
    path("samples/", jobs.samples, name="job-samples"),
    path("resume/", resume.resume, name="job-resume"),
    path("save/", stopping.save, name="job-save"),
    path("stop/", stopping.stop, name="job-stop"),
    path("cancel/", stopping.cancel, name="job-cancel"),
]
