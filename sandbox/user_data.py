"""The part of cloud-init's user data that the sandbox obeys: SSH host keys and login keys.

Keys and meaning are cloud-init's (module cc_ssh): ``ssh_keys`` holds host keys as
``<type>_private`` and ``<type>_public``, ``ssh_authorized_keys`` further login keys. Text that
cloud-init could not use is no error of the launch: the machine boots without it, as a real one.
"""

from dataclasses import dataclass

import asyncssh
import yaml

HEADER = "#cloud-config"


@dataclass(frozen=True)
class CloudConfig:
    """What the user data asks for; ``problem`` says what was left out, and why."""

    host_keys: tuple[asyncssh.SSHKey, ...] = ()
    login_keys: tuple[asyncssh.SSHKey, ...] = ()
    problem: str = ""
    # Host keys were asked for and are unusable: a real sshd would not start.
    breaks_sshd: bool = False


def read_user_data(text: str) -> CloudConfig:
    """Read user data as the machine's first boot would; JSON is YAML too."""
    if not text.strip():
        return CloudConfig()
    if text.splitlines()[0].strip() != HEADER:
        return CloudConfig(problem=f"The first line is not {HEADER}; the rest was not read.")
    try:
        config = yaml.safe_load(text)
    except yaml.YAMLError as error:
        return CloudConfig(problem=f"Not YAML: {error}")
    if not isinstance(config, dict):
        return CloudConfig(problem="Not a mapping.")
    login_keys, login_problem = _login_keys(config.get("ssh_authorized_keys"))
    host_keys, host_problem = _host_keys(config.get("ssh_keys"))
    return CloudConfig(
        host_keys=host_keys,
        login_keys=login_keys,
        problem=host_problem or login_problem,
        breaks_sshd=bool(host_problem),
    )


def _host_keys(given: object) -> tuple[tuple[asyncssh.SSHKey, ...], str]:
    if given is None:
        return (), ""
    if not isinstance(given, dict):
        return (), "ssh_keys is not a mapping."
    keys = []
    for name, text in given.items():
        if not str(name).endswith("_private"):
            continue
        # OpenSSH refuses a private key file whose last line does not end ("error in libcrypto").
        if not isinstance(text, str) or not text.endswith("\n"):
            return (), f"ssh_keys: {name} does not end with a newline; sshd cannot load it."
        try:
            keys.append(asyncssh.import_private_key(text))
        except asyncssh.KeyImportError as error:
            return (), f"ssh_keys: {name}: {error}"
    return tuple(keys), ""


def _login_keys(given: object) -> tuple[tuple[asyncssh.SSHKey, ...], str]:
    if given is None:
        return (), ""
    if not isinstance(given, list):
        return (), "ssh_authorized_keys is not a list."
    keys = []
    problem = ""
    for line in given:
        try:
            keys.append(asyncssh.import_public_key(str(line)))
        except asyncssh.KeyImportError as error:
            problem = f"ssh_authorized_keys: {error}"
    return tuple(keys), problem
