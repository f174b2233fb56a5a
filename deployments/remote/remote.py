"""One open SSH connection to a machine: commands and files.

Everything a machine says is data, and possibly hostile (T3): sizes and times are limited, links
are not followed, and what it makes the SSH library raise becomes one of our errors.
"""

import re
import secrets
import shlex
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

import paramiko

from deployments.remote.blocks import BLOCK_BYTES, read_block, sync_file, write_block
from deployments.remote.errors import RemoteError, RemoteFileMissingError, SshUnreachableError
from deployments.remote.exchange import TIMED_OUT_STATUSES, Exchange, limited
from deployments.remote.target import Limits, Result

FOLDER_MODE = 0o700
# A link slower than this is no link: it bounds the time that a given number of bytes may take.
SLOWEST_BYTES_PER_SECOND = 64 * 1024
_UNSHOWABLE = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Remote:
    """Commands and files on one machine; paths are relative to the login home.

    Every method raises SshUnreachableError when the connection breaks or falls silent.
    """

    def __init__(self, transport: paramiko.Transport, *, limits: Limits) -> None:
        # Sessions are opened on the transport itself: fabric's own methods would silently connect
        # again after a break, and what a command did before it would be forgotten.
        self._transport = transport
        self._limits = limits
        self._sftp: paramiko.SFTPClient | None = None

    @property
    def host_key(self) -> str:
        """The OpenSSH public key line, without comment, that the machine proved to hold."""
        key = self._transport.get_remote_server_key()
        return f"{key.get_name()} {key.get_base64()}"

    def run(self, command: str, *, timeout_seconds: float, stdin: bytes | None = None) -> Result:
        """Run a command by sh and wait for its end, at most ``timeout_seconds``.

        A command that had to be ended, or whose end we did not see, has exit status None.
        """
        started = time.monotonic()
        kill_seconds = self._limits.kill_seconds
        limit = timeout_seconds + kill_seconds + self._limits.grace_seconds
        with self._step(self._limits.channel_seconds + 1):
            channel = self._transport.open_session()
        exchange = Exchange(channel, give_up=started + limit, stdin=memoryview(stdin or b""))
        status = None
        with suppress(RemoteError), self._step(limit + 1):
            channel.settimeout(limit)
            channel.exec_command(
                limited(command, timeout_seconds=timeout_seconds, kill_seconds=kill_seconds)
            )
            status = exchange.run()
            channel.close()
        if status in TIMED_OUT_STATUSES and time.monotonic() - started >= timeout_seconds:
            status = None
        return Result(status, stdout=exchange.stdout.text(), stderr=exchange.stderr.text())

    def write(self, path: str, data: bytes, *, mode: int) -> None:
        """Put a small file in place in one go, with its parent folders.

        Readers see the old file or the new one, and none but the login user ever sees it when
        ``mode`` says so. Raises: RemoteError when the machine cannot keep it.
        """
        # A name of its own: a second writer must not write into our half of a file.
        part = f"{path}.{secrets.token_hex(4)}.part"
        try:
            with self._sftp_step(path, size=len(data)) as sftp:
                _write_new(sftp, part, data, mode=mode)
                sftp.posix_rename(part, path)
        except RemoteError:
            with suppress(RemoteError), self._sftp_step(part) as sftp:
                sftp.remove(part)
            raise

    def read(self, path: str, *, offset: int, limit: int) -> bytes:
        """Return up to ``limit`` bytes of a regular file from ``offset``; none behind its end.

        Raises: RemoteFileMissingError when there is no such regular file.
        """
        data = bytearray()
        with self._sftp_step(path, size=limit) as sftp:
            _size_of_regular_file(sftp, path)
            with _closing(sftp.open(path, "r")) as file:
                while len(data) < limit:
                    count = min(BLOCK_BYTES, limit - len(data))
                    block = read_block(sftp, file, offset=offset + len(data), count=count)
                    if not block:
                        break
                    data += block
        return bytes(data)

    def upload(self, local: Path, remote: str, *, sha256: str, deadline: float) -> bool:
        """Send a file, going on where an earlier slice ended; True when it is in place (F34).

        It grows as ``<remote>.part`` and gets its name only after the machine has computed the
        same ``sha256``. ``deadline`` is one of time.monotonic(). A machine that needs longer than
        until then to compute the sum is never done, so slices must allow for that.
        Raises: RemoteError (E_CHECKSUM) when a whole file, sent afresh, arrives as another one.
        """
        size = local.stat().st_size
        if self._size(remote) == size:
            there = self._sha256(remote, deadline=deadline)
            if there is None or there == sha256:
                return there is not None
        part = f"{remote}.part"
        # Twice, because what an earlier slice left may be a part of another file.
        for _ in range(2):
            if not self._send_rest(local, part, size=size, deadline=deadline):
                return False
            arrived = self._sha256(part, deadline=deadline)
            if arrived is None:
                return False
            with self._sftp_step(remote) as sftp:
                if arrived == sha256:
                    sftp.posix_rename(part, remote)
                    return True
                sftp.remove(part)
        raise RemoteError(
            f"{local.name} arrived on the machine with another sha256 than it should have.",
            remedy="We send it again. If it goes on, the file here was changed: upload it anew.",
            code="E_CHECKSUM",
        )

    def download(self, remote: str, local: Path, *, size: int, deadline: float) -> bool:
        """Append to a file here what is missing up to ``size``; True when it is complete (F60).

        Raises: RemoteFileMissingError when there is no such regular file, RemoteError when it is
        shorter than ``size``.
        """
        have = local.stat().st_size if local.exists() else 0
        if have > size:
            # Not what an earlier slice left: start over.
            local.unlink()
            have = 0
        with self._sftp_step(remote) as sftp:
            there = _size_of_regular_file(sftp, remote)
            if there < size:
                raise _too_short(remote, there=there, size=size)
            file = sftp.open(remote, "r")
        with self._closed_after(file, remote), local.open("ab") as target:
            while have < size and time.monotonic() < deadline:
                count = min(BLOCK_BYTES, size - have)
                with self._sftp_step(remote, size=count) as sftp:
                    block = read_block(sftp, file, offset=have, count=count)
                if not block:
                    break
                target.write(block)
                have += len(block)
        return have == size

    def _send_rest(self, local: Path, part: str, *, size: int, deadline: float) -> bool:
        have = self._size(part) or 0
        with self._sftp_step(part) as sftp:
            file = sftp.open(part, "r+") if 0 < have <= size else _open_new(sftp, part)
        have = have if have <= size else 0
        with self._closed_after(file, part), local.open("rb") as source:
            source.seek(have)
            while have < size and time.monotonic() < deadline:
                block = source.read(min(BLOCK_BYTES, size - have))
                if not block:
                    break
                with self._sftp_step(part, size=len(block)) as sftp:
                    write_block(sftp, file, offset=have, data=block)
                have += len(block)
            with self._sftp_step(part) as sftp:
                sync_file(sftp, file)
        return have == size

    @contextmanager
    def _closed_after(self, file: Any, path: str) -> Iterator[None]:
        """Close a file that was used over several steps, whatever became of them."""
        try:
            yield
        finally:
            with suppress(RemoteError), self._sftp_step(path):
                file.close()

    def _size(self, path: str) -> int | None:
        """Return the size of a regular file, None when there is none."""
        with suppress(RemoteFileMissingError), self._sftp_step(path) as sftp:
            return _size_of_regular_file(sftp, path)
        return None

    def _sha256(self, path: str, *, deadline: float) -> str | None:
        """Return the sum the machine computes, "" when it cannot, None when time runs out."""
        left = deadline - time.monotonic()
        if left <= 0:
            return None
        result = self.run(f"sha256sum -- {shlex.quote(path)}", timeout_seconds=left)
        if result.exit_status is None:
            return None
        found = re.match(r"\\?([0-9a-f]{64}) ", result.stdout)
        return found[1] if found and result.exit_status == 0 else ""

    @contextmanager
    def _sftp_step(self, path: str, *, size: int = 0) -> Iterator[Any]:
        """Give the SFTP session for a step that moves ``size`` bytes."""
        seconds = self._limits.step_seconds + size / SLOWEST_BYTES_PER_SECOND
        with self._step(seconds, path=path):
            if self._sftp is None:
                self._sftp = paramiko.SFTPClient.from_transport(self._transport)
                self._sftp_channel().settimeout(self._limits.idle_seconds)
            yield self._sftp

    @contextmanager
    def _step(self, seconds: float, *, path: str = "") -> Iterator[None]:
        """Limit a step in time and make what goes wrong in it an error of ours.

        Some of paramiko's waits have no limit (the answer to an exec or subsystem request, an
        SFTP peer that speaks a byte a second), so a timer closes the connection under them.
        """
        watchdog = threading.Timer(seconds, self._transport.close)
        watchdog.daemon = True
        watchdog.start()
        try:
            yield
        except RemoteError:
            raise
        # A hostile machine can make the library raise nearly anything (T3).
        except Exception as error:
            raise self._translated(error, path) from error
        finally:
            watchdog.cancel()
            watchdog.join()

    def _translated(self, error: Exception, path: str) -> RemoteError:
        if isinstance(error, FileNotFoundError):
            return RemoteFileMissingError(f"There is no {path} on the machine.")
        if self._is_refusal(error):
            said = _UNSHOWABLE.sub(" ", str(error))[:200]
            return RemoteError(
                f"The machine could not read or write {path}: {said}.",
                remedy="Its disk may be full. Start again on a machine with more disk.",
                code="E_REMOTE_FILE",
            )
        # Whatever is still under way belongs to a conversation that is out of step.
        self._transport.close()
        return SshUnreachableError(
            "The connection to the machine broke.", remedy="We connect again."
        )

    def _is_refusal(self, error: Exception) -> bool:
        """Say whether the machine answered with an error, rather than not at all."""
        if not isinstance(error, OSError) or isinstance(error, TimeoutError):
            return False
        if self._sftp is None or not self._transport.is_active():
            return False
        return not self._sftp_channel().closed

    def _sftp_channel(self) -> paramiko.Channel:
        channel = self._sftp.get_channel() if self._sftp is not None else None
        if channel is None:
            raise paramiko.SSHException("an SFTP session without a channel")
        return channel


