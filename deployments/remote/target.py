"""Values that travel in and out of SSH: where to connect, how long to wait, what a command did."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class SshTarget:
    """How to reach a machine and how to know it.

    ``host_key`` is a pinned OpenSSH public key line, such as "ssh-ed25519 AAAA...". "" means first
    contact: the key the machine shows is taken and can be read from ``Remote.host_key``.
    """

    host: str
    port: int
    user: str
    private_key: str = field(repr=False)
    host_key: str = ""


@dataclass(frozen=True)
class Limits:
    """How long each step may take, in seconds (F29).

    ``idle_seconds`` is the longest silence within a file transfer, ``step_seconds`` the longest
    time for one small file. A command that is told to end has ``kill_seconds`` before it is made
    to; ``grace_seconds`` is what the way there and back may take on top.
    """

    connect_seconds: float = 10
    banner_seconds: float = 10
    auth_seconds: float = 10
    channel_seconds: float = 10
    idle_seconds: float = 10
    step_seconds: float = 20
    kill_seconds: float = 5
    grace_seconds: float = 5


@dataclass(frozen=True)
class Result:
    """What a command did. ``exit_status`` None: its outcome is unknown, it may run on (F39).

    Output is cut at 1 MiB each; bytes that are not UTF-8 are replaced.
    """

    exit_status: int | None
    stdout: str
    stderr: str
