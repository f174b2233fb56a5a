"""A plain client of the sandbox: HTTP as any program would send it, SSH as any person would."""

import base64
import io
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import paramiko
import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tests.sandbox_cloud import SandboxHandle

SSH_PORT = 2222
KEY_NAME = "test-key"
# Only there to end a broken test; a machine that does other things may take its time.
WAIT_SECONDS = 90.0


@dataclass(frozen=True)
class KeyPair:
    """An ed25519 pair in OpenSSH's formats."""

    private: str
    public: str

    @classmethod
    def generate(cls) -> "KeyPair":
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
        return cls(private.decode(), public.decode())

    def loaded(self) -> paramiko.PKey:
        return paramiko.Ed25519Key.from_private_key(io.StringIO(self.private))


@dataclass(frozen=True)
class Shown:
    """What a command showed: exit status (-1 when there was none), stdout, stderr."""

    status: int
    stdout: str
    stderr: str


class Client:
    """Calls one sandbox with one registered login key."""

    def __init__(self, sandbox: SandboxHandle) -> None:
        self.sandbox = sandbox
        self.login_key = KeyPair.generate()
        self.host_key = KeyPair.generate()
        self.post("/ssh-keys", {"name": KEY_NAME, "public_key": self.login_key.public})

    def get(self, path: str) -> requests.Response:
        return self._send("GET", path)

    def post(self, path: str, body: object) -> requests.Response:
        return self._send("POST", path, json=body)

    def put(self, path: str, body: object) -> requests.Response:
        return self._send("PUT", path, json=body)

    def patch(self, path: str, body: object) -> requests.Response:
        return self._send("PATCH", path, json=body)

    def delete(self, path: str) -> requests.Response:
        return self._send("DELETE", path)

    def control(self, method: str, path: str, body: object = None) -> Any:
        return self.sandbox.control(method, path, body)

    def fault(self, on: str, kind: str, **values: object) -> None:
        self.control("POST", "faults", {"on": on, "kind": kind, **values})

    def try_launch(self, **changes: object) -> requests.Response:
        """Send a valid launch with these changes; None leaves a field out."""
        body: dict[str, object] = {
            "region_name": "us-east-1",
            "instance_type_name": "gpu_1x_a10",
            "ssh_key_names": [KEY_NAME],
            "name": "test-machine",
            "user_data": cloud_config(self.host_key),
        }
        body.update(changes)
        body = {name: value for name, value in body.items() if value is not None}
        return self.post("/instance-operations/launch", body)

    def launch(self, **changes: object) -> str:
        """Launch and return the id."""
        response = self.try_launch(**changes)
        assert response.status_code == 200, response.text
        (machine_id,) = response.json()["data"]["instance_ids"]
        return str(machine_id)

    def launch_active(self, **changes: object) -> dict[str, Any]:
        """Launch and return the instance once it is active."""
        return self.wait_for(self.launch(**changes), "active")

    def terminate(self, *machine_ids: str) -> requests.Response:
        return self.post("/instance-operations/terminate", {"instance_ids": list(machine_ids)})

    def instance(self, machine_id: str) -> dict[str, Any]:
        data: dict[str, Any] = self.get(f"/instances/{machine_id}").json()["data"]
        return data

    def listed_ids(self) -> list[str]:
        return [instance["id"] for instance in self.get("/instances").json()["data"]]

    def wait_for(self, machine_id: str, status: str) -> dict[str, Any]:
        wait_until(lambda: self.instance(machine_id)["status"] == status)
        return self.instance(machine_id)

    def truth(self, machine_id: str) -> dict[str, Any]:
        """Return what the cloud itself knows of the machine."""
        machines = self.control("GET", "machines")["machines"]
        (machine,) = [machine for machine in machines if machine["id"] == machine_id]
        found: dict[str, Any] = machine
        return found

    def bill(self, machine_id: str) -> dict[str, Any]:
        entries = self.control("GET", "ledger")["entries"]
        (entry,) = [entry for entry in entries if entry["machine_id"] == machine_id]
        found: dict[str, Any] = entry
        return found

    def last_request(self) -> dict[str, Any]:
        found: dict[str, Any] = self.control("GET", "requests")["requests"][-1]
        return found

    @contextmanager
    def ssh(
        self, ip: str, *, key: KeyPair | None = None, host_key: str | None = None
    ) -> Iterator[paramiko.SSHClient]:
        """Log in; nothing but the pinned host key is taken."""
        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        kind, blob = (host_key or self.host_key.public).split()[:2]
        pinned = paramiko.PKey.from_type_string(kind, base64.b64decode(blob))
        client.get_host_keys().add(f"[{ip}]:{SSH_PORT}", kind, pinned)
        try:
            client.connect(
                ip,
                port=SSH_PORT,
                username="ubuntu",
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

    def run(self, ip: str, command: str, *, stdin: bytes = b"") -> Shown:
        with self.ssh(ip) as client:
            return run(client, command, stdin=stdin)

    def _send(self, method: str, path: str, json: object = None) -> requests.Response:
        return requests.request(
            method,
            self.sandbox.base_url + path,
            headers=self.sandbox.authorization,
            json=json,
            timeout=WAIT_SECONDS,
        )


def run(client: paramiko.SSHClient, command: str, *, stdin: bytes = b"") -> Shown:
    """Run one command to its end."""
    sender, stdout, stderr = client.exec_command(command, timeout=WAIT_SECONDS)
    sender.write(stdin)
    sender.channel.shutdown_write()
    shown, complained = stdout.read().decode(), stderr.read().decode()
    return Shown(stdout.channel.recv_exit_status(), shown, complained)


def cloud_config(host_key: KeyPair, *login_keys: KeyPair) -> str:
    """Return user data that injects the host key, and further login keys."""
    config: dict[str, object] = {
        "ssh_keys": {"ed25519_private": host_key.private, "ed25519_public": host_key.public}
    }
    if login_keys:
        config["ssh_authorized_keys"] = [key.public for key in login_keys]
    return "#cloud-config\n" + json.dumps(config)


def wait_until(is_so: Callable[[], object]) -> None:
    """Return as soon as it is so."""
    give_up = time.monotonic() + WAIT_SECONDS
    while not is_so():
        assert time.monotonic() < give_up, "It did not happen."
        time.sleep(0.01)
