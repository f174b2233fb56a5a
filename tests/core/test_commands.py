"""Our own commands as processes."""

import subprocess
from pathlib import Path
from typing import Any

import pytest

from core import commands


def test_the_process_is_one_of_our_own_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[list[str]] = []

    class Process:
        """A process that has ended."""

        def __init__(self, command: list[str], **options: Any) -> None:
            started.append(command)

        def poll(self) -> int:
            return 0

    monkeypatch.setattr(subprocess, "Popen", Process)

    commands.start("check_data", "an id")
    commands.start("check_data", "another")

    assert [Path(command[1]).name for command in started] == ["manage.py"] * 2
    assert [command[2:] for command in started] == [
        ["check_data", "an id"],
        ["check_data", "another"],
    ]
