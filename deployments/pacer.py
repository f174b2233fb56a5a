"""One pace per cloud key across all processes (D9): requests 1 s apart, launches 12 s apart."""

import time
from datetime import datetime, timedelta
from typing import Literal

from core.database import retried
from core.time import database_now
from deployments.models import PacerSlot
from deployments.providers.base import ProviderBusyError
from deployments.timing import Timing
from secrets_vault.models import VaultEntry

Kind = Literal["launch", "terminate", "list", "other"]

# Who finds the slot taken comes back this much after it is free: terminate goes before list,
# list before the rest.
STEP_BACK_SECONDS: dict[Kind, float] = {"terminate": 0.0, "list": 0.1, "launch": 0.2, "other": 0.3}
PATIENCE_SECONDS = 8.0


class DatabasePacer:
    """Hands out the right to send one request; the slot's row is the meeting point."""

    def __init__(self, entry: VaultEntry, *, timing: Timing) -> None:
        self._entry = entry
        self._timing = timing

    def wait(self, kind: Kind) -> None:
        """Return when the request may go out; raises ProviderBusyError after 8 s of waiting."""
        give_up = time.monotonic() + PATIENCE_SECONDS
        while True:
            # A launch that is not sent because the database was away costs minutes (D2, F76).
            left = retried(lambda: self._claim(kind)) if kind == "launch" else self._claim(kind)
            if left <= 0:
                return
            pause = left + STEP_BACK_SECONDS[kind]
            if time.monotonic() + pause > give_up:
                raise ProviderBusyError(
                    "Other requests to this cloud go first.", retry_after_seconds=left
                )
            time.sleep(pause)

    def _claim(self, kind: Kind) -> float:
        """Take the slot and return 0, or return the seconds until it is free."""
        now = database_now()
        slot = self._slot(now)
        free_at = slot.next_request_at
        if kind == "launch":
            free_at = max(free_at, slot.next_launch_at)
        if free_at > now:
            return (free_at - now).total_seconds()
        changes = {
            "next_request_at": now + timedelta(seconds=self._timing.request_interval_seconds)
        }
        if kind == "launch":
            launch_gap = timedelta(seconds=self._timing.launch_interval_seconds)
            changes["next_launch_at"] = now + launch_gap
        taken = PacerSlot.objects.filter(
            pk=slot.pk, next_request_at=slot.next_request_at, next_launch_at=slot.next_launch_at
        ).update(**changes)
        return 0.0 if taken == 1 else 0.05

    def _slot(self, now: datetime) -> PacerSlot:
        slot, _ = PacerSlot.objects.get_or_create(
            vault_entry=self._entry, defaults={"next_request_at": now, "next_launch_at": now}
        )
        return slot
