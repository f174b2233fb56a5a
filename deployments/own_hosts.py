"""Machines that users already have: from what a person types to what the vault seals.

A machine is known by its SSH host key, which its user confirms once by its fingerprint.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

from django.contrib.auth.models import User
from django.views.decorators.debug import sensitive_variables

from core import limits
from core.errors import ConflictError, InvalidInputError, RateLimitedError
from deployments import clouds
from deployments.providers import OWN
from deployments.providers.base import ProviderError
from deployments.providers.ssh_host import address_of
from deployments.providers.ssh_host_sealed import Host, read
from deployments.remote import RemoteError, fingerprint_of, public_key_of, shown_host_key
from secrets_vault.kinds import Prepared

LOOKS_A_MINUTE = 10


@dataclass(frozen=True)
class Shown:
    """The host key that a machine shows, as its user can compare it."""

    host_key: str

    @property
    def fingerprint(self) -> str:
        """Return what ssh-keygen prints: SHA256:..."""
        return fingerprint_of(self.host_key)

    @property
    def file(self) -> str:
        """Return where the key usually lies on the machine."""
        kind = self.host_key.split()[0].removeprefix("ssh-").split("-")[0]
        return f"/etc/ssh/ssh_host_{kind}_key.pub"


def text_of(parts: Mapping[str, object]) -> str:
    """Return the parts as the one text that ``prepare`` reads."""
    return json.dumps(dict(parts))


def look(user: User, host: Host) -> Shown:
    """Ask a machine for its host key; nobody logs in. At most ten times a minute.

    Raises: InvalidInputError for an address that may not be asked or does not answer;
    RateLimitedError.
    """
    allowance = limits.take(f"host-key:{user.pk}", limit=LOOKS_A_MINUTE)
    if allowance.is_exceeded:
        raise RateLimitedError(
            "Machines were asked for their host keys too often.",
            remedy=f"Try again in {allowance.resets_in_seconds} s.",
            retry_after_seconds=allowance.resets_in_seconds,
        )
    return _shown(host)


@sensitive_variables("secret", "host")
def prepare(secret: str) -> Prepared:
    """Return what is sealed of a machine: its parts checked, its host key confirmed and whole.

    Raises: InvalidInputError naming the part; ConflictError with the fingerprint to confirm
    (E_HOSTKEY_UNCONFIRMED), or naming both where the machine shows another (E_HOSTKEY).
    """
    host = read(secret)
    try:
        public_key_of(host.private_key)
    except RemoteError as error:
        raise InvalidInputError(
            error.message, remedy=error.remedy, code=error.code, param="private_key"
        ) from None
    shown = _shown(host)
    confirmed = host.host_key
    if not confirmed.startswith("SHA256:") and confirmed:
        confirmed = _fingerprint_of_line(confirmed)
    if not confirmed:
        raise ConflictError(
            f"{host.where} shows the SSH host key {shown.fingerprint}. Nothing was sent to it.",
            remedy=f"Compare it on the machine itself (ssh-keygen -lf {shown.file}), then give "
            "that fingerprint as host_key.",
            code="E_HOSTKEY_UNCONFIRMED",
            param="host_key",
            details=[{"fingerprint": shown.fingerprint}],
        )
    if confirmed != shown.fingerprint:
        raise ConflictError(
            f"{host.where} shows the SSH host key {shown.fingerprint}, not {confirmed}. Nothing "
            "was sent to it.",
            remedy="If you expected that, confirm the new one; else treat it as an attack.",
            code="E_HOSTKEY",
            param="host_key",
            details=[{"fingerprint": shown.fingerprint}],
        )
    return Prepared(replace(host, host_key=shown.host_key).sealed(), name=host.name)


def _shown(host: Host) -> Shown:
    try:
        address = address_of(host, networks=clouds.endpoint(OWN).networks)
        return Shown(shown_host_key(address, host.port))
    except (ProviderError, RemoteError) as error:
        remedy = error.remedy
        if isinstance(error, RemoteError):
            remedy = "See that it is switched on and that this server can reach that port."
        raise InvalidInputError(
            f"{host.where}: {error.message} Nothing was changed.",
            remedy=remedy,
            code=error.code,
            param="address",
        ) from error


def _fingerprint_of_line(line: str) -> str:
    try:
        return fingerprint_of(line)
    except (ValueError, IndexError):
        raise InvalidInputError(
            "The host key cannot be read.",
            remedy="Give its fingerprint, SHA256:..., or the line of its .pub file.",
            param="host_key",
        ) from None
