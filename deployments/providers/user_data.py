"""What a new machine is told by cloud-init: its SSH host key, and who may log in besides us."""

import json

from deployments.providers.base import LaunchRequest


def cloud_config(request: LaunchRequest) -> str:
    """Return the cloud-init user data of a launch, "" when there is nothing to say.

    The keys of the image are removed (``ssh_deletekeys``) and only ours is written, so that the
    machine can show no other; without a key of ours cloud-init makes new ones. JSON is valid
    YAML, and keeps the last newline of the private key, without which OpenSSH rejects it.
    Source: cloud-init, module cc_ssh (read 2026-11): ``ssh_keys`` are written as given,
    ``ssh_authorized_keys`` are added to the keys the cloud itself lets in.
    """
    config: dict[str, object] = {}
    if request.host_private_key:
        config["ssh_deletekeys"] = True
        config["ssh_keys"] = {
            "ed25519_private": request.host_private_key.rstrip("\n") + "\n",
            "ed25519_public": request.host_public_key,
        }
    if request.authorized_keys:
        config["ssh_authorized_keys"] = list(request.authorized_keys)
    if not config:
        return ""
    return f"#cloud-config\n{json.dumps(config, indent=2)}\n"
