"""Which status may follow which (ARCHITECTURE section 3). Terminal statuses are final (I4)."""

from deployments.models.deployments import Status

S = Status

EDGES: dict[Status, frozenset[Status]] = {
    S.QUEUED: frozenset({S.LAUNCHING, S.TERMINATING}),
    S.LAUNCHING: frozenset({S.WAITING_FOR_CAPACITY, S.BOOTING, S.TERMINATING}),
    S.WAITING_FOR_CAPACITY: frozenset({S.LAUNCHING, S.TERMINATING}),
    S.BOOTING: frozenset({S.PREPARING, S.RECOVERING, S.TERMINATING}),
    S.PREPARING: frozenset({S.TRAINING, S.RECOVERING, S.TERMINATING}),
    S.TRAINING: frozenset({S.COLLECTING, S.RECOVERING, S.TERMINATING}),
    S.COLLECTING: frozenset({S.RECOVERING, S.TERMINATING}),
    S.RECOVERING: frozenset({S.LAUNCHING, S.TERMINATING}),
    S.TERMINATING: frozenset({S.COMPLETED, S.FAILED, S.CANCELLED}),
    S.COMPLETED: frozenset(),
    S.FAILED: frozenset(),
    S.CANCELLED: frozenset(),
}


def is_allowed(source: str, target: str) -> bool:
    """Say whether the table has this edge."""
    return Status(target) in EDGES[Status(source)]
