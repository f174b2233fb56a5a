"""The clouds behind one narrow door: one module and one line in PROVIDERS each."""

from deployments.providers.base import Provider
from deployments.providers.lambda_cloud import LambdaCloud
from deployments.providers.runpod import RunPod
from deployments.providers.ssh_host import SshHost

PROVIDERS: dict[str, type[Provider]] = {"lambda": LambdaCloud, "runpod": RunPod, "ssh": SshHost}
# Machines that users already have.
OWN = "ssh"


def rented() -> list[str]:
    """Return the clouds that rent machines out, in the order of PROVIDERS."""
    return [name for name, cloud in PROVIDERS.items() if not cloud.capabilities.is_own]


__all__ = ["OWN", "PROVIDERS", "rented"]