@contextmanager
def _closing(file: Any) -> Iterator[Any]:
    """Close a file after a block, but not after silence: the answer would be waited for again."""
    try:
        yield file
    except TimeoutError:
        raise
    except Exception:
        file.close()
        raise
    file.close()


def _write_new(sftp: Any, path: str, data: bytes, *, mode: int) -> None:
    """Write a new file, with its mode set before its first byte."""
    with _closing(_open_new(sftp, path)) as file:
        file.chmod(mode)
        for start in range(0, len(data), BLOCK_BYTES):
            write_block(sftp, file, offset=start, data=data[start : start + BLOCK_BYTES])
        sync_file(sftp, file)


def _too_short(remote: str, *, there: int, size: int) -> RemoteError:
    return RemoteError(
        f"{remote} has {there} bytes on the machine, {size} were promised.",
        remedy="We look again. If it stays so, the machine's disk may be full.",
        code="E_REMOTE_FILE",
    )


def _open_new(sftp: Any, path: str) -> Any:
    """Open a file for writing from the start, with its parent folders."""
    try:
        return sftp.open(path, "w")
    except FileNotFoundError:
        for folder in reversed(PurePosixPath(path).parents[:-1]):
            _make_folder(sftp, str(folder))
        return sftp.open(path, "w")


def _make_folder(sftp: Any, folder: str) -> None:
    try:
        sftp.mkdir(folder, FOLDER_MODE)
    except TimeoutError:
        raise
    except OSError:
        # SFTP has no code for "exists already"; if it does not, opening the file will say so.
        return


def _size_of_regular_file(sftp: Any, path: str) -> int:
    """Return the size of a regular file; raises RemoteFileMissingError for links and the like."""
    found = sftp.lstat(path)
    if found.st_mode is None or not stat.S_ISREG(found.st_mode):
        raise RemoteFileMissingError(f"{path} on the machine is not a regular file.")
    return int(found.st_size or 0)
