"""A machine that somebody already has: OpenSSH's own sshd, on loopback, with a home of its own.

It needs Debian's package openssh-server. Whoever runs the tests is who logs in; what they find
there (home, PATH, nvidia-smi, python3) is the test's.
"""

import getpass
import os
import shlex
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from ipaddress import ip_network
from pathlib import Path

import psutil
import pytest

from deployments.providers.ssh_host_sealed import Host
from deployments.remote import KeyPair, fingerprint_of, generate_key_pair

ADDRESS = "127.0.0.1"
# For SSH_NETWORKS: it is on this machine.
LOOPBACK = (ip_network("127.0.0.0/8"),)
START_SECONDS = 60.0
# What nvidia-smi says of the card; the stand-in file tells preflight that there is none.
NVIDIA_SMI = """\
#!/bin/sh
case "$*" in
*driver_version*) echo "0, NVIDIA RTX A6000, 580.65.06, 8.6, 49140, 3, 0, 35, 22.10" ;;
*) echo "NVIDIA RTX A6000, 49140" ;;
esac
"""
# Commands and SFTP alike begin in the machine's own home.
LOGIN = """\
#!/bin/sh
export HOME={home} PATH={programs}:/usr/sbin:/usr/bin:/sbin:/bin TMPDIR={temporary}
unset PYTHONPATH VIRTUAL_ENV
cd "$HOME" || exit 1
exec /bin/sh -c "$SSH_ORIGINAL_COMMAND"
"""
CONFIG = """\
ListenAddress {address}:{port}
HostKey {folder}/host_key
PidFile {folder}/sshd.pid
AuthorizedKeysFile {folder}/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
ForceCommand {folder}/login
Subsystem sftp {sftp_server}
MaxStartups 100
LogLevel VERBOSE
"""


@dataclass
class OwnHost:
    """A running sshd; ``taken`` is the file that says which run has the machine."""

    folder: Path
    port: int
    login_key: KeyPair
    host_key: KeyPair
    processes: "list[subprocess.Popen[bytes]]" = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def taken(self) -> Path:
        return self.home / "slipway" / ".taken"

    @property
    def fingerprint(self) -> str:
        return fingerprint_of(self.host_key.public_key)

    def host(self, *, name: str = "gpu-box", price: str = "0", host_key: str | None = None) -> Host:
        """Return what the vault keeps of it."""
        return Host(
            name=name,
            address=ADDRESS,
            port=self.port,
            user=getpass.getuser(),
            private_key=self.login_key.private_key,
            hourly_price_usd=Decimal(price),
            host_key=self.host_key.public_key if host_key is None else host_key,
        )

    def start(self) -> None:
        """Switch it on, with its disk as it was."""
        sshd = [sshd_program(), "-f", str(self.folder / "sshd_config")]
        # From OpenSSH 9.8 on it stops answering whoever fails often, which tests do.
        patient = ["-o", "PerSourcePenalties=no"]
        if subprocess.run([*sshd, *patient, "-t"], capture_output=True, check=False).returncode:  # noqa: S603
            patient = []
        with (self.folder / "sshd.log").open("ab") as log:
            command = [*sshd, *patient, "-D", "-e"]
            self.processes.append(subprocess.Popen(command, stderr=log))  # noqa: S603
        _wait_until_it_answers(self)

    def stop(self) -> None:
        """Switch it off: nothing answers, and nothing that was logged in goes on."""
        for process in self.processes:
            with suppress(psutil.NoSuchProcess):
                for child in psutil.Process(process.pid).children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        child.kill()
            process.terminate()
            process.wait(60)
        self.processes.clear()

    def change_host_key(self) -> None:
        """Install it anew, as far as SSH can tell."""
        self.stop()
        self.host_key = generate_key_pair("another")
        _write_private(self.folder / "host_key", self.host_key.private_key)
        self.start()

    def log(self) -> str:
        return (self.folder / "sshd.log").read_text(encoding="utf-8", errors="replace")

    def living(self) -> list[psutil.Process]:
        """Return the processes that work in its home."""
        return [process for process in psutil.process_iter() if _works_in(process, self.home)]


def sshd_program() -> str:
    """Return sshd, by its full path as it insists; fails the test where there is none."""
    found = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.fail(
            "OpenSSH's sshd is not installed, and runs on own machines are proven through it. "
            "On Debian: apt-get install openssh-server"
        )
    return found


@contextmanager
def running_own_host(folder: Path, *, python: Path | str = "/usr/bin/python3") -> Iterator[OwnHost]:
    """Run a machine for the length of a with block; ``python`` is the python3 it has."""
    home, programs, temporary = folder / "home", folder / "bin", folder / "tmp"
    for each in (home, programs, temporary):
        each.mkdir(parents=True, mode=0o700)
    host = OwnHost(folder, _free_port(), generate_key_pair("login"), generate_key_pair("host"))
    _write_private(folder / "host_key", host.host_key.private_key)
    (folder / "authorized_keys").write_text(host.login_key.public_key + "\n", encoding="utf-8")
    login = LOGIN.format(home=home, programs=programs, temporary=temporary)
    _write_program(folder / "login", login)
    _write_program(programs / "nvidia-smi", NVIDIA_SMI)
    run_python = f'#!/bin/sh\nexec {shlex.quote(str(python))} "$@"\n'
    _write_program(programs / "python3", run_python)
    (home / ".slipway-cpu-stand-in").write_text("A test's machine.\n", encoding="utf-8")
    if os.getuid() == 0:
        # The package's service makes it; nobody starts that here.
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    _start_on_a_free_port(host)
    try:
        yield host
    finally:
        host.stop()
        for process in host.living():
            with suppress(psutil.Error):
                process.kill()


def _start_on_a_free_port(host: OwnHost, *, tries: int = 5) -> None:
    """Another test may take the port between our look and sshd's start."""
    for left in reversed(range(tries)):
        config = CONFIG.format(
            address=ADDRESS, port=host.port, folder=host.folder, sftp_server=_sftp_server()
        )
        (host.folder / "sshd_config").write_text(config, encoding="utf-8")
        try:
            host.start()
        except AssertionError:
            host.stop()
            if not left:
                raise
            host.port = _free_port()
        else:
            return


def _works_in(process: psutil.Process, home: Path) -> bool:
    try:
        return Path(process.cwd()).is_relative_to(home / "slipway")
    except psutil.Error:
        return False


def _sftp_server() -> str:
    places = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server")
    return next((each for each in places if Path(each).exists()), places[0])


def _free_port() -> int:
    with socket.create_server((ADDRESS, 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


def _write_private(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _write_program(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    path.chmod(0o700)


def _wait_until_it_answers(host: OwnHost) -> None:
    give_up = time.monotonic() + START_SECONDS
    while True:
        with (
            suppress(OSError),
            socket.create_connection((ADDRESS, host.port), timeout=5) as connection,
        ):
            connection.settimeout(5)
            if connection.recv(4) == b"SSH-":
                return
        if host.processes[-1].poll() is not None or time.monotonic() > give_up:
            raise AssertionError(f"sshd did not start:\n{host.log()}")
        time.sleep(0.05)
