"""The checks of a launch, in the order in which Lambda makes them.

First the body alone (400), then the things it names: file systems before all else (seen live),
then key, type, region and image; capacity comes last (lambda-cloud-api.md section 3). The order
among key, type, region and image is not documented.
"""

import re
from collections.abc import Mapping
from typing import Any

from sandbox.catalogue import IMAGES, REGIONS
from sandbox.cloud import Cloud
from sandbox.errors import ApiError, invalid, no_such_resource
from sandbox.machines import Order

Body = Mapping[str, Any]

NAME_LENGTH = 64
USER_DATA_BYTES = 1_000_000
HOSTNAME = re.compile(r"[a-z0-9][0-9a-z-]{0,62}")
TAG_KEY = re.compile(r"[a-z][a-z0-9-:]+")
TAG_KEY_LENGTH = 55
TAG_VALUE_LENGTH = 128


def read_launch(body: Body, cloud: Cloud) -> Order:
    """Return the order that the body describes; raises ApiError. Unknown fields are ignored."""
    region = _text(body, "region_name", required=True)
    type_name = _text(body, "instance_type_name", required=True)
    key_name = _ssh_key_name(body)
    name = _text(body, "name", longest=NAME_LENGTH)
    hostname = _hostname(body)
    tags = _tags(body)
    user_data = _user_data(body)
    _check_quantity(body)
    _check_file_systems(body, region or "")
    key = cloud.ssh_keys.by_name(key_name)
    if key is None:
        raise no_such_resource(f"SSH key {key_name} does not exist.")
    kind = cloud.catalogue.instance_type(type_name or "")
    if kind is None:
        raise no_such_resource(f"Instance type {type_name} does not exist.")
    if region is None or region not in REGIONS:
        raise no_such_resource(f"Region {region} does not exist.")
    _check_image(body)
    return Order(
        name=name,
        instance_type=kind,
        region=region,
        ssh_key_name=key_name,
        login_key=key.parsed,
        hostname=hostname,
        tags=tags,
        user_data=user_data,
    )


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


def _check_file_systems(body: Body, region: str) -> None:
    """Refuse every file system: this account has none."""
    mounts = _list(body, "file_system_mounts")
    named = [*_list(body, "file_system_names"), *(_mount_id(mount) for mount in mounts)]
    if named:
        raise no_such_resource(f"File system {named[0]} does not exist in region {region}.")


def _mount_id(mount: object) -> object:
    if not isinstance(mount, dict) or not isinstance(mount.get("file_system_id"), str):
        raise invalid("file_system_mounts.file_system_id", "Field required")
    return mount["file_system_id"]


def _check_image(body: Body) -> None:
    image = body.get("image")
    if image is None:
        return
    if not isinstance(image, dict) or not ({"id", "family"} & image.keys()):
        raise invalid("image", "Input should have an id or a family")
    known = {kind.image_id for kind in IMAGES} | {kind.family for kind in IMAGES}
    wanted = image.get("id", image.get("family"))
    if wanted not in known:
        raise no_such_resource(f"Image {wanted} does not exist.")
