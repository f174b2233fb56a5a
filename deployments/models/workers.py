"""Signs of life of the worker processes."""

from django.db import models


class WorkerHeartbeat(models.Model):
    """One row a worker supervisor; pages say when none has beaten for a while (F9)."""

    name = models.CharField(max_length=100, primary_key=True)
    beat_at = models.DateTimeField()

    class Meta:
        """A handful of rows."""

        db_table = "worker_heartbeats"

    def __str__(self) -> str:
        return f"{self.name} at {self.beat_at:%H:%M:%S}"
