"""Keep a wish for a checkpoint, which the next look passes on to the machine."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("deployments", "0007_indexes_for_the_lists")]

    operations = [
        migrations.AddField(
            model_name="deployment",
            name="save_asked_at",
            field=models.DateTimeField(blank=True, null=True),
        ),
    ]
