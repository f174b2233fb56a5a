"""From a vault entry to a provider, from a machine to its SSH target.

The only place where keys are opened for use.
"""

from pathlib import Path

from django.conf import settings

from core.errors import InvalidInputError
from deployments.models import Deployment, Machine
from deployments.pacer import DatabasePacer, Kind
from deployments.providers import PROVIDERS
from deployments.providers.base import Capabilities, Endpoint, Login, Pacer, Provider
from deployments.remote import KeyPair, SshTarget, generate_key_pair, public_key_of
from secrets_vault.models import VaultEntry
from secrets_vault.services import installation_secret, open_secret

LOGIN_KEY_NAME = "ssh-login-key"
# Reads share a task of 50 s with a launch of 30 s, so they get less.
READ_TIMEOUT_SECONDS = 15


def provider_class(platform: str) -> type[Provider]:
    """Return the provider of a platform; raises InvalidInputError naming those there are."""
    if platform not in PROVIDERS:
        raise InvalidInputError(
            f"There is no platform named {platform}.",
            remedy=f"Choose one of: {', '.join(sorted(PROVIDERS))}.",
            param="platform",
        )
    return PROVIDERS[platform]


def capabilities(platform: str) -> Capabilities:
    """Return what a platform can do."""
    return provider_class(platform).capabilities


def endpoint(platform: str) -> Endpoint:
    """Return where a platform's API and machines answer; settings win over the vendor's own."""
    prefix = platform.upper()
    vendor = provider_class(platform).default_endpoint()
    return Endpoint(
        base_url=getattr(settings, f"{prefix}_API_BASE_URL", "") or vendor.base_url,
        ssh_port=getattr(settings, f"{prefix}_SSH_PORT", vendor.ssh_port),
        ssh_user=getattr(settings, f"{prefix}_SSH_USER", vendor.ssh_user),
        read_timeout_seconds=READ_TIMEOUT_SECONDS,
        launch_timeout_seconds=settings.TIMING.launch_timeout_seconds,
        image=getattr(settings, f"{prefix}_IMAGE", "") or vendor.image,
        disk_gb=getattr(settings, f"{prefix}_DISK_GB", 0) or vendor.disk_gb,
        networks=getattr(settings, f"{prefix}_NETWORKS", ()),
    )


def pins_host_key(platform: str) -> bool:
    """Say whether the host key we inject is the only one accepted (F30), or the first one shown."""
    return capabilities(platform).injects_host_key and not takes_first_contact(platform)


def takes_first_contact(platform: str) -> bool:
    """Say whether the operator accepts whatever host key a machine shows first."""
    return getattr(settings, f"{platform.upper()}_HOST_KEY", "") == "first_contact"


def provider_for(entry: VaultEntry) -> Provider:
    """Return a client that calls with this key; raises SecretUnreadableError, never calls wrong."""
    return provider_with_key(
        entry.provider, open_secret(entry), pacer=DatabasePacer(entry, timing=settings.TIMING)
    )


def provider_with_key(platform: str, api_key: str, *, pacer: Pacer | None = None) -> Provider:
    """Return a client for a key that may not be in the vault; without a pacer it does not wait."""
    return provider_class(platform)(
        api_key=api_key, endpoint=endpoint(platform), pacer=pacer or Unpaced()
    )


class Unpaced:
    """For the one request that checks a key when its owner asks for it."""

    def wait(self, kind: Kind) -> None:
        """Return at once."""


def login_key() -> KeyPair:
    """Return the key pair this installation logs in with (T19): LAMBDA_SSH_KEY_PATH, or our own."""
    if settings.LAMBDA_SSH_KEY_PATH:
        private = Path(settings.LAMBDA_SSH_KEY_PATH).read_text(encoding="utf-8")
    else:
        private = installation_secret(
            LOGIN_KEY_NAME, lambda: generate_key_pair("slipway").private_key
        )
    return KeyPair(private_key=private, public_key=public_key_of(private))


def users_own_key(deployment: Deployment) -> tuple[str, ...]:
    """Return the public key the user asked to be added for their own log-in, if any.

    As it was registered when the run was accepted: another cloud does not know it by its name.
    """
    key = deployment.config.get("ssh_public_key")
    return (str(key),) if key else ()


def ssh_target(machine: Machine) -> SshTarget:
    """Return how to reach a machine: its newest address, its pinned host key.

    Raises: InvalidInputError for a machine whose key is not known and not taken unseen (I12).
    """
    host, port = ssh_address(machine)
    login = _login(machine)
    if not machine.host_public_key and not takes_first_contact(machine.platform):
        raise InvalidInputError(f"The host key of {machine.name} is not known yet.")
    return SshTarget(
        host=host,
        port=port,
        user=login.user if login else endpoint(machine.platform).ssh_user,
        private_key=login.private_key if login else login_key().private_key,
        host_key=machine.host_public_key,
    )


def _login(machine: Machine) -> Login | None:
    """Open the key of a machine that is its user's own, and of no other."""
    if not capabilities(machine.platform).is_own:
        return None
    return provider_for(machine.vault_entry).login()


def host_key_for(provider: Provider, platform: str, generated: KeyPair) -> str:
    """Return the host key a machine is known by before it is asked for; "" where none is."""
    login = provider.login()
    if login is not None:
        return login.host_key
    return generated.public_key if pins_host_key(platform) else ""


def ssh_address(machine: Machine) -> tuple[str, int]:
    """Return the host and the port at which a machine was last seen; both may change (F27)."""
    if not machine.seen_ip:
        raise InvalidInputError(f"{machine.name} has no address yet.")
    return machine.seen_ip, machine.seen_ssh_port or endpoint(machine.platform).ssh_port
