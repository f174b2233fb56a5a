"""Questions to Lambda that no client needs to ask, for ``manage.py prove_cloud``.

Its document leaves open what is asked here: which fields are missing while a machine boots, how
long an ended one is still known, and how a name that does not exist is refused. Nothing here rents
a machine on purpose; should a launch that must be refused be accepted, its ids are handed back.
"""

import base64
import secrets
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import requests

from deployments.providers.base import Endpoint, Pacer
from deployments.providers.http import USER_AGENT, Answer, HttpClient
from deployments.providers.probes import Refusal

# Fields whose absence the document does not settle: it calls them optional and says no more.
LATE_FIELDS = ("ip", "private_ip", "hostname", "jupyter_token", "jupyter_url")
DECLARED = frozenset(
    {
        *LATE_FIELDS, "id", "name", "status", "ssh_key_names", "file_system_names",
        "file_system_mounts", "region", "instance_type", "actions", "tags", "firewall_rulesets",
    }
)  # fmt: skip
UNKNOWN_ID = "0" * 32
BURST = 12


class LambdaProbes:
    """Raw questions under one key."""

    def __init__(self, *, api_key: str, endpoint: Endpoint, pacer: Pacer) -> None:
        self._key = api_key
        self._endpoint = endpoint
        self._http = HttpClient(
            label="Lambda", base_url=endpoint.base_url, api_key=api_key, pacer=pacer
        )

    def shape(self, instance_id: str) -> dict[str, str]:
        """Return each late field as missing, null, empty or set, and what is not declared."""
        answer = self.ask("GET", f"/instances/{quote(instance_id, safe='')}")
        data = _data(answer)
        if not isinstance(data, dict):
            return {"answer": self._words(answer)}
        shape = {name: _presence(data, name) for name in LATE_FIELDS}
        shape["undeclared fields"] = ", ".join(sorted(set(data) - DECLARED)) or "none"
        return shape

    def by_id(self, instance_id: str) -> str:
        """Return what GET by id says: a status word, or the refusal."""
        answer = self.ask("GET", f"/instances/{quote(instance_id, safe='')}")
        data = _data(answer)
        return str(data.get("status")) if isinstance(data, dict) else self._words(answer)

    def in_list(self, instance_id: str) -> str:
        """Return what the list says of a machine: a status word, or absent."""
        data = _data(self.ask("GET", "/instances"))
        for item in data if isinstance(data, list) else []:
            if isinstance(item, dict) and item.get("id") == instance_id:
                return str(item.get("status"))
        return "absent"

    def refused_reads(self) -> Iterator[Refusal]:
        """Ask for machines that do not exist, and with the key presented in other ways."""
        path = f"/instances/{UNKNOWN_ID}"
        yield Refusal("GET of an unknown id", self._words(self.ask("GET", path)))
        gone: dict[str, object] = {"instance_ids": [UNKNOWN_ID]}
        answer = self.ask("POST", "/instance-operations/terminate", body=gone)
        yield Refusal("terminate of an unknown id", self._words(answer))
        for asked, credentials in (
            ("Basic with the bare key", self._key),
            ("Basic with the key as user name", _base64(f"{self._key}:")),
        ):
            yield Refusal(asked, self._status_with(f"Basic {credentials}"))

    def refused_key_name(self, name: str, public_key: str) -> Refusal:
        """Register another key under a name that is taken; take it back if that is allowed."""
        body: dict[str, object] = {"name": name, "public_key": public_key}
        answer = self.ask("POST", "/ssh-keys", body=body)
        data = _data(answer)
        if isinstance(data, dict) and data.get("id"):
            self.ask("DELETE", f"/ssh-keys/{quote(str(data['id']), safe='')}")
        return Refusal("a second SSH key under a taken name", self._words(answer))

    def refused_launches(
        self, *, name: str, instance_type: str, region: str, ssh_key_name: str
    ) -> Iterator[Refusal]:
        """Launch with one name each that does not exist; everything else is good."""
        nowhere = f"slipway-none-{secrets.token_hex(4)}"
        good: dict[str, object] = {
            "name": name,
            "instance_type_name": instance_type,
            "region_name": region,
            "ssh_key_names": [ssh_key_name],
        }
        for asked, change in (
            ("launch of an unknown type", {"instance_type_name": nowhere}),
            ("launch in an unknown region", {"region_name": nowhere}),
            ("launch with an unknown SSH key", {"ssh_key_names": [nowhere]}),
            ("launch with an unknown file system", {"file_system_names": [nowhere]}),
            ("launch of an unknown image", {"image": {"family": nowhere}}),
        ):
            body = {**good, **change}
            answer = self.ask("POST", "/instance-operations/launch", body=body, launch=True)
            yield Refusal(asked, self._words(answer), launched_ids=_ids(answer))

    def burst(self) -> str:
        """Ask without any pace until told to slow down; return how that is said."""
        for number in range(1, BURST + 1):
            try:
                answer = requests.get(
                    f"{self._endpoint.base_url}/instances",
                    headers=self._headers(f"Bearer {self._key}"),
                    timeout=self._endpoint.read_timeout_seconds,
                    allow_redirects=False,
                )
            except requests.RequestException as error:
                return f"no answer to request {number} ({type(error).__name__})"
            if answer.status_code == 429:
                retry_after = answer.headers.get("Retry-After", "none")
                kind = answer.headers.get("Content-Type", "none")
                body = self._http.scrubbed(answer.text[:80])
                return (
                    f"429 at request {number}, Retry-After {retry_after}, type {kind}, body {body}"
                )
        return f"no 429 in {BURST} requests"

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: dict[str, object] | None = None,
        launch: bool = False,
    ) -> Answer:
        """Send one raw request, in its turn; the answer may be anything."""
        return self._http.request(
            method,
            path,
            kind="launch" if launch else "other",
            timeout_seconds=self._endpoint.launch_timeout_seconds
            if launch
            else self._endpoint.read_timeout_seconds,
            body=body,
        )

    def _status_with(self, authorization: str) -> str:
        try:
            answer = requests.get(
                f"{self._endpoint.base_url}/instances",
                headers=self._headers(authorization),
                timeout=self._endpoint.read_timeout_seconds,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            # Its text could hold the header.
            return f"no answer ({type(error).__name__})"
        return str(answer.status_code)

    def _headers(self, authorization: str) -> dict[str, str]:
        return {"Authorization": authorization, "User-Agent": USER_AGENT}

    def _words(self, answer: Answer) -> str:
        """Return a status with Lambda's code, and Retry-After where there is one."""
        error = answer.content.get("error") if isinstance(answer.content, dict) else None
        code = error.get("code") if isinstance(error, dict) else None
        parts = [str(answer.status), self._http.scrubbed(str(code)) if code else ""]
        if answer.retry_after_seconds is not None:
            parts.append(f"Retry-After {answer.retry_after_seconds:g}")
        return " ".join(part for part in parts if part)


def _data(answer: Answer) -> Any:
    good = answer.status == 200 and isinstance(answer.content, dict)
    return answer.content.get("data") if good and isinstance(answer.content, dict) else None


def _presence(data: dict[str, object], name: str) -> str:
    if name not in data:
        return "missing"
    if data[name] is None:
        return "null"
    return "set" if data[name] else "empty"


def _ids(answer: Answer) -> tuple[str, ...]:
    data = _data(answer)
    ids = data.get("instance_ids") if isinstance(data, dict) else None
    return tuple(str(i) for i in ids) if isinstance(ids, list) else ()


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
