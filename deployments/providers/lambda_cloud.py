"""Lambda Cloud: on-demand machines over its public API, version 1.10.0 (read 2026-11)."""

import hashlib
from urllib.parse import quote

from deployments.providers import lambda_shapes as shapes
from deployments.providers.base import (
    Capabilities,
    Endpoint,
    Instance,
    Launched,
    LaunchRequest,
    LaunchResult,
    Offer,
    Pacer,
    Provider,
    ProviderRefusedError,
    RequestKind,
    Unknown,
)
from deployments.providers.http import (
    Answer,
    HttpClient,
)
from deployments.providers.lambda_errors import (
    CONSOLE_URL,
    LABEL,
    MOVED,
    error_of,
    unreadable,
    vendor_code,
    verdict_on,
)
from deployments.providers.lambda_probes import LambdaProbes
from deployments.providers.launch_results import refused, result_of, type_and_blob
from deployments.providers.user_data import cloud_config
from deployments.providers.verdicts import RATE_LIMITED, is_good

NOT_THERE = ("global/object-does-not-exist", "global/not-found")


class LambdaCloud(Provider):
    """Lambda's API under one key."""

    capabilities = Capabilities(
        label=LABEL,
        # One-minute increments, no minimum. Source: Lambda's billing page (read 2024-11).
        billing_quantum_seconds=60,
        injects_host_key=True,
        interruptible=False,
        console_url=CONSOLE_URL,
    )

    def __init__(self, *, api_key: str, endpoint: Endpoint, pacer: Pacer) -> None:
        super().__init__(api_key=api_key, endpoint=endpoint, pacer=pacer)
        self._http = HttpClient(
            label=LABEL, base_url=endpoint.base_url, api_key=api_key, pacer=pacer
        )

    @classmethod
    def default_endpoint(cls) -> Endpoint:
        return Endpoint("https://cloud.lambda.ai/api/v1", ssh_port=22, ssh_user="ubuntu")

    @classmethod
    def probes(cls, *, api_key: str, endpoint: Endpoint, pacer: Pacer) -> LambdaProbes:
        return LambdaProbes(api_key=api_key, endpoint=endpoint, pacer=pacer)

    def offers(self) -> list[Offer]:
        return shapes.offers(self._get("/instance-types"))

    def launch(self, request: LaunchRequest) -> LaunchResult:
        return result_of(
            lambda: self._http.request(
                "POST",
                "/instance-operations/launch",
                kind="launch",
                timeout_seconds=self._endpoint.launch_timeout_seconds,
                body=_launch_body(request),
            ),
            self._launch_result,
        )

    def list_all(self) -> list[Instance]:
        return shapes.instances(self._get("/instances", kind="list"))

    def get(self, instance_id: str) -> Instance | None:
        answer = self._send("GET", f"/instances/{quote(instance_id, safe='')}")
        if _says_not_there(answer):
            return None
        instance = shapes.instance(shapes.data_of(self._checked(answer)))
        if instance.instance_id != instance_id:
            raise unreadable("it shows another machine than the one asked for")
        return instance

    def terminate(self, instance_id: str) -> None:
        answer = self._send(
            "POST",
            "/instance-operations/terminate",
            kind="terminate",
            body={"instance_ids": [instance_id]},
        )
        # F66: an id Lambda does not know may be gone or not be there yet; the list decides.
        if not _says_not_there(answer):
            self._checked(answer)

    def ensure_ssh_key(self, public_key: str) -> str:
        wanted = type_and_blob(public_key)
        registered = self._registered_name(wanted)
        if registered is not None:
            return registered
        digest = hashlib.sha256(" ".join(wanted).encode()).hexdigest()
        name = f"slipway-{digest[:16]}"
        answer = self._send("POST", "/ssh-keys", body={"name": name, "public_key": public_key})
        try:
            self._checked(answer)
        except ProviderRefusedError:
            # F23: another process may have registered it since we looked.
            registered = self._registered_name(wanted)
            if registered is None:
                raise
            return registered
        return name

    def ssh_public_key(self, name: str) -> str:
        keys = shapes.ssh_keys(self._get("/ssh-keys"))
        if name not in keys:
            raise ProviderRefusedError(
                f"No SSH key named {name} is registered at Lambda.",
                remedy=f"Add it under that name at {CONSOLE_URL}, or leave ssh_key_name empty.",
                code="E_SSH_KEY",
            )
        return keys[name]

    def account_marker(self, public_key: str) -> str:
        # Lambda names no account, but an SSH key that is registered has an id of its own there.
        return shapes.ssh_key_id(self._get("/ssh-keys"), *type_and_blob(public_key))

    def check_key(self) -> None:
        # The list of machines is what everything rests on: a key that may not read it is no use.
        shapes.instances(self._get("/instances"))

    def _registered_name(self, wanted: tuple[str, str]) -> str | None:
        """Return the name of a registered key with the same type and blob; comments may differ."""
        for name, public_key in shapes.ssh_keys(self._get("/ssh-keys")).items():
            if tuple(public_key.split()[:2]) == wanted:
                return name
        return None

    def _launch_result(self, answer: Answer) -> LaunchResult:
        """Judge a launch: refused only where Lambda itself says so, unknown in every doubt (D2)."""
        if is_good(answer):
            ids = shapes.launched_ids(answer)
            if ids is None:
                return Unknown("Lambda accepted the launch but named no usable machine id.")
            return Launched(ids[0], extra_instance_ids=tuple(ids[1:]))
        error = error_of(answer, self._http)
        if answer.status == RATE_LIMITED:
            return refused(error, "rate_limited", answer.retry_after_seconds)
        if answer.status in MOVED:
            return refused(error, "other")
        verdict = verdict_on(answer)
        if verdict is None or not verdict.final:
            return Unknown(error.message)
        return refused(error, verdict.reason)

    def _get(self, path: str, *, kind: RequestKind = "other") -> Answer:
        return self._checked(self._send("GET", path, kind=kind))

    def _send(
        self,
        method: str,
        path: str,
        *,
        kind: RequestKind = "other",
        body: dict[str, object] | None = None,
    ) -> Answer:
        return self._http.request(
            method,
            path,
            kind=kind,
            timeout_seconds=self._endpoint.read_timeout_seconds,
            body=body,
        )

    def _checked(self, answer: Answer) -> Answer:
        if not is_good(answer):
            raise error_of(answer, self._http)
        return answer


def _launch_body(request: LaunchRequest) -> dict[str, object]:
    body: dict[str, object] = {
        "name": request.name,
        "region_name": request.region,
        "instance_type_name": request.instance_type,
        "ssh_key_names": [request.ssh_key_name],
    }
    user_data = cloud_config(request)
    if user_data:
        body["user_data"] = user_data
    return body


def _says_not_there(answer: Answer) -> bool:
    return 400 <= answer.status < 500 and vendor_code(answer) in NOT_THERE
