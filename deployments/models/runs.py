"""What the run log of a machine has told, and what came home from it."""

import uuid

from django.db import models


class RunState(models.Model):
    """How far one machine's run log was read and what it says now.

    Written by ``run_log.ingest`` alone; ``accepted_through`` fences it, so that each
    (machine, seq) counts once (I10).
    """

    machine = models.OneToOneField(
        "deployments.Machine", on_delete=models.CASCADE, related_name="run"
    )
    accepted_through = models.PositiveBigIntegerField(default=0)
    log_offset = models.PositiveBigIntegerField(default=0)
    phase = models.CharField(max_length=40, blank=True, default="")
    phase_detail = models.CharField(max_length=300, blank=True, default="")
    phase_since = models.DateTimeField(null=True, blank=True)
    step = models.PositiveIntegerField(null=True, blank=True)
    total_steps = models.PositiveIntegerField(null=True, blank=True)
    epoch = models.FloatField(null=True, blank=True)
    stepped_at = models.DateTimeField(null=True, blank=True)
    first_step_at = models.DateTimeField(null=True, blank=True)
    news_at = models.DateTimeField(null=True, blank=True)
    looked_at = models.DateTimeField(null=True, blank=True)
    # F43: seconds in which we looked, and the log had nothing new or SSH did not answer.
    silent_seconds = models.FloatField(default=0)
    # F44: seconds in which we looked, and the machine told something but no new step of training.
    stalled_seconds = models.FloatField(default=0)
    heartbeat = models.JSONField(null=True, blank=True)
    environment = models.JSONField(null=True, blank=True)
    # What the agent asked to have brought by SFTP and has not got yet.
    requests = models.JSONField(default=list)
    error = models.JSONField(null=True, blank=True)
    exit = models.JSONField(null=True, blank=True)

    class Meta:
        """One row a machine."""

        db_table = "run_states"

    def __str__(self) -> str:
        return f"run log of {self.machine_id}, read through {self.accepted_through}"


class Metric(models.Model):
    """One value of one metric at one step of a job; a later machine of the job may overwrite it.

    ``value`` is None where the trainer reported a number that is not finite.
    """

    job = models.ForeignKey(
        "deployments.TrainingJob", on_delete=models.CASCADE, related_name="metrics"
    )
    machine = models.ForeignKey("deployments.Machine", on_delete=models.PROTECT)
    name = models.CharField(max_length=100)
    step = models.PositiveIntegerField()
    value = models.FloatField(null=True, blank=True)
    at = models.DateTimeField()

    class Meta:
        """I10: one value per (job, name, step)."""

        db_table = "metrics"
        ordering = ["step", "id"]
        constraints = [
            models.UniqueConstraint(fields=["job", "name", "step"], name="one_value_per_step")
        ]

    def __str__(self) -> str:
        return f"{self.name} = {self.value} at step {self.step}"


class MetricBucket(models.Model):
    """What a range of steps told of one metric, for drawing; worked out from ``Metric`` rows.

    Written by ``metric_rows`` in the transaction that writes those. All buckets of a (job, name)
    have one ``width``, which doubles when they become too many (``bucketing``).
    """

    job = models.ForeignKey(
        "deployments.TrainingJob", on_delete=models.CASCADE, related_name="metric_buckets"
    )
    name = models.CharField(max_length=100)
    start = models.PositiveIntegerField()
    width = models.PositiveIntegerField()
    count = models.PositiveIntegerField()
    total = models.FloatField()
    low = models.FloatField(null=True)
    low_step = models.PositiveIntegerField(null=True)
    high = models.FloatField(null=True)
    high_step = models.PositiveIntegerField(null=True)
    last = models.FloatField(null=True)
    last_step = models.PositiveIntegerField()
    last_at = models.DateTimeField()

    class Meta:
        """One bucket at a place; the constraint's index reads a series in order."""

        db_table = "metric_buckets"
        ordering = ["name", "start"]
        constraints = [
            models.UniqueConstraint(fields=["job", "name", "start"], name="one_bucket_at_a_start")
        ]

    def __str__(self) -> str:
        return f"{self.name}, steps {self.start} to {self.start + self.width - 1}"


class LogLine(models.Model):
    """One line of the run log, kept for good."""

    job = models.ForeignKey(
        "deployments.TrainingJob", on_delete=models.CASCADE, related_name="log_lines"
    )
    machine = models.ForeignKey("deployments.Machine", on_delete=models.PROTECT)
    seq = models.PositiveBigIntegerField()
    at = models.DateTimeField()
    level = models.CharField(max_length=10)
    source = models.CharField(max_length=20, blank=True, default="")
    text = models.CharField(max_length=4000)

    class Meta:
        """I10: each (machine, seq) counts once."""

        db_table = "log_lines"
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["machine", "seq"], name="one_line_per_seq")]
        # The pages of a log begin at a line's id, among a million others.
        indexes = [models.Index(fields=["job", "id"], name="log_lines_by_job")]

    def __str__(self) -> str:
        return self.text


