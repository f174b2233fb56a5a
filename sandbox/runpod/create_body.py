"""The body of POST /v2/pods: its shape first (422), then the rules across fields (400)."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from sandbox.runpod.catalogue import PodCatalogue, Tier, Wish
from sandbox.runpod.problems import ProblemError, invalid
from sandbox.runpod.refusals import Refusal
from sandbox.runpod.scheduler import PodRequest

Body = Mapping[str, Any]

VARIABLES = 50
HTTP_PORTS = 10
SMALLEST_VOLUME_GB = 10
PORT = re.compile(r"\d{1,5}/(tcp|http)")
CUDA_VERSION = re.compile(r"\d+\.\d+")
# The one template that the sandbox knows, and its image.
TEMPLATES = {"runpod-torch-v280": "runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404"}

Check = Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _are_ports(value: Any) -> bool:
    return _are_texts(value) and all(PORT.fullmatch(each) for each in value)


def _are_versions(value: Any) -> bool:
    return _are_texts(value) and all(CUDA_VERSION.fullmatch(each) for each in value)


def _is_version(value: Any) -> bool:
    return isinstance(value, str) and bool(CUDA_VERSION.fullmatch(value))


def _is_env(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, str) for each in value.values())


def _is_object(value: Any) -> bool:
    return isinstance(value, dict)


def _is_text_or_null(value: Any) -> bool:
    return value is None or isinstance(value, str)


CONTAINER_FIELDS: Mapping[str, tuple[Check, str]] = {
    "args": (_is_text, "value must be string"),
    "cmd": (_are_texts, "value must be an array of strings"),
    "disk": (_is_count, "value must be an integer, 1 or more"),
    "entrypoint": (_are_texts, "value must be an array of strings"),
    "env": (_is_env, "value must be an object of strings"),
    "globalNetworking": (_is_flag, "value must be boolean"),
    "image": (_is_text, "value must be string"),
    "mounts": (_is_object, "value must be object"),
    "name": (lambda value: isinstance(value, str) and value != "", "length must be >= 1"),
    "ports": (_are_ports, "items must match '^[0-9]+/(tcp|http)$'"),
    "registry": (_is_text_or_null, "value must be string or null"),
}
CREATE_FIELDS: Mapping[str, tuple[Check, str]] = {
    **CONTAINER_FIELDS,
    "cloud": (lambda value: value in tuple(Tier), "value must be one of SECURE, COMMUNITY"),
    "cpu": (_is_object, "value must be object"),
    "dataCenterIds": (_are_texts, "value must be an array of strings"),
    "gpu": (_is_object, "value must be object"),
    "startJupyter": (_is_flag, "value must be boolean"),
    "startSsh": (_is_flag, "value must be boolean"),
    "templateId": (_is_text, "value must be string"),
}
EDIT_FIELDS: Mapping[str, tuple[Check, str]] = {
    **CONTAINER_FIELDS,
    "locked": (_is_flag, "value must be boolean"),
}
GPU_FIELDS: Mapping[str, tuple[Check, str]] = {
    "allowedCudaVersions": (_are_versions, "items must match '^[0-9]+[.][0-9]+$'"),
    "count": (_is_count, "value must be an integer, 1 or more"),
    "id": (_is_text, "value must be string"),
    "minCudaVersion": (_is_version, "value must match '^[0-9]+[.][0-9]+$'"),
    "minRamPerGpu": (_is_count, "value must be an integer, 1 or more"),
    "minVcpuCountPerGpu": (_is_count, "value must be an integer, 1 or more"),
}
MOUNT_FIELDS: Mapping[str, tuple[Check, str]] = {
    "network": (lambda value: isinstance(value, list) and len(value) <= 1, "at most 1 item"),
    "persistent": (_is_object, "value must be object"),
}
VOLUME_FIELDS: Mapping[str, tuple[Check, str]] = {
    "path": (_is_text, "value must be string"),
    "size": (
        lambda value: _is_count(value) and value >= SMALLEST_VOLUME_GB,
        f"value must be an integer, {SMALLEST_VOLUME_GB} or more",
    ),
}
NETWORK_FIELDS: Mapping[str, tuple[Check, str]] = {
    "path": (_is_text, "value must be string"),
    "volumeId": (_is_text, "value must be string"),
}


def read_json(text: bytes) -> dict[str, Any]:
    """Return the JSON object of a body; raises ProblemError."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        raise ProblemError(400, "request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise invalid("$: value must be object")
    return body


