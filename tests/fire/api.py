"""Asking a web process that may be killed at any moment."""

import time
from collections.abc import Callable
from typing import TypeVar

import requests

from deployments.management.local_stack import StackError

Answer = TypeVar("Answer")
PATIENCE_SECONDS = 180.0
# The web process says that it has to wait for the database.
PASSING = ": 503 "


def persistently(call: Callable[[], Answer]) -> Answer:
    """Return what the call returns once nobody kills the web process in the middle of it."""
    give_up = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return call()
        except (requests.RequestException, StackError) as error:
            passing = not isinstance(error, StackError) or PASSING in str(error)
            if not passing or time.monotonic() > give_up:
                raise
        time.sleep(0.3)
