"""A user may have several of a kind, such as machines of their own, each under a name."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("secrets_vault", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="vaultentry",
            name="name",
            field=models.CharField(blank=True, default="", max_length=64),
        ),
        migrations.RemoveConstraint(model_name="vaultentry", name="one_key_per_provider"),
        migrations.AddConstraint(
            model_name="vaultentry",
            constraint=models.UniqueConstraint(
                condition=models.Q(("deleted_at__isnull", True)),
                fields=("user", "provider", "name"),
                name="one_key_per_provider",
            ),
        ),
    ]
