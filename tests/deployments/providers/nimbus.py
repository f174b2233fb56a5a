"""A third cloud, made up: what one more module in deployments/providers/ looks like.

Nimbus rents one kind of machine by the second, takes the host key and the log-in keys with each
launch, and answers in small JSON objects. It is here to prove that a cloud is one module and one
registry line: every other part of the product must find it by itself.
"""

from decimal import Decimal

import pytest

from deployments import registration
from deployments.providers import PROVIDERS
from deployments.providers.base import (
    Capabilities,
    Endpoint,
    Instance,
    InstanceStatus,
    Launched,
    LaunchRequest,
    LaunchResult,
    Offer,
    Pacer,
    Provider,
    ProviderAuthError,
    ProviderError,
    ProviderRefusedError,
    ProviderUnavailableError,
    RefusalReason,
    RequestKind,
    Unknown,
)
from deployments.providers.http import Answer, HttpClient
from deployments.providers.launch_results import refused, result_of
from deployments.providers.values import address, count, text, usable_id
from secrets_vault import kinds

LABEL = "Nimbus"
STATUSES = {"starting": InstanceStatus.BOOTING, "up": InstanceStatus.ACTIVE}
REASONS: dict[str, RefusalReason] = {"no_room": "capacity", "bad_token": "auth"}


class Nimbus(Provider):
    """Nimbus's API under one token."""

    capabilities = Capabilities(
        label=LABEL,
        billing_quantum_seconds=1,
        injects_host_key=True,
        interruptible=False,
        console_url="https://nimbus.example/console",
        registers_ssh_keys=False,
    )

    def __init__(self, *, api_key: str, endpoint: Endpoint, pacer: Pacer) -> None:
        super().__init__(api_key=api_key, endpoint=endpoint, pacer=pacer)
        self._http = HttpClient(
            label=LABEL, base_url=endpoint.base_url, api_key=api_key, pacer=pacer
        )

    @classmethod
    def default_endpoint(cls) -> Endpoint:
        return Endpoint("https://api.nimbus.example/v1", ssh_port=22, ssh_user="trainer")

    def offers(self) -> list[Offer]:
        return [_offer(item) for item in self._listed("/types", "types")]

    def launch(self, request: LaunchRequest) -> LaunchResult:
        body: dict[str, object] = {
            "name": request.name,
            "type": request.instance_type,
            "zone": request.region,
            "host_key": request.host_private_key,
            "keys": [request.login_public_key, *request.authorized_keys],
        }
        return result_of(
            lambda: self._http.request(
                "POST",
                "/machines",
                kind="launch",
                timeout_seconds=self._endpoint.launch_timeout_seconds,
                body=body,
            ),
            self._launch_result,
        )

    def _launch_result(self, answer: Answer) -> LaunchResult:
        said = _code(answer)
        if said is not None:
            return refused(_error(answer), REASONS.get(said, "invalid"))
        content = answer.content
        machine_id = usable_id(content.get("id")) if isinstance(content, dict) else None
        if answer.status != 201 or machine_id is None:
            return Unknown(f"Nimbus answered {answer.status} and named no machine.")
        return Launched(machine_id)

    def list_all(self) -> list[Instance]:
        return [_instance(item) for item in self._listed("/machines", "machines", kind="list")]

    def get(self, instance_id: str) -> Instance | None:
        answer = self._send("GET", f"/machines/{instance_id}")
        return None if answer.status == 404 else _instance(_checked(answer).content)

    def terminate(self, instance_id: str) -> None:
        answer = self._send("DELETE", f"/machines/{instance_id}", kind="terminate")
        if answer.status != 404:
            _checked(answer)

    def ensure_ssh_key(self, public_key: str) -> str:
        return ""

    def ssh_public_key(self, name: str) -> str:
        _checked(self._send("GET", "/me"))
        raise ProviderRefusedError(
            f"Nimbus keeps no SSH keys, so none is named {name}.",
            remedy="Leave ssh_key_name empty.",
            code="E_SSH_KEY",
        )

    def check_key(self) -> None:
        _checked(self._send("GET", "/me"))

    def _listed(self, path: str, name: str, *, kind: RequestKind = "other") -> list[object]:
        content = _checked(self._send("GET", path, kind=kind)).content
        items = content.get(name) if isinstance(content, dict) else None
        if not isinstance(items, list):
            raise _unreadable()
        return items

    def _send(self, method: str, path: str, *, kind: RequestKind = "other") -> Answer:
        seconds = self._endpoint.read_timeout_seconds
        return self._http.request(method, path, kind=kind, timeout_seconds=seconds)


def _checked(answer: Answer) -> Answer:
    if not 200 <= answer.status < 300:
        raise _error(answer)
    return answer


def _code(answer: Answer) -> str | None:
    """Return Nimbus's own word for a refusal; None where it is not Nimbus that refuses."""
    content = answer.content if 400 <= answer.status < 500 else None
    return text(content.get("refused")) or None if isinstance(content, dict) else None


def _error(answer: Answer) -> ProviderError:
    said = _code(answer)
    if said == "bad_token":
        return ProviderAuthError("Nimbus refuses the token.", remedy="Make a new one there.")
    if said == "no_room":
        return ProviderRefusedError(
            "Nimbus has no room.", remedy="Try later.", code="E_CAPACITY", retryable=True
        )
    if said is not None:
        return ProviderRefusedError(f"Nimbus says {said}.", remedy="Choose another machine.")
    return ProviderUnavailableError(f"Nimbus fails ({answer.status}).", remedy="We ask again.")


def _unreadable() -> ProviderUnavailableError:
    return ProviderUnavailableError("Nimbus's answer cannot be read.", remedy="We ask again.")


def _instance(item: object) -> Instance:
    machine_id = usable_id(item.get("id")) if isinstance(item, dict) else None
    if not isinstance(item, dict) or machine_id is None:
        raise _unreadable()
    return Instance(
        instance_id=machine_id,
        name=text(item.get("name")),
        status=STATUSES.get(text(item.get("state")), InstanceStatus.UNKNOWN),
        ip=address(item.get("ip")),
        region=text(item.get("zone")),
        instance_type=text(item.get("type")),
        hourly_price_usd=Decimal(count(item.get("millicents_an_hour"))) / 100_000,
    )


def _offer(item: object) -> Offer:
    if not isinstance(item, dict):
        raise _unreadable()
    zone = text(item.get("free_in"))
    return Offer(
        platform="nimbus",
        instance_type=text(item.get("type")),
        region=zone,
        region_description="Reykjavik" if zone else "",
        description=f"1x {text(item.get('gpu'))}",
        gpu_name=text(item.get("gpu")),
        gpu_count=1,
        vram_gib=count(item.get("vram")),
        vcpus=8,
        memory_gib=64,
        storage_gib=500,
        architecture="x86_64",
        hourly_price_usd=Decimal(count(item.get("millicents_an_hour"))) / 100_000,
        available=bool(zone),
    )


def add_to_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the registry's one line, and start the app again as far as it reads the registry."""
    monkeypatch.setattr(kinds, "_kinds", {name: kinds.kind_of(name) for name, _ in _known()})
    monkeypatch.setitem(PROVIDERS, "nimbus", Nimbus)
    registration.register()


def _known() -> list[tuple[str, str]]:
    return kinds.provider_choices()
