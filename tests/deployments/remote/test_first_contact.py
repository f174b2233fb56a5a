"""A machine's host key, read before anything is said to it."""

import re
import subprocess
from pathlib import Path

import pytest

from deployments.remote import (
    Limits,
    SshUnreachableError,
    fingerprint_of,
    generate_key_pair,
    shown_host_key,
)
from tests.deployments.remote.machine import HOST, Machine, closed_port, silent_port


def test_i12_a_machine_shows_its_key_to_who_does_not_log_in(machine: Machine) -> None:
    shown = shown_host_key(HOST, machine.target().port)

    assert shown.split() == machine.host_key.public_key.split()[:2]
    assert machine.logins == []


def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(SshUnreachableError):
        shown_host_key(HOST, closed_port())
    with silent_port() as port, pytest.raises(SshUnreachableError):
        shown_host_key(HOST, port, limits=Limits(banner_seconds=0.2))


def test_a_fingerprint_is_written_as_ssh_keygen_does(tmp_path: Path) -> None:
    key = generate_key_pair("host").public_key
    file = tmp_path / "key.pub"
    file.write_text(key)
    said = subprocess.run(  # noqa: S603  # ssh-keygen on a file of ours
        ["/usr/bin/ssh-keygen", "-lf", str(file)], capture_output=True, text=True, check=True
    ).stdout

    assert re.findall(r"SHA256:\S+", said) == [fingerprint_of(key)]
