"""Keep what may be spent, and whether launches are blocked."""

import django.core.validators
import django.db.models.deletion
from decimal import Decimal
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('deployments', '0011_budget_warned'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name='SpendingLimits',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('daily_usd', models.DecimalField(blank=True, decimal_places=2, default=Decimal('1000.00'), max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='everybody together, US dollars a day')),
                ('max_machines', models.PositiveIntegerField(blank=True, default=20, null=True, verbose_name='everybody together, machines at once')),
                ('user_monthly_usd', models.DecimalField(blank=True, decimal_places=2, default=Decimal('1000.00'), help_text='For users without limits of their own.', max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='each user, US dollars a month')),
                ('user_max_machines', models.PositiveIntegerField(blank=True, default=5, help_text='For users without limits of their own.', null=True, verbose_name='each user, machines at once')),
                ('launches_blocked_at', models.DateTimeField(blank=True, null=True)),
                ('launches_blocked_by', models.CharField(blank=True, default='', max_length=150)),
                ('launches_blocked_reason', models.CharField(blank=True, default='', max_length=500)),
            ],
            options={
                'verbose_name_plural': 'spending limits',
                'db_table': 'spending_limits',
            },
        ),
        migrations.CreateModel(
            name='UserLimits',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('monthly_usd', models.DecimalField(blank=True, decimal_places=2, max_digits=12, null=True, validators=[django.core.validators.MinValueValidator(0)], verbose_name='US dollars a month')),
                ('max_machines', models.PositiveIntegerField(blank=True, null=True, verbose_name='machines at once')),
                ('user', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, related_name='limits', to=settings.AUTH_USER_MODEL)),
            ],
            options={
                'verbose_name_plural': 'user limits',
                'db_table': 'user_limits',
            },
        ),
    ]
