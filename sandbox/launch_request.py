"""The checks of a launch, in the order in which Lambda makes them.

First the body alone (400), then the things it names: file systems before all else (seen live),
then key, type, region and image; capacity comes last (lambda-cloud-api.md section 3). The order
among key, type, region and image is not documented.
"""

import re
from collections.abc import Mapping
from typing import Any

from sandbox.catalogue import IMAGES, REGIONS, InstanceType
from sandbox.cloud import Cloud
from sandbox.errors import ApiError, file_system_in_wrong_region, invalid, no_such_resource
from sandbox.file_systems import FileSystem
from sandbox.lambda_machine import LambdaOrder, Mount

Body = Mapping[str, Any]

NAME_LENGTH = 64
USER_DATA_BYTES = 1_000_000
HOSTNAME = re.compile(r"[a-z0-9][0-9a-z-]{0,62}")
TAG_KEY = re.compile(r"[a-z][a-z0-9-:]+")
TAG_KEY_LENGTH = 55
TAG_VALUE_LENGTH = 128
MOUNT_POINT = re.compile(r"(/home|/lambda/nfs|/data)[//a-zA-Z0-9-]*")
MOUNT_POINT_LENGTH = 256


def read_launch(body: Body, cloud: Cloud) -> LambdaOrder:
    """Return the order that the body describes; raises ApiError. Unknown fields are ignored."""
    region = _text(body, "region_name", required=True)
    type_name = _text(body, "instance_type_name", required=True)
    key_name = _ssh_key_name(body)
    name = _text(body, "name", longest=NAME_LENGTH)
    hostname = _hostname(body)
    tags = _tags(body)
    user_data = _user_data(body)
    _check_quantity(body)
    requested = _requested_mounts(body)
    ruleset_ids = _ruleset_ids(body)
    mounts = _found_mounts(requested, region or "", cloud)
    key = cloud.ssh_keys.by_name(key_name)
    if key is None:
        raise no_such_resource(f"SSH key {key_name} does not exist.")
    kind = cloud.catalogue.instance_type(type_name or "")
    if kind is None:
        raise no_such_resource(f"Instance type {type_name} does not exist.")
    if region is None or region not in REGIONS:
        raise no_such_resource(f"Region {region} does not exist.")
    _check_image(body, kind)
    _check_rulesets(ruleset_ids, region, cloud)
    return LambdaOrder(
        name=name,
        instance_type=kind,
        region=region,
        ssh_key_name=key_name,
        login_key=key.parsed,
        hostname=hostname,
        tags=tags,
        user_data=user_data,
        mounts=mounts,
        firewall_ruleset_ids=ruleset_ids,
    )


def read_new_name(body: Body) -> str | None:
    """Return the name that a machine is to have from now on; None leaves it as it is."""
    return _text(body, "name", longest=NAME_LENGTH)


def _text(
    body: Body, field: str, *, required: bool = False, longest: int | None = None
) -> str | None:
    value = body.get(field)
    if value is None:
        if required:
            raise invalid(field, "Field required")
        return None
    if not isinstance(value, str):
        raise invalid(field, "Input should be a valid string")
    if longest is not None and len(value) > longest:
        raise invalid(field, f"String should have at most {longest} characters")
    return value


def _list(body: Body, field: str) -> list[Any]:
    value = body.get(field)
    if value is None:
        return []
    if not isinstance(value, list):
        raise invalid(field, "Input should be a valid list")
    return value


def _ssh_key_name(body: Body) -> str:
    if body.get("ssh_key_names") is None:
        raise invalid("ssh_key_names", "Field required")
    names = _list(body, "ssh_key_names")
    if len(names) != 1:
        raise invalid("ssh_key_names", "Exactly one SSH key must be specified")
    name = names[0]
    if not isinstance(name, str):
        raise invalid("ssh_key_names", "Input should be a valid string")
    return name


def _hostname(body: Body) -> str | None:
    hostname = _text(body, "hostname")
    if hostname is not None and not HOSTNAME.fullmatch(hostname):
        raise invalid("hostname", f"String should match pattern '^{HOSTNAME.pattern}$'")
    return hostname


def _tags(body: Body) -> tuple[tuple[str, str], ...]:
    return tuple(_tag(entry) for entry in _list(body, "tags"))


