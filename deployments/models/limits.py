"""What staff allows to be spent: the installation's one row, and users' own limits."""

from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models

NOT_NEGATIVE = (MinValueValidator(0),)
# The key of the one row of ``SpendingLimits``.
THE_ROW = 1


class SpendingLimits(models.Model):
    """The installation's limits and its kill switch: one row (T20).

    An empty limit is none. ``launches_blocked_at`` is set while the kill switch is on. Whoever
    accepts a deployment or turns the switch holds this row until the transaction's end, so that
    they take turns.
    """

    daily_usd = models.DecimalField(
        "everybody together, US dollars a day",
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        default=Decimal("1000.00"),
        validators=NOT_NEGATIVE,
    )
    max_machines = models.PositiveIntegerField(
        "everybody together, machines at once", null=True, blank=True, default=20
    )
    user_monthly_usd = models.DecimalField(
        "each user, US dollars a month",
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        default=Decimal("1000.00"),
        validators=NOT_NEGATIVE,
        help_text="For users without limits of their own.",
    )
    user_max_machines = models.PositiveIntegerField(
        "each user, machines at once",
        null=True,
        blank=True,
        default=5,
        help_text="For users without limits of their own.",
    )
    launches_blocked_at = models.DateTimeField(null=True, blank=True)
    launches_blocked_by = models.CharField(max_length=150, blank=True, default="")
    launches_blocked_reason = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        """One row."""

        db_table = "spending_limits"
        verbose_name_plural = "spending limits"

    def __str__(self) -> str:
        return "spending limits of this installation"


class UserLimits(models.Model):
    """What one user may spend instead of what everybody may; an empty limit is everybody's."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="limits"
    )
    monthly_usd = models.DecimalField(
        "US dollars a month",
        max_digits=12,
        decimal_places=2,
        null=True,
        blank=True,
        validators=NOT_NEGATIVE,
    )
    max_machines = models.PositiveIntegerField("machines at once", null=True, blank=True)

    class Meta:
        """One row a user."""

        db_table = "user_limits"
        verbose_name_plural = "user limits"

    def __str__(self) -> str:
        return f"limits of {self.user}"
