"""What a machine may call us with: its token, kept as a hash."""

from django.db import models


class MachineToken(models.Model):
    """The right of one machine to tell of its run and to fetch its data (T3, T6, I16).

    ``token_hash`` is the SHA-256 of the token; the token itself is never stored. A machine that
    was prepared more than once may hold several; all of them end with it.
    """

    token_hash = models.CharField(primary_key=True, max_length=64)
    machine = models.ForeignKey(
        "deployments.Machine", on_delete=models.CASCADE, related_name="tokens"
    )
    job = models.ForeignKey(
        "deployments.TrainingJob", on_delete=models.CASCADE, related_name="machine_tokens"
    )
    scopes = models.JSONField(default=list)
    issued_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """Read by hash, ended by machine."""

        db_table = "machine_tokens"
        ordering = ["-issued_at"]

    def __str__(self) -> str:
        return f"token of {self.machine_id}"
