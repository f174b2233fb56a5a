"""Check the answers of RunPod's REST v2 against the vendor's OpenAPI document, whose file you give.

    python -m tests.sandbox.runpod.check_openapi PATH [further arguments of schemathesis run]

A tool, as tests.sandbox.check_openapi is for Lambda; what is not served is left out and named, and
so is the log, whose stream ends only with its pod.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import requests

from tests.sandbox.check_openapi import CHECKS
from tests.sandbox_cloud import SandboxHandle, running_sandbox

SERVED = (
    "/v2/account/ssh-keys",
    "/v2/billing/pods",
    "/v2/catalog/datacenters",
    "/v2/catalog/gpus",
    "/v2/catalog/gpus/{id}",
    "/v2/pods",
    "/v2/pods/{id}",
    "/v2/pods/{id}/action",
)
GPU = "NVIDIA L4"
SECONDS = 60


def main() -> int:
    """Run the check; returns schemathesis's exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox.runpod.check_openapi")
    parser.add_argument("document", type=Path, help="the vendor's OpenAPI file")
    given, further = parser.parse_known_args()
    document = json.loads(given.document.read_text(encoding="utf-8"))
    left_out = [path for path in document["paths"] if path not in SERVED]
    sys.stdout.write(f"left out: {', '.join(left_out)}\n")
    with tempfile.TemporaryDirectory() as folder:
        file, config = Path(folder) / "openapi.json", Path(folder) / "schemathesis.toml"
        with running_sandbox(Path(folder) / "cloud", boot_seconds=0) as sandbox:
            file.write_text(json.dumps(_prepared(document, sandbox)), encoding="utf-8")
            # In a file, not in the process list (T16).
            config.write_text(
                'headers = { Authorization = "Bearer ${SANDBOX_API_KEY}" }\n', encoding="utf-8"
            )
            command = [
                str(Path(sys.executable).with_name("schemathesis")), f"--config-file={config}",
                "run", str(file), f"--url={sandbox.root_url}", f"--checks={','.join(CHECKS)}",
                "--mode=all", "--continue-on-failure", "--generation-database=none",
                "--phases=examples,coverage,fuzzing", *further,
            ]  # fmt: skip
            environment = {**os.environ, "SANDBOX_API_KEY": sandbox.api_key}
            return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603


def _prepared(document: dict[str, Any], sandbox: SandboxHandle) -> dict[str, Any]:
    """Leave what is served, and put a pod and a GPU that the sandbox knows in the paths."""
    order = {"name": "p", "image": "i", "gpu": {"id": GPU, "count": 1}, "disk": 20}
    pod_id = requests.post(
        f"{sandbox.root_url}/v2/pods", headers=sandbox.authorization, json=order, timeout=SECONDS
    ).json()["id"]
    document["paths"] = {path: document["paths"][path] for path in SERVED}
    for path, operations in document["paths"].items():
        known = GPU if "/gpus/" in path else pod_id
        parameters = operations.get("parameters", [])
        for operation in operations.values():
            parameters += operation.get("parameters", []) if isinstance(operation, dict) else []
        for parameter in parameters:
            if parameter.get("in") == "path":
                parameter["example"] = known
                parameter["schema"] = {"type": "string", "enum": [known]}
    return document


if __name__ == "__main__":
    sys.exit(main())
