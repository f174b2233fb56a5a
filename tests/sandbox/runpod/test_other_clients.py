"""Other people's clients, unchanged, against the sandbox: pip ``runpod`` and dstack's own.

Each lives in a virtual environment of its own under var/test-cache, made at the first run; only
there is the network needed.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.runpod.client import GPU, PodClient
from tests.trainer import ROOT

CACHE = Path(os.environ.get("SLIPWAY_TEST_CACHE", ROOT / "var" / "test-cache")) / "clients"
INSTALL_SECONDS = 600
RUN_SECONDS = 120

# The dstack package without all that only its server needs.
DSTACK = ("--no-deps", "dstack==0.22.5", "gpuhunt==0.1.34", "requests==2.34.2", "certifi",
          "charset-normalizer", "idna", "typing-extensions", "urllib3")  # fmt: skip

RUNPOD_SCRIPT = """
import json, os, time
import runpod

runpod.api_key = os.environ["SANDBOX_API_KEY"]
key = os.environ["PUBLIC_KEY"]
gpu = runpod.get_gpu(os.environ["GPU"])
made = runpod.create_pod(
    "pip-runpod", "runpod/pytorch", gpu["id"], ports="22/tcp,8888/http", env={"PUBLIC_KEY": key}
)
give_up = time.monotonic() + 60
while not ((runpod.get_pod(made["id"])["runtime"] or {}).get("ports")):
    assert time.monotonic() < give_up
    time.sleep(0.1)
pod = runpod.get_pod(made["id"])
listed = [each["id"] for each in runpod.get_pods()]
stopped = runpod.stop_pod(made["id"])
resumed = runpod.resume_pod(made["id"], 1)
runpod.terminate_pod(made["id"])
try:
    runpod.create_pod("none", "i", "NVIDIA B200")
except runpod.error.QueryError as error:
    refused = str(error)
print(json.dumps({"gpu": gpu, "pod": pod, "listed": listed, "stopped": stopped,
                  "resumed": resumed, "after": runpod.get_pods(),
                  "gone": runpod.get_pod(made["id"]), "refused": refused}))
"""

DSTACK_SCRIPT = """
import json, os, time
from dstack._internal.core.backends.runpod import api_client

api_client.API_V2_URL = os.environ["API"] + "/v2"
api_client.API_GRAPHQL_URL = os.environ["API"] + "/graphql"
client = api_client.RunpodApiClient(os.environ["SANDBOX_API_KEY"])
stranger = api_client.RunpodApiClient("not-a-key-at-all")
order = dict(name="dstack", cloud="SECURE", gpu_type_id=os.environ["GPU"], gpu_count=1,
             container_disk_in_gb=20, image_name="runpod/pytorch", entrypoint=["/bin/sh"],
             cmd=["-c", "sleep infinity"], ports=["22/tcp"],
             env={"PUBLIC_KEY": os.environ["PUBLIC_KEY"]})
made = client.create_pod(**order)
give_up = time.monotonic() + 60
while client.get_pod(made["id"])["runtime"] is None:
    assert time.monotonic() < give_up
    time.sleep(0.1)
pod = client.get_pod(made["id"])
try:
    client.create_pod(**{**order, "gpu_type_id": "NVIDIA B200"})
except api_client.RunpodV2ClientError as error:
    refused = str(error)
community = client.create_gpu_pod_graphql(
    "dstack-community", "i", "NVIDIA GeForce RTX 4090", "COMMUNITY", country_code="CZ"
)
ended = [client.terminate_pod(each["id"]) for each in (made, made, community)]
print(json.dumps({"valid": client.validate_api_key(), "stranger": stranger.validate_api_key(),
                  "pod": pod, "refused": refused, "ended": ended,
                  "gone": client.get_pod(made["id"])}))
"""


def environment(name: str, *requirements: str) -> Path:
    """Return the python of an environment that holds the packages, made once."""
    folder = CACHE / name
    python = folder / "bin" / "python"
    if (folder / "ready").exists():
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)  # noqa: S603
    install = [str(python), "-m", "pip", "install", "--quiet", *requirements]
    subprocess.run(install, check=True, timeout=INSTALL_SECONDS)  # noqa: S603
    (folder / "ready").touch()
    return python


def run_script(python: Path, script: str, pods: PodClient) -> Any:
    """Run the script and return the JSON of its last line."""
    root_url = pods.client.sandbox.root_url
    variables = {
        "API": root_url,
        "RUNPOD_API_BASE_URL": root_url,
        "SANDBOX_API_KEY": pods.client.sandbox.api_key,
        "PUBLIC_KEY": pods.login_key.public,
        "GPU": GPU,
    }
    done = subprocess.run(  # noqa: S603
        [python, "-c", script],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=RUN_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.full
def test_pip_runpod_lists_creates_stops_and_ends_pods(pods: PodClient) -> None:
    shown = run_script(environment("runpod-1.12.0", "runpod==1.12.0"), RUNPOD_SCRIPT, pods)

    pod_id = shown["pod"]["id"]
    assert (shown["gpu"]["securePrice"], shown["pod"]["costPerHr"]) == (0.49, 0.49)
    assert shown["pod"]["name"] == "pip-runpod"
    assert shown["pod"]["runtime"]["ports"][0]["privatePort"] == 22
    assert shown["listed"] == [pod_id]
    assert (shown["stopped"]["desiredStatus"], shown["resumed"]["desiredStatus"]) == (
        "EXITED",
        "RUNNING",
    )
    assert (shown["gone"], shown["after"]) == (None, [])
    assert shown["refused"].startswith("There are no longer any instances available")
    assert pods.client.truth(pod_id)["cloud"] == "runpod"


@pytest.mark.full
def test_dstack_s_client_creates_gets_and_ends_pods(pods: PodClient) -> None:
    shown = run_script(environment("dstack-0.22.5", *DSTACK), DSTACK_SCRIPT, pods)

    assert (shown["valid"], shown["stranger"]) == (True, False)
    assert shown["pod"]["status"] == "RUNNING"
    assert shown["pod"]["runtime"]["ports"][0]["private"] == 22
    assert shown["refused"].startswith("400: Bad Request: There are no longer any instances")
    assert shown["ended"] == [True, False, True]
    assert shown["gone"] is None
