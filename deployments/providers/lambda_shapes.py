"""From Lambda's JSON to our values.

Lenient about what is missing, null, new or of another type, since the document and the live
answers differ; strict about one thing: a list of machines is whole or it is an error, for a
machine that is left out would look gone (I13).
Source: Lambda Cloud API 1.10.0, schemas Instance, InstanceTypes, SSHKey (read 2026-11).
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from deployments.providers.base import Instance, InstanceStatus, Offer
from deployments.providers.http import Answer
from deployments.providers.lambda_errors import unreadable
from deployments.providers.values import address, count, text, usable_id

PLATFORM = "lambda"
HIGHEST_PRICE_USD = Decimal(10_000)

STATUSES: dict[str, InstanceStatus] = {
    "booting": InstanceStatus.BOOTING,
    "active": InstanceStatus.ACTIVE,
    "unhealthy": InstanceStatus.UNHEALTHY,
    "preempted": InstanceStatus.PREEMPTED,
    "terminating": InstanceStatus.TERMINATING,
    "terminated": InstanceStatus.TERMINATED,
}
ARCHITECTURES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}


def data_of(answer: Answer) -> object:
    """Return the ``data`` of a success; raises ProviderUnavailableError when there is none."""
    if not answer.is_json:
        raise unreadable("it is not JSON")
    if not isinstance(answer.content, dict) or "data" not in answer.content:
        raise unreadable("it has no data")
    data: object = answer.content["data"]
    return data


def instances(answer: Answer) -> list[Instance]:
    """Return every machine of a list; raises ProviderUnavailableError if one is unusable."""
    data = data_of(answer)
    if not isinstance(data, list):
        raise unreadable("the list of machines is not a list")
    return [instance(item) for item in data]


def instance(item: object) -> Instance:
    """Return one machine; raises ProviderUnavailableError if it cannot be told from others."""
    if not isinstance(item, dict):
        raise unreadable("a machine in it is not an object")
    instance_id = usable_id(item.get("id"))
    if instance_id is None:
        raise unreadable("a machine in it has no id")
    status = item.get("status")
    kind = item.get("instance_type")
    said = kind if isinstance(kind, dict) else {}
    return Instance(
        instance_id=instance_id,
        name=text(item.get("name")),
        status=STATUSES.get(text(status), InstanceStatus.UNKNOWN),
        ip=address(item.get("ip")),
        region=_name_of(item.get("region")),
        instance_type=_name_of(kind),
        description=text(said.get("description")),
        hourly_price_usd=_hourly_price(said.get("price_cents_per_hour")),
    )


def launched_ids(answer: Answer) -> list[str] | None:
    """Return the ids of a launch; None unless there is at least one and all are usable."""
    content = answer.content
    data = content.get("data") if isinstance(content, dict) else None
    raw = data.get("instance_ids") if isinstance(data, dict) else None
    if not isinstance(raw, list) or not raw:
        return None
    ids = [found for found in map(usable_id, raw) if found is not None]
    return list(dict.fromkeys(ids)) if len(ids) == len(raw) else None


def offers(answer: Answer) -> list[Offer]:
    """Return what is on offer; a type we cannot read is left out, which rents nothing wrong.

    Raises ProviderUnavailableError when none of the types can be read.
    """
    data = data_of(answer)
    if not isinstance(data, dict):
        raise unreadable("the machine types are not an object")
    found = [offer for entry in data.items() for offer in _offers_of_type(*entry)]
    if data and not found:
        raise unreadable("none of its machine types has a price and a GPU")
    return found


def ssh_keys(answer: Answer) -> dict[str, str]:
    """Return the registered public keys by name."""
    return {name: key for name, _, key in _registered_keys(answer)}


def ssh_key_id(answer: Answer, kind: str, blob: str) -> str:
    """Return the id under which a public key is registered; "" when it is not."""
    ids = [id_ for _, id_, key in _registered_keys(answer) if key.split()[:2] == [kind, blob]]
    return ids[0] if ids else ""


def _registered_keys(answer: Answer) -> Iterator[tuple[str, str, str]]:
    """Yield the name, the id and the text of each registered key."""
    data = data_of(answer)
    if not isinstance(data, list):
        raise unreadable("the list of SSH keys is not a list")
    for item in data:
        if isinstance(item, dict) and isinstance(item.get("public_key"), str):
            name = text(item.get("name"))
            if name:
                yield name, text(item.get("id")), item["public_key"].strip()


def _offers_of_type(name: object, entry: object) -> Iterator[Offer]:
    """Yield one offer per region with capacity, or one without a region."""
    kind = entry.get("instance_type") if isinstance(entry, dict) else None
    if not isinstance(entry, dict) or not isinstance(kind, dict):
        return
    type_name = text(kind.get("name")) or text(name)
    price = _hourly_price(kind.get("price_cents_per_hour"))
    gpu_count = _gpu_count(kind)
    if not type_name or price is None or gpu_count < 1:
        return
    free = list(_regions(entry.get("regions_with_capacity_available")))
    for region, region_description in free or [("", "")]:
        yield Offer(
            platform=PLATFORM,
            instance_type=type_name,
            region=region,
            region_description=region_description,
            description=text(kind.get("description")) or type_name,
            gpu_name=_gpu_name(kind) or type_name,
            gpu_count=gpu_count,
            vram_gib=_vram_gib(kind),
            vcpus=count(_specs(kind).get("vcpus")),
            memory_gib=count(_specs(kind).get("memory_gib")),
            storage_gib=count(_specs(kind).get("storage_gib")),
            architecture=_architecture(kind, type_name),
            hourly_price_usd=price,
            available=region != "",
        )


def _regions(value: object) -> Iterator[tuple[str, str]]:
    seen = set()
    for region in value if isinstance(value, list) else []:
        name = _name_of(region)
        if name and name not in seen:
            seen.add(name)
            yield name, text(region.get("description")) if isinstance(region, dict) else ""


def _name_of(value: object) -> str:
    """Return the name of an object, or the string itself where only a name stands."""
    return text(value.get("name")) if isinstance(value, dict) else text(value)


def _specs(kind: Mapping[str, object]) -> Mapping[str, object]:
    specs = kind.get("specs")
    return specs if isinstance(specs, dict) else {}


def _hourly_price(cents: object) -> Decimal | None:
    """Return US dollars per hour; None for what is no price."""
    if isinstance(cents, bool) or not isinstance(cents, int | float | str):
        return None
    try:
        price = Decimal(cents if isinstance(cents, int) else str(cents)) / 100
    except ArithmeticError:
        return None
    return price if price.is_finite() and 0 < price <= HIGHEST_PRICE_USD else None


def _gpu_count(kind: Mapping[str, object]) -> int:
    specs = _specs(kind)
    if "gpus" in specs:
        return count(specs["gpus"])
    said = re.match(r"(\d{1,3})x ", text(kind.get("description")))
    return int(said[1]) if said else 0


def _gpu_name(kind: Mapping[str, object]) -> str:
    """Return "H100" from "H100 (80 GB SXM5)", or from "8x H100 (80 GB SXM5)"."""
    said = text(kind.get("gpu_description")) or text(kind.get("description"))
    return re.sub(r"^\d{1,3}x ", "", said).split(" (")[0].strip()


def _vram_gib(kind: Mapping[str, object]) -> int | None:
    """Return one card's memory: it is no field of its own, but stands in the descriptions."""
    for field in ("gpu_description", "description"):
        said = re.search(r"\((\d{1,5}) ?GB", text(kind.get(field)))
        if said:
            return int(said[1])
    return None


def _architecture(kind: Mapping[str, object], type_name: str) -> str:
    """Return "x86_64" or "arm64": live answers say so; else only the GH200 is known to be arm64."""
    said = ARCHITECTURES.get(text(kind.get("architecture")).lower())
    return said or ("arm64" if "gh200" in type_name.lower() else "x86_64")
