"""Let the pages of a log begin at a line's id, however many lines there are."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deployments", "0008_save_asked_at")]

    operations = [
        migrations.AddIndex(
            model_name="logline",
            index=models.Index(fields=["job", "id"], name="log_lines_by_job"),
        ),
    ]