def read_create(body: Body, catalogue: PodCatalogue) -> PodRequest:
    """Return what the body asks for; raises ProblemError."""
    _check_shape(body)
    _check_rules(body)
    gpu: Body = body["gpu"]
    gpu_type = catalogue.gpu_type(gpu["id"])
    if gpu_type is None:
        raise ProblemError(400, f"gpu type {gpu['id']} not found")
    tier = Tier(body.get("cloud", "SECURE"))
    # Without a count the scheduler matches nothing (runpod-api.md section 3.2).
    if "count" not in gpu or not gpu_type.cents(tier):
        raise ProblemError(400, Refusal.NO_CAPACITY.value)
    volume: Body = body.get("mounts", {}).get("persistent", {})
    network = body.get("mounts", {}).get("network") or [None]
    return PodRequest(
        name=body["name"],
        gpu_type=gpu_type,
        wish=Wish(
            gpu_id=gpu["id"],
            count=gpu["count"],
            tiers=(tier,),
            data_centers=tuple(body.get("dataCenterIds", ())),
            cuda_versions=tuple(gpu.get("allowedCudaVersions", ())),
            min_cuda_version=gpu.get("minCudaVersion", ""),
        ),
        image=body.get("image") or TEMPLATES[body["templateId"]],
        disk_gb=body["disk"],
        args=body.get("args", ""),
        entrypoint=tuple(body.get("entrypoint", ())),
        cmd=tuple(body.get("cmd", ())),
        volume_gb=volume.get("size", 0),
        volume_path=volume.get("path", ""),
        network_volume=network[0],
        ports=tuple(body.get("ports", ())),
        env=body.get("env", {}),
        registry=body.get("registry"),
        starts_ssh=body.get("startSsh", False),
    )


def check_edit(body: Body) -> None:
    """Refuse a PATCH that does not match; raises ProblemError."""
    errors = _errors(body, EDIT_FIELDS, "$")
    if errors:
        raise invalid(*errors)


def _check_shape(body: Body) -> None:
    errors = _errors(body, CREATE_FIELDS, "$", required=("name",))
    if "image" not in body and "templateId" not in body:
        errors.append("$: missing property 'image'")
    for path, value, fields, required in (
        ("$.gpu", body.get("gpu"), GPU_FIELDS, ("id",)),
        ("$.mounts", body.get("mounts"), MOUNT_FIELDS, ()),
    ):
        if isinstance(value, dict):
            errors += _errors(value, fields, path, required=required)
    if not errors and "mounts" in body:
        errors += _mount_errors(body["mounts"])
    if errors:
        raise invalid(*errors)


def _mount_errors(mounts: Body) -> list[str]:
    errors = []
    if "persistent" in mounts:
        where = "$.mounts.persistent"
        errors += _errors(mounts["persistent"], VOLUME_FIELDS, where, required=("size", "path"))
    for number, mount in enumerate(mounts.get("network", [])):
        where = f"$.mounts.network[{number}]"
        if not isinstance(mount, dict):
            errors.append(f"{where}: value must be object")
        else:
            errors += _errors(mount, NETWORK_FIELDS, where, required=("volumeId", "path"))
    return errors


def _check_rules(body: Body) -> None:
    gpu: Body = body.get("gpu", {})
    mounts = body.get("mounts", {})
    http_ports = [port for port in body.get("ports", ()) if port.endswith("/http")]
    rules = (
        (("gpu" in body) == ("cpu" in body), "exactly one of gpu or cpu must be set"),
        # No CPU pods are sold here.
        ("cpu" in body, Refusal.NO_CAPACITY.value),
        (
            bool(gpu.get("allowedCudaVersions")) and "minCudaVersion" in gpu,
            "allowedCudaVersions and minCudaVersion are mutually exclusive",
        ),
        ("persistent" in mounts and "network" in mounts, "mounts: persistent and network exclude"),
        (len(body.get("env", {})) > VARIABLES, f"env: at most {VARIABLES} variables"),
        (len(http_ports) > HTTP_PORTS, f"ports: at most {HTTP_PORTS} http ports"),
        (
            "disk" not in body,
            "You must provide a template id or pod configuration parameters, such as disk",
        ),
        # No network volume can be made here, so none is known.
        (bool(mounts.get("network")), "network volume not found"),
    )
    for is_broken, detail in rules:
        if is_broken:
            raise ProblemError(400, detail)
    if body.get("templateId", "runpod-torch-v280") not in TEMPLATES:
        raise ProblemError(404, "template not found")


def _errors(
    body: Body,
    fields: Mapping[str, tuple[Check, str]],
    path: str,
    *,
    required: tuple[str, ...] = (),
) -> list[str]:
    errors = [f"{path}: missing property '{name}'" for name in required if name not in body]
    unknown = sorted(body.keys() - fields.keys())
    if unknown:
        listed = ", ".join(f"'{name}'" for name in unknown)
        errors.append(f"{path}: additional properties {listed} not allowed")
    for name, (is_right, wrong) in fields.items():
        if name in body and not is_right(body[name]):
            errors.append(f"{path}.{name}: {wrong}")
    return errors
