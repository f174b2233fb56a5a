"""A deployment, its machines, and the events that tell its life."""

import uuid
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models

from deployments import costs

if TYPE_CHECKING:
    from secrets_vault.models import VaultEntry


class Status(models.TextChoices):
    """The public words of API.md section 2."""

    QUEUED = "queued"
    WAITING_FOR_CAPACITY = "waiting_for_capacity"
    LAUNCHING = "launching"
    BOOTING = "booting"
    PREPARING = "preparing"
    TRAINING = "training"
    COLLECTING = "collecting"
    RECOVERING = "recovering"
    TERMINATING = "terminating"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


TERMINAL = frozenset({Status.COMPLETED, Status.FAILED, Status.CANCELLED})
# The others, said as a list, so that a database can look them up in an index.
LIVING = tuple(status for status in Status if status not in TERMINAL)


class Desired(models.TextChoices):
    """What the user wants of a deployment."""

    RUN = "run"
    STOP = "stop"


class Deployment(models.Model):
    """One attempt of a person to have a job trained, under one budget.

    Who writes what: ``status`` and all that follows from it, the holder of the lease
    (``deployments.lifecycle``); ``desired``, ``save_wanted`` and ``save_asked_at``,
    ``deployments.services``. The last is cleared by who passed it on; a run whose owner's account
    is closed is stopped by the lease's holder.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="deployments"
    )
    job = models.ForeignKey(
        "deployments.TrainingJob", on_delete=models.PROTECT, related_name="deployments"
    )
    training_config = models.ForeignKey(
        "deployments.TrainingConfig",
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="deployments",
    )
    vault_entry = models.ForeignKey(
        "secrets_vault.VaultEntry", on_delete=models.PROTECT, related_name="deployments"
    )
    # The cloud that was asked for, or that auto prefers; a machine's own row says where it is.
    platform = models.CharField(max_length=20)
    # The keys of the other clouds that its fallbacks may rent at.
    other_keys = models.ManyToManyField(
        "secrets_vault.VaultEntry", blank=True, related_name="fallback_of"
    )
    name = models.CharField(max_length=120)
    # The head machine's id at the cloud, under the replaced system's column name.
    deployment_id = models.CharField(max_length=100, blank=True, default="", db_index=True)
    url = models.CharField(max_length=300, blank=True, default="")
    # The request as accepted: instance_type, region, ssh_key_name with its public key, fallbacks
    # with their clouds and prices, and the hyperparameters that were changed for going on.
    config = models.JSONField(default=dict)
    # What a person chose to go on from; a machine of this deployment may have saved a newer one.
    resume_from = models.ForeignKey(
        "deployments.Checkpoint",
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="resumed_by",
    )

    status = models.CharField(max_length=30, choices=Status, default=Status.QUEUED)
    phase = models.CharField(max_length=40, default="queued")
    status_since = models.DateTimeField()
    desired = models.CharField(max_length=10, choices=Desired, default=Desired.RUN)
    save_wanted = models.BooleanField(default=True)
    # A checkpoint is wanted now; cleared once the machine was told.
    save_asked_at = models.DateTimeField(null=True, blank=True)
    # Why the run came to its landing: finished, failed, stop, budget, deadline or silence.
    landing = models.CharField(max_length=20, blank=True, default="")
    # The terminal status that follows once every machine is proven gone.
    outcome = models.CharField(max_length=30, blank=True, default="")
    error = models.JSONField(null=True, blank=True)
    attention = models.JSONField(null=True, blank=True)

    estimated_cost = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    actual_cost = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    budget_limit = models.DecimalField(max_digits=10, decimal_places=2)
    # The highest share of the budget, in percent, of whose use its owner was told.
    budget_warned = models.PositiveSmallIntegerField(default=0)
    max_hourly_price = models.DecimalField(max_digits=10, decimal_places=4)
    max_hours = models.DecimalField(max_digits=6, decimal_places=2)
    max_attempts = models.PositiveSmallIntegerField(default=2)
    wait_for_capacity_minutes = models.PositiveIntegerField(default=30)
    # How long the machine of a failed run stays for its owner to look at, and until when it does.
    keep_on_failure_minutes = models.PositiveIntegerField(default=0)
    kept_until = models.DateTimeField(null=True, blank=True)

    # A round of launches tries every allowed offer once; capacity is waited for between rounds.
    round_started_at = models.DateTimeField(null=True, blank=True)
    capacity_deadline = models.DateTimeField(null=True, blank=True)

    version = models.PositiveBigIntegerField(default=0)
    lease_until = models.DateTimeField(null=True, blank=True)
    lease_purpose = models.CharField(max_length=20, blank=True, default="")
    next_tick_at = models.DateTimeField(null=True, blank=True, db_index=True)
    last_tick_at = models.DateTimeField(null=True, blank=True)
    failed_ticks = models.PositiveIntegerField(default=0)

    created_at = models.DateTimeField()
    completed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """The table name is the replaced system's (API.md section 6)."""

        db_table = "cloud_deployments"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["user", "-created_at", "-id"], name="runs_newest_first"),
            models.Index(fields=["user", "status"], name="runs_by_status"),
            models.Index(
                fields=["user", "-created_at"],
                condition=models.Q(attention__isnull=False),
                name="runs_that_need_their_owner",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.status})"

    @property
    def is_terminal(self) -> bool:
        """Whether every machine is proven gone and the cost is final."""
        return self.status in TERMINAL

    @property
    def platforms(self) -> tuple[str, ...]:
        """The clouds it may rent at, the preferred one first."""
        others = (str(each["platform"]) for each in self.config.get("fallbacks", ()))
        return tuple(dict.fromkeys((self.platform, *others)))

    def accrued_usd(self, now: datetime) -> Decimal:
        """Return what its machines and its strays have cost by ``now`` (D8). Two queries."""
        machines = sum((each.accrued_usd(now) for each in self.machines.all()), Decimal(0))
        return sum((each.accrued_usd(now) for each in self.strays.all()), machines)


