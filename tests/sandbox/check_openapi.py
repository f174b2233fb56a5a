"""Check the sandbox's answers against the vendor's OpenAPI document, whose file you give.

    python -m tests.sandbox.check_openapi PATH [further arguments of schemathesis run]

A tool, not a part of the suite: the document belongs to the vendor and is not in the repository.
It starts a sandbox of its own, gives it a machine, a key, a file system and a ruleset, so that
found things are answered too, and lets schemathesis compare status codes, content types and bodies
with what the document declares. The exit status is schemathesis's: 0 without a violation.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.sandbox.client import KEY_NAME, Client
from tests.sandbox_cloud import running_sandbox

# The checks are about answers; what a client may not send is another matter.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
# Paths left out by their beginning, each with its reason.
NOT_SERVED: Mapping[str, str] = {
    "/api/v1/fabric": "Compute fabric partitions; no client of single machines uses them.",
    "/api/v1/tickets": "Support tickets; nobody answers them here.",
}


def main() -> int:
    """Run the check; returns schemathesis's exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.check_openapi")
    parser.add_argument("document", type=Path, help="the vendor's OpenAPI file")
    given, further = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        document = _prepared(json.loads(given.document.read_text(encoding="utf-8")))
        file = Path(folder) / "openapi.json"
        with running_sandbox(Path(folder) / "cloud", boot_seconds=0) as sandbox:
            file.write_text(
                json.dumps(_with_known_things(document, Client(sandbox))), encoding="utf-8"
            )
            command = [
                str(Path(sys.executable).with_name("schemathesis")), "run", str(file),
                f"--url={sandbox.root_url}", f"--checks={','.join(CHECKS)}",
                "--mode=all", "--continue-on-failure", "--generation-database=none",
                "--phases=examples,coverage,fuzzing", *further,
            ]  # fmt: skip
            # In a file, not in the process list (T16).
            config = Path(folder) / "schemathesis.toml"
            config.write_text(
                '[auth.openapi.bearerAuth]\nbearer = "${SANDBOX_API_KEY}"\n', encoding="utf-8"
            )
            environment = {**os.environ, "SANDBOX_API_KEY": sandbox.api_key}
            return subprocess.run(  # noqa: S603 - our own tool
                [command[0], f"--config-file={config}", *command[1:]], env=environment, check=False
            ).returncode


def _prepared(document: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the sandbox does not serve, and say so."""
    for path in list(document["paths"]):
        for beginning, reason in NOT_SERVED.items():
            if path.startswith(beginning):
                sys.stdout.write(f"left out: {path} ({reason})\n")
                del document["paths"][path]
    return document


def _with_known_things(document: dict[str, Any], client: Client) -> dict[str, Any]:
    """Put what this sandbox knows in place of the document's examples and free texts.

    Only what is sent is narrowed: invented ids and names would be answered with 404 for ever. What
    is expected of an answer stays the vendor's.
    """
    key = client.post("/ssh-keys", {"name": "for-the-check"}).json()["data"]["id"]
    place = {"region": "us-east-1", "name": "for-the-check"}
    ruleset = client.post("/firewall-rulesets", {**place, "rules": []}).json()["data"]["id"]
    file_system = client.post("/filesystems", place).json()["data"]["id"]
    machine = client.launch()
    for path, known_id in {
        "/api/v1/instances/{id}": machine,
        "/api/v1/ssh-keys/{id}": key,
        "/api/v1/filesystems/{id}": file_system,
        "/api/v1/firewall-rulesets/{id}": ruleset,
    }.items():
        for operation in document["paths"][path].values():
            for parameter in operation.get("parameters", []):
                parameter["example"] = parameter["schema"]["example"] = known_id
    operations = "/api/v1/instance-operations/"
    for path, known in {
        operations + "launch": {
            "region_name": ["us-east-1", "us-west-1"],
            "instance_type_name": ["gpu_1x_a10", "gpu_8x_b200_sxm6"],
            "ssh_key_names": [KEY_NAME],
            "file_system_names": ["for-the-check"],
        },
        operations + "restart": {"instance_ids": [machine]},
        operations + "terminate": {"instance_ids": [machine]},
        "/api/v1/filesystems": {"region": ["us-east-1"]},
        "/api/v1/firewall-rulesets": {"region": ["us-east-1"]},
    }.items():
        content = document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
        _narrow(content["schema"]["properties"], known)
        content.pop("example", None)
        content.pop("examples", None)
    return document


def _narrow(properties: dict[str, Any], known: Mapping[str, list[str]]) -> None:
    """Leave only known values for a text, or for the items of a list."""
    for name, values in known.items():
        narrowed = properties[name]
        for key in ("example", "examples"):
            narrowed.pop(key, None)
        target = narrowed.get("items", narrowed)
        target.update(enum=values)
        target.pop("example", None)


if __name__ == "__main__":
    sys.exit(main())