class Checkpoint(models.Model):
    """A checkpoint the machine has told of. ``files`` lists name, size and sha256.

    ``home_at`` is set while it is home: every file on our disk, read back, and matching its sha256.
    ``home_path`` (relative to the data folder), ``home_sha256`` and ``home_size_bytes`` are those
    of the archive with its adapter, which is what is handed out. Written by the holder of the
    deployment's lease (``lifecycle.fetching``), all else by ``run_log.ingest``.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(
        "deployments.TrainingJob", on_delete=models.CASCADE, related_name="checkpoints"
    )
    machine = models.ForeignKey("deployments.Machine", on_delete=models.PROTECT)
    step = models.PositiveIntegerField()
    path = models.CharField(max_length=300)
    size_bytes = models.PositiveBigIntegerField(default=0)
    files = models.JSONField(default=list)
    at = models.DateTimeField()

    # When a slice last went to bringing it home; none before it is begun.
    fetch_tried_at = models.DateTimeField(null=True, blank=True)
    # Why it is not brought home, in words.
    left_because = models.CharField(max_length=300, blank=True, default="")
    home_at = models.DateTimeField(null=True, blank=True)
    home_path = models.CharField(max_length=300, blank=True, default="")
    home_sha256 = models.CharField(max_length=64, blank=True, default="")
    home_size_bytes = models.PositiveBigIntegerField(default=0)

    class Meta:
        """A step is saved once on a machine."""

        db_table = "checkpoints"
        ordering = ["step"]
        constraints = [
            models.UniqueConstraint(fields=["machine", "step"], name="one_checkpoint_per_step")
        ]

    def __str__(self) -> str:
        return f"checkpoint at step {self.step}"


class Sample(models.Model):
    """A held-out prompt that the run answers at each evaluation, and the base model's answer."""

    job = models.ForeignKey(
        "deployments.TrainingJob", on_delete=models.CASCADE, related_name="samples"
    )
    number = models.PositiveSmallIntegerField()
    prompt = models.TextField(blank=True, default="")
    reference = models.TextField(blank=True, default="")
    base = models.TextField(blank=True, default="")
    at = models.DateTimeField()

    class Meta:
        """A job asks each of its prompts under one number."""

        db_table = "samples"
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="one_prompt_per_number")
        ]

    def __str__(self) -> str:
        return self.prompt[:80]


class SampleAnswer(models.Model):
    """What the model being trained answered to a prompt at one step."""

    sample = models.ForeignKey(Sample, on_delete=models.CASCADE, related_name="answers")
    machine = models.ForeignKey("deployments.Machine", on_delete=models.PROTECT)
    step = models.PositiveIntegerField()
    answer = models.TextField(blank=True, default="")
    at = models.DateTimeField()

    class Meta:
        """I10: one answer per (job, prompt, step); a later machine of the job may overwrite it."""

        db_table = "sample_answers"
        ordering = ["step"]
        constraints = [
            models.UniqueConstraint(fields=["sample", "step"], name="one_answer_per_step")
        ]

    def __str__(self) -> str:
        return f"step {self.step}: {self.answer[:80]}"


class Artifact(models.Model):
    """Something of the run that is home: on disk, read back, and matching its sha256 (I11).

    ``path`` is relative to the data folder; ``files`` lists name, size and sha256 of the parts.
    A merged model is a folder, handed out as .tar; its ``sha256`` is that of its files' sums.
    ``card_due``: its model card is still to be written, at the end of the run, when all is paid.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    job = models.ForeignKey(
        "deployments.TrainingJob", on_delete=models.PROTECT, related_name="artifacts"
    )
    deployment = models.ForeignKey(
        "deployments.Deployment", on_delete=models.PROTECT, related_name="artifacts"
    )
    machine = models.ForeignKey("deployments.Machine", on_delete=models.PROTECT)
    kind = models.CharField(max_length=20, default="adapter")
    name = models.CharField(max_length=200)
    path = models.CharField(max_length=300)
    size_bytes = models.PositiveBigIntegerField()
    sha256 = models.CharField(max_length=64)
    files = models.JSONField(default=list)
    saved_at = models.DateTimeField()
    card_due = models.BooleanField(default=False)

    class Meta:
        """One artifact of a kind per machine."""

        db_table = "artifacts"
        ordering = ["-saved_at"]
        constraints = [
            models.UniqueConstraint(fields=["machine", "kind"], name="one_artifact_of_a_kind")
        ]

    def __str__(self) -> str:
        return self.name
