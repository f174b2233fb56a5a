"""The cloud's rate limits: 1 request a second, 1 launch per 12 seconds, for the account.

Source: the vendor's OpenAPI document 1.10.0 (lambda-cloud-api.md section 5).
"""

import time

REQUEST_SECONDS = 1.0
LAUNCH_SECONDS = 12.0
# A client that keeps exactly to the pace must not fail by the network's jitter.
TOLERANCE = 0.95


class RateLimiter:
    """Remembers when the last request and the last launch were let through."""

    def __init__(self) -> None:
        self._last_request = float("-inf")
        self._last_launch = float("-inf")

    def allows(self, operation: str) -> bool:
        """Say whether the request may pass, and remember it if so."""
        now = time.monotonic()
        if now - self._last_request < REQUEST_SECONDS * TOLERANCE:
            return False
        if operation == "launch":
            if now - self._last_launch < LAUNCH_SECONDS * TOLERANCE:
                return False
            self._last_launch = now
        self._last_request = now
        return True
