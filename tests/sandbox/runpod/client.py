"""A plain client of RunPod's wires: HTTP as any program would send it, SSH as any person would."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import paramiko
import requests

from tests.sandbox.client import WAIT_SECONDS, Client, KeyPair, Shown, run, wait_until

GPU = "NVIDIA L4"


class PodClient:
    """Calls one sandbox as RunPod, with one login key; faults and truth are ``client``'s."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.login_key = KeyPair.generate()
        self.base_url = f"{client.sandbox.root_url}/v2"

    def send(self, method: str, path: str, body: object = None) -> requests.Response:
        return requests.request(
            method,
            self.base_url + path,
            headers=self.client.sandbox.authorization,
            json=body,
            timeout=WAIT_SECONDS,
        )

    def fault(self, on: str, kind: str, **values: object) -> None:
        self.client.fault(on, kind, cloud="runpod", **values)

    def try_create(self, **changes: object) -> requests.Response:
        """Send a valid create with these changes; None leaves a field out."""
        body: dict[str, object] = {
            "name": "test-pod",
            "image": "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404",
            "gpu": {"id": GPU, "count": 1},
            "disk": 20,
            "ports": ["22/tcp"],
            "env": {"PUBLIC_KEY": self.login_key.public, "COLOUR": "green"},
        }
        body.update(changes)
        return self.send("POST", "/pods", {k: v for k, v in body.items() if v is not None})

    def create(self, **changes: object) -> dict[str, Any]:
        response = self.try_create(**changes)
        assert response.status_code == 201, response.text
        pod: dict[str, Any] = response.json()
        return pod

    def create_running(self, **changes: object) -> dict[str, Any]:
        """Create a pod and return it once it says where its SSH is."""
        return self.wait_for_ssh(self.create(**changes)["id"])

    def pod(self, pod_id: str) -> dict[str, Any]:
        pod: dict[str, Any] = self.send("GET", f"/pods/{pod_id}").json()
        return pod

    def act(self, pod_id: str, action: str) -> requests.Response:
        return self.send("POST", f"/pods/{pod_id}/action", {"action": action})

    def listed_ids(self) -> list[str]:
        return [pod["id"] for pod in self.send("GET", "/pods").json()["pods"]]

    def wait_for_ssh(self, pod_id: str) -> dict[str, Any]:
        wait_until(lambda: self.pod(pod_id)["ssh"]["direct"] is not None)
        return self.pod(pod_id)

    def wait_for(self, pod_id: str, status: str) -> dict[str, Any]:
        wait_until(lambda: self.pod(pod_id)["status"] == status)
        return self.pod(pod_id)

    def log_lines(self, pod_id: str, *, until: str, query: str = "") -> list[dict[str, Any]]:
        """Return the events of the log up to the line that holds ``until``."""
        with requests.get(
            f"{self.base_url}/pods/{pod_id}/logs{query}",
            headers=self.client.sandbox.authorization,
            timeout=WAIT_SECONDS,
            stream=True,
        ) as response:
            assert response.headers["Content-Type"] == "text/event-stream"
            events = []
            for line in response.iter_lines(decode_unicode=True):
                if line.startswith("data: "):
                    events.append(json.loads(line.removeprefix("data: ")))
                    if until in events[-1]["line"]:
                        break
            return events

    @contextmanager
    def ssh(
        self, pod: dict[str, Any], *, key: KeyPair | None = None, user: str = "root"
    ) -> Iterator[paramiko.SSHClient]:
        """Log in; nothing but a host key that is the machine's own is taken."""
        direct = pod["ssh"]["direct"]
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        for line in self.client.truth(pod["id"])["host_keys"]:
            kind, blob = line.split()[:2]
            pinned = paramiko.PKey.from_type_string(kind, base64.b64decode(blob))
            client.get_host_keys().add(f"[{direct['host']}]:{direct['port']}", kind, pinned)
        try:
            client.connect(
                direct["host"],
                port=direct["port"],
                username=user,
                pkey=(key or self.login_key).loaded(),
                allow_agent=False,
                look_for_keys=False,
                timeout=WAIT_SECONDS,
                banner_timeout=WAIT_SECONDS,
                auth_timeout=WAIT_SECONDS,
            )
            yield client
        finally:
            client.close()

    def run(self, pod: dict[str, Any], command: str) -> Shown:
        with self.ssh(pod) as ssh:
            return run(ssh, command)
