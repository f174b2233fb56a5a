"""One open SSH connection to a machine."""

from pathlib import Path

from deployments.remote.target import Result


class Remote:
    """Commands and files on one machine; paths are relative to the login home."""

    host_key: str

    def run(self, command: str, *, timeout_seconds: float, stdin: bytes | None = None) -> Result:
        raise NotImplementedError

    def write(self, path: str, data: bytes, *, mode: int) -> None:
        raise NotImplementedError

    def read(self, path: str, *, offset: int, limit: int) -> bytes:
        raise NotImplementedError

    def upload(self, local: Path, remote: str, *, sha256: str, deadline: float) -> bool:
        raise NotImplementedError

    def download(self, remote: str, local: Path, *, size: int, deadline: float) -> bool:
        raise NotImplementedError
