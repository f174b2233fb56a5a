"""What is known of an account at a cloud: its last lists, its pace, and its strays."""

from datetime import datetime
from decimal import Decimal

from django.db import models

from deployments import costs


class CloudSnapshot(models.Model):
    """The newest list of one cloud key. One lister writes it, everyone reads it (D4).

    ``instances`` holds plain facts: instance_id, name, status, ip, region, instance_type,
    description, hourly, and ``seen_since``: the time of the first of the lists that had it.
    ``listed_at`` is when the last good list was asked for; a failed list changes only ``error``
    and ``failed_since``.
    """

    vault_entry = models.OneToOneField(
        "secrets_vault.VaultEntry", on_delete=models.CASCADE, related_name="snapshot"
    )
    instances = models.JSONField(default=list)
    listed_at = models.DateTimeField(null=True, blank=True)
    good_lists = models.PositiveBigIntegerField(default=0)
    # F68: what told the account apart when a list of it last showed a machine of ours.
    account_marker = models.CharField(max_length=100, blank=True, default="")
    suspect_lists = models.PositiveIntegerField(default=0)
    failed_since = models.DateTimeField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    next_list_at = models.DateTimeField(null=True, blank=True, db_index=True)
    next_sweep_at = models.DateTimeField(null=True, blank=True)
    # Until then a launch asks other clouds first: this one did not answer.
    passed_by_until = models.DateTimeField(null=True, blank=True)
    version = models.PositiveBigIntegerField(default=0)

    class Meta:
        """One row a key."""

        db_table = "cloud_snapshots"

    def __str__(self) -> str:
        return f"snapshot of key {self.vault_entry_id}"


class PacerSlot(models.Model):
    """When the next request under one cloud key may go out, across all processes (D9)."""

    vault_entry = models.OneToOneField(
        "secrets_vault.VaultEntry", on_delete=models.CASCADE, related_name="pacer_slot"
    )
    next_request_at = models.DateTimeField()
    next_launch_at = models.DateTimeField()

    class Meta:
        """One row a key."""

        db_table = "pacer_slots"

    def __str__(self) -> str:
        return f"pace of key {self.vault_entry_id}"


class Stray(models.Model):
    """A machine with our prefix that no row wants: seen, ended after its grace, then proven gone.

    F18, F21: a second machine under a name of ours is ended at once; F69: one with our prefix and
    no row at all after a grace. Its rent counts in its deployment's bill from ``bills_from`` on;
    that is None while a machine's own row counts it. Written by ``deployments.strays``.
    """

    vault_entry = models.ForeignKey(
        "secrets_vault.VaultEntry", on_delete=models.PROTECT, related_name="strays"
    )
    deployment = models.ForeignKey(
        "deployments.Deployment",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="strays",
    )
    instance_id = models.CharField(max_length=100)
    name = models.CharField(max_length=100)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    terminate_after = models.DateTimeField()
    terminated_at = models.DateTimeField(null=True, blank=True)
    absent_since = models.DateTimeField(null=True, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)
    bills_from = models.DateTimeField(null=True, blank=True)
    # None where neither a row of ours nor the cloud tells a price.
    hourly_price = models.DecimalField(max_digits=10, decimal_places=4, null=True, blank=True)
    billing_quantum_seconds = models.PositiveIntegerField(default=60)
    billed_usd = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)

    class Meta:
        """One row a machine and key."""

        db_table = "strays"
        constraints = [
            models.UniqueConstraint(fields=["vault_entry", "instance_id"], name="one_row_per_stray")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def bills(self) -> bool:
        """Whether it may bill beside the machines that have rows of their own."""
        return self.gone_at is None and self.bills_from is not None

    def accrued_usd(self, now: datetime) -> Decimal:
        """Return what it has cost by ``now`` beside what a machine's own row counts (D8)."""
        if self.billed_usd is not None:
            return self.billed_usd
        if self.bills_from is None or self.hourly_price is None:
            return Decimal(0)
        return costs.rent(
            self.hourly_price,
            seconds=(now - self.bills_from).total_seconds(),
            quantum_seconds=self.billing_quantum_seconds,
        )
