"""Opening a connection that knows the machine before it trusts it."""

from collections.abc import Iterator
from contextlib import contextmanager

from deployments.remote.remote import Remote
from deployments.remote.target import Limits, SshTarget


@contextmanager
def connect(target: SshTarget, *, limits: Limits | None = None) -> Iterator[Remote]:
    """Log in to a machine for the length of a with block."""
    raise NotImplementedError
    yield Remote()
