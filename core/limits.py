"""How often a caller may ask, counted in the database so that all processes count together (T1).

One row a caller and minute, one statement a request. A minute begins on the full minute of the
host's clock: hosts whose clocks differ count a little more kindly, nothing else.
"""

import time
from dataclasses import dataclass

from django.db import connection

from core.models import RateWindow

WINDOW_SECONDS = 60
_KEPT_SECONDS = 600
_PURGE_EVERY_SECONDS = 3600.0
_COUNT = """
    INSERT INTO rate_windows (subject, started, used) VALUES (%s, %s, 1)
    ON CONFLICT (subject, started) DO UPDATE SET used = rate_windows.used + 1
    RETURNING used
"""

_purged_at = time.monotonic()


@dataclass(frozen=True)
class Allowance:
    """What is left of a caller's minute after this request."""

    limit: int
    used: int
    resets_in_seconds: int

    @property
    def is_exceeded(self) -> bool:
        """Whether this request is one too many."""
        return self.used > self.limit

    @property
    def remaining(self) -> int:
        """How many more requests this minute takes."""
        return max(0, self.limit - self.used)


def take(subject: str, *, limit: int) -> Allowance:
    """Count one request of ``subject`` and say what is left of its minute."""
    now = time.time()
    started = int(now) // WINDOW_SECONDS * WINDOW_SECONDS
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, [subject, started])
        (used,) = cursor.fetchone()
    _purge_now_and_then(started)
    return Allowance(
        limit=limit, used=used, resets_in_seconds=max(1, round(started + WINDOW_SECONDS - now))
    )


def _purge_now_and_then(started: int) -> None:
    global _purged_at  # one moment a process
    if time.monotonic() - _purged_at < _PURGE_EVERY_SECONDS:
        return
    _purged_at = time.monotonic()
    RateWindow.objects.filter(started__lt=started - _KEPT_SECONDS).delete()
