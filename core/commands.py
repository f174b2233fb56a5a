"""Starting our own management commands as processes of their own."""

import subprocess
import sys
from pathlib import Path

from django.conf import settings

_started: list[subprocess.Popen[bytes]] = []


def start(name: str, argument: str) -> None:
    """Start ``manage.py`` with a command, and wait for nothing: a row tells how it goes.

    For work that may take longer than a task may, or that nothing else is to die with.
    """
    # Those that have ended are read off here, or they would stay as zombies.
    _started[:] = [process for process in _started if process.poll() is None]
    command = [sys.executable, str(Path(settings.BASE_DIR) / "manage.py"), name, argument]
    _started.append(
        subprocess.Popen(  # noqa: S603  # our own command
            command, start_new_session=True, stdin=subprocess.DEVNULL
        )
    )
