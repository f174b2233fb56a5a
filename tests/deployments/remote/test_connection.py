"""Logging in: who the machine is comes first, and every failure has one of three names."""

from dataclasses import replace
from pathlib import Path

import pytest

from deployments.remote import (
    HostKeyMismatchError,
    Limits,
    RemoteError,
    SshAuthError,
    SshTarget,
    SshUnreachableError,
    connect,
    generate_key_pair,
)
from tests.deployments.remote.conftest import PATIENCE_SECONDS, PATIENT
from tests.deployments.remote.machine import HOST, Machine, closed_port, silent_port


def target_at(port: int) -> SshTarget:
    key = generate_key_pair("login")
    return SshTarget(HOST, port, "ubuntu", key.private_key, generate_key_pair("host").public_key)


def test_a_machine_with_the_pinned_host_key_lets_us_in(machine: Machine) -> None:
    with connect(machine.target()) as remote:
        result = remote.run("echo hello", timeout_seconds=PATIENCE_SECONDS)

    assert (result.exit_status, result.stdout) == (0, "hello\n")


def test_f30_a_machine_with_another_host_key_gets_no_byte_of_ours(machine: Machine) -> None:
    other = generate_key_pair("other")

    with (
        pytest.raises(HostKeyMismatchError) as caught,
        connect(machine.target(host_key=other.public_key)),
    ):
        pass

    # I12: not even the user name was sent.
    assert machine.logins == []
    assert caught.value.code == "E_HOSTKEY"
    assert "SHA256:" in caught.value.message
    assert caught.value.remedy


def test_first_contact_takes_the_key_the_machine_shows_and_tells_it(machine: Machine) -> None:
    with connect(machine.target(host_key="")) as remote:
        learnt = remote.host_key

    assert learnt.split() == machine.host_key.public_key.split()[:2]
    with connect(machine.target(host_key=learnt)) as remote:
        assert remote.host_key == learnt


def test_a_refused_login_key_is_told_from_an_unreachable_machine(machine: Machine) -> None:
    stranger = generate_key_pair("stranger")

    with (
        pytest.raises(SshAuthError) as caught,
        connect(machine.target(private_key=stranger.private_key)),
    ):
        pass

    assert caught.value.code == "E_SSH_AUTH"
    assert caught.value.remedy


def test_a_closed_port_is_unreachable() -> None:
    with (
        pytest.raises(SshUnreachableError) as caught,
        connect(target_at(closed_port()), limits=PATIENT),
    ):
        pass

    assert caught.value.code == "E_SSH_UNREACHABLE"
    assert caught.value.remedy


def test_a_name_that_does_not_resolve_is_unreachable() -> None:
    target = replace(target_at(22), host="no-such-host.invalid")

    with pytest.raises(SshUnreachableError), connect(target, limits=PATIENT):
        pass


@pytest.mark.parametrize(
    "answer",
    [b"", b"SSH-2.0-silent\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\xff" * 5000],
    ids=["nothing", "a banner and then nothing", "HTTP", "noise"],
)
def test_f29_a_port_that_does_not_speak_ssh_is_unreachable_in_time(answer: bytes) -> None:
    limits = replace(PATIENT, connect_seconds=0.5, banner_seconds=0.5)

    with (
        silent_port(answer=answer) as port,
        pytest.raises(SshUnreachableError),
        connect(target_at(port), limits=limits),
    ):
        pass


def test_a_machine_that_freezes_before_the_login_is_unreachable_and_not_refusing(
    machine: Machine,
) -> None:
    # F29: three minutes of refused logins end a machine; silence must not count as that.
    machine.freezes_at_login = True

    with (
        pytest.raises(SshUnreachableError),
        connect(machine.target(), limits=replace(PATIENT, auth_seconds=0.5)),
    ):
        pass


def test_a_machine_that_hangs_up_during_the_login_is_unreachable_and_not_refusing(
    machine: Machine,
) -> None:
    machine.hangs_up_at_login = True

    with pytest.raises(SshUnreachableError), connect(machine.target(), limits=PATIENT):
        pass


def test_the_ssh_configuration_and_the_agent_of_whoever_runs_us_are_not_used(
    machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "somebody"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "config").write_text(f"Host *\n  Hostname 127.0.0.9\n  Port {closed_port()}\n")
    (home / ".fabric.yaml").write_text("user: nobody\ngateway: 127.0.0.9\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("SSH_AUTH_SOCK", str(home / "stale-agent"))

    with connect(machine.target()) as remote:
        assert remote.run("true", timeout_seconds=PATIENCE_SECONDS).exit_status == 0

    assert set(machine.logins) == {"ubuntu"}


def test_a_pinned_key_that_is_none_is_an_error_and_not_a_first_contact(machine: Machine) -> None:
    with (
        pytest.raises(RemoteError) as caught,
        connect(machine.target(host_key="ssh-ed25519 garbage")),
    ):
        pass

    assert caught.value.code == "E_HOSTKEY"
    assert machine.logins == []


def test_an_unusable_login_key_is_named_without_quoting_it(machine: Machine) -> None:
    with (
        pytest.raises(RemoteError) as caught,
        connect(machine.target(private_key="not a key at all")),
    ):
        pass

    assert caught.value.code == "E_LOGIN_KEY"
    assert "not a key at all" not in str(caught.value)


def test_the_private_key_is_in_no_representation_of_a_target(machine: Machine) -> None:
    assert "PRIVATE KEY" not in repr(machine.target())


def test_by_default_connecting_gives_each_step_ten_seconds() -> None:
    limits = Limits()

    assert limits.connect_seconds == limits.banner_seconds == limits.auth_seconds == 10
