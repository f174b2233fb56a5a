"""Work done by several threads at once, each with a database connection of its own."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

T = TypeVar("T")
# Only there to end a broken test.
PATIENCE_SECONDS = 120


def at_once(count: int, work: Callable[[], T]) -> list[T]:
    """Let ``count`` threads do the work, all starting together; return what each returned."""
    start = threading.Barrier(count)

    def one() -> T:
        try:
            start.wait(timeout=PATIENCE_SECONDS)
            return work()
        finally:
            close_connections()

    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(one) for _ in range(count)]
        return [future.result(timeout=PATIENCE_SECONDS) for future in running]


def close_connections() -> None:
    """Close this thread's connections, so that none is left for the garbage collector."""
    for connection in connections.all(initialized_only=True):
        connection.close()
