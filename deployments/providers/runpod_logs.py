"""What a pod's own log tells of its SSH host keys.

The official images make the keys at each start and print their fingerprints, as ``ssh-keygen -l``
does, before sshd runs. The log comes over HTTPS from RunPod, so who stands between us and the pod
cannot write in it. Source: runpod/containers, container-template/start.sh (2026-07-29).
"""

import json
import re

_FINGERPRINT = re.compile(
    r"\s*\d{3,5} (SHA256:[A-Za-z0-9+/]{43}) .*\((?:RSA|DSA|ECDSA|ED25519)\)\s*"
)


def fingerprints(events: str) -> frozenset[str]:
    """Return the fingerprints in a stream of server-sent events; lines of the pod alone count."""
    found = (_FINGERPRINT.fullmatch(line) for line in _container_lines(events))
    return frozenset(match[1] for match in found if match)


def _container_lines(events: str) -> list[str]:
    lines = []
    for event in events.splitlines():
        if not event.startswith("data:"):
            continue
        try:
            data = json.loads(event.removeprefix("data:"))
        except (ValueError, RecursionError):
            continue
        if isinstance(data, dict) and data.get("source") == "container":
            line = data.get("line")
            if isinstance(line, str):
                lines.append(line)
    return lines
