"""What is known of an account at a cloud: its last lists, its pace, and its strays."""

from django.db import models


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
    suspect_lists = models.PositiveIntegerField(default=0)
    failed_since = models.DateTimeField(null=True, blank=True)
    error = models.JSONField(null=True, blank=True)
    next_list_at = models.DateTimeField(null=True, blank=True, db_index=True)
    next_sweep_at = models.DateTimeField(null=True, blank=True)
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
    no row at all after a grace.
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

    class Meta:
        """One row a machine and key."""

        db_table = "strays"
        constraints = [
            models.UniqueConstraint(fields=["vault_entry", "instance_id"], name="one_row_per_stray")
        ]

    def __str__(self) -> str:
        return self.name