def _tag(entry: object) -> tuple[str, str]:
    if not isinstance(entry, dict):
        raise invalid("tags", "Input should be a valid object")
    key, value = entry.get("key"), entry.get("value")
    if not isinstance(key, str) or not TAG_KEY.fullmatch(key) or len(key) > TAG_KEY_LENGTH:
        raise invalid("tags.key", f"String should match pattern '^{TAG_KEY.pattern}$'")
    if not isinstance(value, str) or len(value) > TAG_VALUE_LENGTH:
        raise invalid("tags.value", f"String should have at most {TAG_VALUE_LENGTH} characters")
    return key, value


def _user_data(body: Body) -> str:
    user_data = _text(body, "user_data") or ""
    if len(user_data.encode()) > USER_DATA_BYTES:
        raise invalid("user_data", "User data cannot exceed 1MB")
    return user_data


def _check_quantity(body: Body) -> None:
    """Let 1 pass: ``quantity`` has left the document, and older clients still send it."""
    quantity = body.get("quantity", 1)
    if isinstance(quantity, bool) or not isinstance(quantity, int) or quantity < 1:
        raise invalid("quantity", "Input should be a valid integer, 1 or more")
    if quantity > 1:
        raise ApiError(400, "global/invalid-parameters", "Requested too many instances.")


def _requested_mounts(body: Body) -> dict[str, str | None]:
    """Return the mount points asked for, by file system: by name first, then by "id:ID"."""
    requested: dict[str, str | None] = {}
    for name in _list(body, "file_system_names"):
        if not isinstance(name, str):
            raise invalid("file_system_names", "Input should be a valid string")
        requested[name] = None
    for entry in _list(body, "file_system_mounts"):
        if not isinstance(entry, dict) or not isinstance(entry.get("file_system_id"), str):
            raise invalid("file_system_mounts.file_system_id", "Field required")
        point = entry.get("mount_point")
        if (
            not isinstance(point, str)
            or len(point) > MOUNT_POINT_LENGTH
            or not MOUNT_POINT.fullmatch(point)
        ):
            raise invalid(
                "file_system_mounts.mount_point",
                f"String should match pattern '^{MOUNT_POINT.pattern}$'",
            )
        requested[f"id:{entry['file_system_id']}"] = point
    return requested


def _found_mounts(
    requested: Mapping[str, str | None], region: str, cloud: Cloud
) -> tuple[Mount, ...]:
    """Return the mounts; a mount point that is given counts more than the usual one.

    A file system of another region that is named is refused as unknown there (seen live); one
    that is given by its id, with the code that the document has for it.
    """
    mounts: dict[str, Mount] = {}
    for key, point in requested.items():
        file_system = _file_system(key, region, cloud)
        mounts[file_system.file_system_id] = Mount(file_system, point or file_system.mount_point)
    return tuple(mounts.values())


def _file_system(key: str, region: str, cloud: Cloud) -> FileSystem:
    # No name holds a colon.
    file_system_id = key.removeprefix("id:") if key.startswith("id:") else None
    found = (
        cloud.file_systems.by_name(key)
        if file_system_id is None
        else cloud.file_systems.by_id(file_system_id)
    )
    if found is not None and found.region == region:
        return found
    if found is not None and file_system_id is not None:
        raise file_system_in_wrong_region(
            f"File system {found.name} is in region {found.region}, not in {region}."
        )
    raise no_such_resource(
        f"File system {file_system_id or key} does not exist in region {region}."
    )


def _ruleset_ids(body: Body) -> tuple[str, ...]:
    ids = []
    for entry in _list(body, "firewall_rulesets"):
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
            raise invalid("firewall_rulesets.id", "Field required")
        ids.append(entry["id"])
    return tuple(dict.fromkeys(ids))


def _check_rulesets(ids: tuple[str, ...], region: str, cloud: Cloud) -> None:
    for ruleset_id in ids:
        ruleset = cloud.firewall.find(ruleset_id)
        if ruleset is None:
            raise no_such_resource(f"Firewall ruleset {ruleset_id} does not exist.")
        if ruleset.region != region:
            raise invalid("firewall_rulesets", f"{ruleset_id} is not in region {region}")


def _check_image(body: Body, kind: InstanceType) -> None:
    """Refuse an image that is not there, or not for the processor of this type."""
    image = body.get("image")
    if image is None:
        return
    if not isinstance(image, dict) or not ({"id", "family"} & image.keys()):
        raise invalid("image", "Input should have an id or a family")
    wanted = image.get("id", image.get("family"))
    fitting = [each for each in IMAGES if wanted in (each.image_id, each.family)]
    if not fitting:
        raise no_such_resource(f"Image {wanted} does not exist.")
    if kind.architecture not in {each.architecture for each in fitting}:
        raise invalid("image", f"{wanted} is not for {kind.architecture}, as {kind.name} is")
