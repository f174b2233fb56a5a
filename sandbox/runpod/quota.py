"""REST v2's rate limits: windows of a minute, an hour and a day, told in every answer.

Header forms and numbers are those of runpod-api.md section 3.4; quotas differ per account.
"""

import time
from dataclasses import dataclass

WINDOWS = (("minute", 60, 60), ("hour", 3000, 3600), ("day", 50_000, 86_400))
POLICY = ", ".join(f'"{name}";q={quota};w={seconds}' for name, quota, seconds in WINDOWS)


@dataclass
class _Window:
    name: str
    quota: int
    seconds: int
    began: float = float("-inf")
    used: int = 0

    def renew(self, now: float) -> None:
        if now - self.began >= self.seconds:
            self.began, self.used = now, 0

    def header(self, now: float) -> str:
        left = int(self.began + self.seconds - now)
        return f'"{self.name}";r={max(0, self.quota - self.used)};t={max(0, left)}'


class Quota:
    """Counts the calls of the account."""

    def __init__(self) -> None:
        self._windows = [_Window(*window) for window in WINDOWS]

    def take(self) -> bool:
        """Count a call; False when a window is used up."""
        now = time.monotonic()
        for window in self._windows:
            window.renew(now)
            window.used += 1
        return all(window.used <= window.quota for window in self._windows)

    def headers(self) -> dict[str, str]:
        now = time.monotonic()
        for window in self._windows:
            window.renew(now)
        shown = ", ".join(window.header(now) for window in self._windows)
        return {"RateLimit": shown, "RateLimit-Policy": POLICY}
