"""Moving one deployment on: by the worker that runs, or step by step here when none does."""

import logging
import time
from collections.abc import Callable
from datetime import timedelta

from django.conf import settings

from core.time import database_now
from deployments import reaper, snapshot
from deployments.lifecycle.advance import advance
from deployments.models import CloudSnapshot, Deployment, WorkerHeartbeat
from secrets_vault.models import VaultEntry

logger = logging.getLogger(__name__)

WORKER_SILENT = timedelta(seconds=30)
LONGEST_PAUSE_SECONDS = 1.0


class Driver:
    """Waits for a deployment and, without a worker, does what is due for it (D4: twice is fine)."""

    def __init__(self, deployment: Deployment, *, look: Callable[[Deployment], None]) -> None:
        self._pk = deployment.pk
        self._entry_id = deployment.vault_entry_id
        self._look = look
        self._sweep_at = time.monotonic() + settings.TIMING.sweep_seconds

    def until(self, reached: Callable[[Deployment], bool]) -> Deployment:
        """Return the deployment once it is so, or once it is over, whatever it is then."""
        while True:
            deployment = Deployment.objects.get(pk=self._pk)
            self._look(deployment)
            if reached(deployment) or deployment.is_terminal:
                return deployment
            self.step()

    def step(self) -> None:
        """Do what is due here unless a worker does it, then pause."""
        if not self._worker_runs():
            now = database_now()
            lists = CloudSnapshot.objects.filter(vault_entry=self._entry_id, next_list_at__lte=now)
            if lists.exists():
                snapshot.list_cloud(self._entry_id)
            if Deployment.objects.filter(pk=self._pk, next_tick_at__lte=now).exists():
                advance(self._pk, may_block=True)
            self._sweep_if_due()
        time.sleep(min(LONGEST_PAUSE_SECONDS, settings.TIMING.poll_seconds / 3))

    def to_the_end(self, ask: Callable[[], object]) -> Deployment:
        """Ask for the end and return once every machine is proven gone (D3).

        No failure on the way ends the waiting; ``ask`` may be called again, and must not mind.
        """
        while True:
            try:
                ask()
                return self.until(lambda _: False)
            # A database or a network that is away comes back; giving up here would leave a machine.
            except Exception:
                logger.exception("Could not look after deployment %s; trying again", self._pk)
                time.sleep(LONGEST_PAUSE_SECONDS)

    def _sweep_if_due(self) -> None:
        """A second machine under one name is the sweep's to end, and the end waits for it (F21)."""
        if time.monotonic() >= self._sweep_at:
            self._sweep_at = time.monotonic() + settings.TIMING.sweep_seconds
            reaper.sweep_account(VaultEntry.objects.get(pk=self._entry_id))

    def _worker_runs(self) -> bool:
        since = database_now() - WORKER_SILENT
        beats = WorkerHeartbeat.objects.filter(name__startswith="worker:", beat_at__gte=since)
        return beats.exists()
