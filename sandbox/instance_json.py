"""Lambda's JSON for what the sandbox holds.

Shapes are those of API 1.10.0 plus what live answers were seen to carry (``architecture``,
``is_reserved``); fields that are not known yet are absent (lambda-cloud-api.md section 2).
"""

import secrets
from collections.abc import Iterable

from sandbox.catalogue import IMAGES, INSTANCE_TYPES, REGIONS, Catalogue, Image, InstanceType
from sandbox.file_systems import FileSystem
from sandbox.firewall import Ruleset
from sandbox.lambda_machine import LambdaMachine
from sandbox.ledger import iso
from sandbox.machines import Status

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


def instance_json(machine: LambdaMachine, catalogue: Catalogue) -> Json:
    """Return an instance as the API shows it; its type carries the present price."""
    order = machine.order
    kind = catalogue.instance_type(order.instance_type.name) or order.instance_type
    instance: Json = {
        "id": machine.machine_id,
        "status": machine.status,
        "ssh_key_names": [order.ssh_key_name],
        "file_system_names": [mount.file_system.name for mount in order.mounts],
        "region": region_json(order.region),
        "instance_type": instance_type_json(kind),
        "is_reserved": False,
        "actions": {name: _action_json(name, machine) for name in ACTIONS},
    }
    if order.name is not None:
        instance["name"] = order.name
    if order.tags:
        instance["tags"] = [{"key": key, "value": value} for key, value in order.tags]
    if order.mounts:
        instance["file_system_mounts"] = [
            {
                "mount_point": mount.mount_point,
                "file_system_id": mount.file_system.file_system_id,
            }
            for mount in order.mounts
        ]
    if order.firewall_ruleset_ids:
        instance["firewall_rulesets"] = [{"id": each} for each in order.firewall_ruleset_ids]
    if machine.ip is not None:
        instance["ip"] = machine.ip
        instance["private_ip"] = machine.private_ip
        instance["hostname"] = order.hostname or machine.ip
    if machine.jupyter_token is not None:
        instance["jupyter_token"] = machine.jupyter_token
        instance["jupyter_url"] = f"http://{machine.ip}:8888/?token={machine.jupyter_token}"
    return instance


def foreign_instances_json() -> list[Json]:
    """Return the machines of somebody else's account."""
    return [
        {
            "id": secrets.token_hex(16),
            "name": f"another-account-{number}",
            "status": Status.ACTIVE,
            "ip": f"127.0.0.{number + 1}",
            "ssh_key_names": ["another-key"],
            "file_system_names": [],
            "region": region_json("us-east-1"),
            "instance_type": instance_type_json(INSTANCE_TYPES[0]),
            "is_reserved": False,
            "actions": {name: {"available": True} for name in ACTIONS},
        }
        for number in (1, 2)
    ]


def file_system_json(file_system: FileSystem, machines: Iterable[LambdaMachine]) -> Json:
    """Return a file system; the machines are those that may have it mounted."""
    return {
        "id": file_system.file_system_id,
        "name": file_system.name,
        "mount_point": file_system.mount_point,
        "created": iso(file_system.created_at),
        "created_by": {"id": "0" * 32, "email": "sandbox@localhost", "status": "active"},
        "is_in_use": file_system.file_system_id in used_file_system_ids(machines),
        "region": region_json(file_system.region),
        "bytes_used": 0,
    }


def used_file_system_ids(machines: Iterable[LambdaMachine]) -> set[str]:
    return {
        mount.file_system.file_system_id for machine in machines for mount in machine.order.mounts
    }


def ruleset_json(ruleset: Ruleset, machines: Iterable[LambdaMachine]) -> Json:
    return {
        "id": ruleset.ruleset_id,
        "name": ruleset.name,
        "region": region_json(ruleset.region),
        "rules": ruleset.rules,
        "created": iso(ruleset.created_at),
        "instance_ids": [
            machine.machine_id
            for machine in machines
            if ruleset.ruleset_id in machine.order.firewall_ruleset_ids
        ],
    }


def _action_json(name: str, machine: LambdaMachine) -> Json:
    """Say whether an action is possible: terminate always is until the end has begun."""
    if machine.status in (Status.TERMINATING, Status.TERMINATED, Status.PREEMPTED):
        return _blocked("vm-is-terminating", "The instance is terminating.")
    if machine.status is Status.BOOTING and name != "terminate":
        return _blocked("vm-has-not-launched", "The instance has not launched yet.")
    if machine.is_restarting and name != "terminate":
        return _blocked("vm-action-in-progress", "Another action is in progress.")
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
