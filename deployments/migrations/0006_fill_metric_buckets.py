"""Work out the buckets of the metrics that were told before there were any."""

from dataclasses import asdict

from django.db import migrations

from deployments import bucketing

MAX_NAMES = 100


def fill(apps, schema_editor):
    metric = apps.get_model("deployments", "Metric")
    metric_bucket = apps.get_model("deployments", "MetricBucket")
    jobs = metric.objects.order_by("job").values_list("job", flat=True).distinct()
    for job in list(jobs):
        rows = metric.objects.filter(job=job)
        names = rows.order_by("name").values_list("name", flat=True).distinct()[:MAX_NAMES]
        for name in list(names):
            mine = rows.filter(name=name).order_by("step")
            width = bucketing.fitting_width(mine.values_list("step", flat=True), width=1)
            told = (bucketing.Told(*row) for row in mine.values_list("step", "value", "at"))
            metric_bucket.objects.bulk_create(
                metric_bucket(job_id=job, name=name, **asdict(bucket))
                for bucket in bucketing.bucketed(told, width=width)
            )


class Migration(migrations.Migration):
    dependencies = [("deployments", "0005_metric_buckets")]

    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