def may_rent_under(key: "VaultEntry | uuid.UUID") -> models.Q:
    """Match the deployments that may rent under a key (an entry or its id), fallbacks included."""
    others = Deployment.other_keys.through.objects.filter(vaultentry=key)
    return models.Q(vault_entry=key) | models.Q(pk__in=others.values("deployment"))


class LaunchState(models.TextChoices):
    """What is known of a machine's launch call."""

    INTENT = "intent", "written down, the call may have been made"
    UNKNOWN = "unknown", "the call was made, its answer was lost"
    REFUSED = "refused", "the cloud said no: nothing was started"
    NEVER_SEEN = "never_seen", "no answer, and never in the list: nothing was started"
    LAUNCHED = "launched", "the cloud started it"


class Machine(models.Model):
    """One launch attempt and the rented machine it became: the unit of money and its ledger line.

    Committed before the launch call (D1); ``name`` is the idempotency key. Columns ``seen_*``,
    ``absent_*`` and ``unhealthy_since`` are written by the lister alone, the rest by the holder of
    the deployment's lease.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="machines")
    vault_entry = models.ForeignKey(
        "secrets_vault.VaultEntry", on_delete=models.PROTECT, related_name="machines"
    )
    attempt = models.PositiveIntegerField()
    node = models.PositiveSmallIntegerField(default=0)
    name = models.CharField(max_length=57, unique=True)
    platform = models.CharField(max_length=20)
    instance_type = models.CharField(max_length=100)
    region = models.CharField(max_length=100)
    # What the cloud calls the region: Virginia, USA.
    region_description = models.CharField(max_length=200, blank=True, default="")
    description = models.CharField(max_length=200, blank=True, default="")
    gpu_count = models.PositiveSmallIntegerField(default=1)
    vram_gib = models.PositiveIntegerField(null=True, blank=True)
    architecture = models.CharField(max_length=20, default="x86_64")
    hourly_price = models.DecimalField(max_digits=10, decimal_places=4)
    billing_quantum_seconds = models.PositiveIntegerField(default=60)

    launch_state = models.CharField(max_length=20, choices=LaunchState, default=LaunchState.INTENT)
    refusal = models.JSONField(null=True, blank=True)
    instance_id = models.CharField(max_length=100, blank=True, default="", db_index=True)
    host_public_key = models.CharField(max_length=500, blank=True, default="")
    requested_at = models.DateTimeField()
    launch_ended_at = models.DateTimeField(null=True, blank=True)

    seen_instance_id = models.CharField(max_length=100, blank=True, default="")
    seen_status = models.CharField(max_length=20, blank=True, default="")
    # Since which of the lists that showed it the cloud calls it unhealthy.
    unhealthy_since = models.DateTimeField(null=True, blank=True)
    seen_ip = models.GenericIPAddressField(null=True, blank=True)
    # None where the cloud's machines all answer at one port.
    seen_ssh_port = models.PositiveIntegerField(null=True, blank=True)
    # What the cloud says it is; "" and None where a list does not tell.
    seen_instance_type = models.CharField(max_length=100, blank=True, default="")
    seen_region = models.CharField(max_length=100, blank=True, default="")
    seen_hourly_price = models.DecimalField(max_digits=10, decimal_places=4, null=True, blank=True)
    seen_at = models.DateTimeField(null=True, blank=True)
    absent_since = models.DateTimeField(null=True, blank=True)
    absent_until = models.DateTimeField(null=True, blank=True)
    absent_lists = models.PositiveIntegerField(default=0)

    active_at = models.DateTimeField(null=True, blank=True)
    login_at = models.DateTimeField(null=True, blank=True)
    login_refused_since = models.DateTimeField(null=True, blank=True)
    # F29: when a login last came to nothing.
    login_tried_at = models.DateTimeField(null=True, blank=True)
    agent_started_at = models.DateTimeField(null=True, blank=True)
    # Set once when the machine proves bad: {code, message, remedy}; it is then ended, never kept.
    fault = models.JSONField(null=True, blank=True)
    # Its merged model cannot be brought home, or is none.
    merged_left = models.BooleanField(default=False)

    end_wanted_at = models.DateTimeField(null=True, blank=True)
    terminate_requested_at = models.DateTimeField(null=True, blank=True)
    terminate_accepted_at = models.DateTimeField(null=True, blank=True)
    next_terminate_at = models.DateTimeField(null=True, blank=True)
    terminate_tries = models.PositiveIntegerField(default=0)
    # Why the cloud did not take the last request: {code, message, remedy, retryable}.
    terminate_error = models.JSONField(null=True, blank=True)
    gone_at = models.DateTimeField(null=True, blank=True)
    billed_usd = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    # What the cloud itself says it cost, and when it was last asked; written by bills.py alone.
    cloud_billed_usd = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    cloud_bill_asked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """One machine per node of an attempt."""

        db_table = "machines"
        ordering = ["attempt", "node"]
        constraints = [
            models.UniqueConstraint(
                fields=["deployment", "attempt", "node"], name="one_machine_per_attempt_and_node"
            )
        ]
        indexes = [
            models.Index(fields=["gone_at", "launch_state"], name="machines_that_may_live"),
            models.Index(fields=["requested_at"], name="machines_by_time"),
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def may_live(self) -> bool:
        """Whether this machine may exist at the cloud and bill."""
        return self.gone_at is None and self.launch_state not in (
            LaunchState.REFUSED,
            LaunchState.NEVER_SEEN,
        )

    def accrued_usd(self, now: datetime) -> Decimal:
        """Return what the machine has cost by ``now``, pessimistically (D8)."""
        if self.billed_usd is not None:
            return self.billed_usd
        if not self.may_live:
            return Decimal(0)
        return costs.rent(
            self.hourly_price,
            seconds=(now - self.requested_at).total_seconds(),
            quantum_seconds=self.billing_quantum_seconds,
        )


class Event(models.Model):
    """One line of a deployment's story; written with the change it tells, never changed."""

    deployment = models.ForeignKey(Deployment, on_delete=models.PROTECT, related_name="events")
    machine = models.ForeignKey(
        Machine, on_delete=models.PROTECT, null=True, blank=True, related_name="events"
    )
    at = models.DateTimeField()
    kind = models.CharField(max_length=40)
    message = models.CharField(max_length=1000)
    from_status = models.CharField(max_length=30, blank=True, default="")
    to_status = models.CharField(max_length=30, blank=True, default="")
    version = models.PositiveBigIntegerField(default=0)
    data = models.JSONField(default=dict, blank=True)

    class Meta:
        """In the order of writing."""

        db_table = "deployment_events"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.at:%H:%M:%S} {self.message}"
