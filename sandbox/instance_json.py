"""Lambda's JSON for what the sandbox holds.

Shapes are those of API 1.10.0 plus what live answers were seen to carry (``architecture``,
``is_reserved``); fields that are not known yet are absent (lambda-cloud-api.md section 2).
"""

from sandbox.catalogue import IMAGES, REGIONS, Catalogue, Image, InstanceType
from sandbox.machines import Machine, Status

Json = dict[str, object]

ACTIONS = ("migrate", "rebuild", "restart", "cold_reboot", "terminate")


def region_json(name: str) -> Json:
    return {"name": name, "description": REGIONS[name]}


def instance_type_json(kind: InstanceType) -> Json:
    return {
        "name": kind.name,
        "description": kind.description,
        "gpu_description": kind.card.description,
        "price_cents_per_hour": kind.price_cents_per_hour,
        "specs": {
            "vcpus": kind.vcpus,
            "memory_gib": kind.memory_gib,
            "storage_gib": kind.storage_gib,
            "gpus": kind.gpus,
        },
        "architecture": kind.architecture,
    }


def offers_json(catalogue: Catalogue) -> Json:
    return {
        kind.name: {
            "instance_type": instance_type_json(kind),
            "regions_with_capacity_available": [
                region_json(region) for region in catalogue.free_regions(kind.name)
            ],
        }
        for kind in catalogue.types()
    }


def images_json() -> list[Json]:
    """Return one row per image and region."""
    return [_image_json(image, region) for image in IMAGES for region in REGIONS]


def instance_json(machine: Machine, catalogue: Catalogue) -> Json:
    """Return an instance as the API shows it; its type carries the present price."""
    order = machine.order
    kind = catalogue.instance_type(order.instance_type.name) or order.instance_type
    instance: Json = {
        "id": machine.machine_id,
        "status": machine.status,
        "ssh_key_names": [order.ssh_key_name],
        "file_system_names": [],
        "region": region_json(order.region),
        "instance_type": instance_type_json(kind),
        "is_reserved": False,
        "actions": {name: _action_json(name, machine.status) for name in ACTIONS},
    }
    if order.name is not None:
        instance["name"] = order.name
    if order.tags:
        instance["tags"] = [{"key": key, "value": value} for key, value in order.tags]
    if machine.ip is not None:
        instance["ip"] = machine.ip
        instance["private_ip"] = machine.private_ip
        instance["hostname"] = order.hostname or machine.ip
    if machine.jupyter_token is not None:
        instance["jupyter_token"] = machine.jupyter_token
        instance["jupyter_url"] = f"http://{machine.ip}:8888/?token={machine.jupyter_token}"
    return instance


def _action_json(name: str, status: Status) -> Json:
    """Say whether an action is possible: terminate always is until the end has begun."""
    if status in (Status.TERMINATING, Status.TERMINATED):
        return _blocked("vm-is-terminating", "The instance is terminating.")
    if status is Status.BOOTING and name != "terminate":
        return _blocked("vm-has-not-launched", "The instance has not launched yet.")
    return {"available": True}


def _blocked(code: str, description: str) -> Json:
    return {"available": False, "reason_code": code, "reason_description": description}


def _image_json(image: Image, region: str) -> Json:
    return {
        "id": image.image_id,
        "created_time": image.time,
        "updated_time": image.time,
        "name": image.name,
        "description": image.description,
        "family": image.family,
        "version": image.version,
        "architecture": image.architecture,
        "region": region_json(region),
    }
