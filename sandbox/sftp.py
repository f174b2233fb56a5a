"""SFTP that stays inside one machine's home.

Paths mean what they mean in a shell on the machine: relative ones start at the home, absolute ones
are absolute. Whatever leads out of the home is refused, links included.
"""

import errno
import os
from dataclasses import dataclass
from pathlib import Path

import asyncssh


@dataclass
class Disk:
    """How much a machine's disk still takes over SFTP; None is no limit of ours."""

    free_bytes: int | None = None

    def take(self, size: int) -> None:
        """Count what is about to be written; raises OSError when there is no room for it."""
        if self.free_bytes is None:
            return
        if size > self.free_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.free_bytes -= size


class HomeSftpServer(asyncssh.SFTPServer):
    """An SFTP server whose whole world is the home."""

    def __init__(
        self, channel: asyncssh.SSHServerChannel[bytes], *, home: Path, disk: Disk
    ) -> None:
        super().__init__(channel)
        self._disk = disk
        self._home = os.fsencode(home)

    def map_path(self, path: bytes) -> bytes:
        """Return the local path; the target of a link counts."""
        local = os.path.join(self._home, path)  # noqa: PTH118 - SFTP paths are bytes
        self._check_inside(os.path.realpath(local))
        return local

    async def write(self, file_obj: object, offset: int, data: bytes) -> int:
        self._disk.take(len(data))
        written = super().write(file_obj, offset, data)
        return written if isinstance(written, int) else await written

    def lstat(self, path: bytes) -> os.stat_result:
        local = os.path.normpath(os.path.join(self._home, path))  # noqa: PTH118 - bytes
        if local == os.path.dirname(self._home):  # noqa: PTH120 - bytes
            # Every listing asks for "..": here the home is its own parent, as a root folder is.
            return os.lstat(self._home)
        return os.lstat(self._map_link(path))

    def readlink(self, path: bytes) -> bytes:
        return os.readlink(self._map_link(path))  # noqa: PTH115 - SFTP paths are bytes

    def remove(self, path: bytes) -> None:
        os.remove(self._map_link(path))  # noqa: PTH107 - SFTP paths are bytes

    def _map_link(self, path: bytes) -> bytes:
        """Return the local path of a link itself, wherever it leads."""
        local = os.path.normpath(os.path.join(self._home, path))  # noqa: PTH118
        if local != self._home:
            self._check_inside(os.path.realpath(os.path.dirname(local)))  # noqa: PTH120
        return local

    def _check_inside(self, real_path: bytes) -> None:
        if real_path != self._home and not real_path.startswith(self._home + b"/"):
            raise asyncssh.SFTPPermissionDenied("Only the home of this machine is served.")
