"""A draft that is complete, its review, and the press that starts it."""

from typing import Any

from django.test import Client

from deployments.models import Draft

MACHINE = {
    "platform": "lambda",
    "instance_type": "gpu_1x_h100_pcie",
    "region": "us-west-3",
    "hourly": "3.29",
}


def complete(**changes: Any) -> dict[str, Any]:
    return {
        "machine": MACHINE,
        "budget_limit": "4.00",
        "max_hours": "2",
        "wait_for_capacity_minutes": 15,
        "keep_on_failure_minutes": 10,
    } | changes


def address(draft: Draft) -> str:
    return f"/new/{draft.pk}/review/"


def press(reader: Client, draft: Draft, **changes: Any) -> Any:
    version = Draft.objects.get(pk=draft.pk).version
    asked = {"name": "Support answers v3", "version": str(version), "hourly": "3.29"}
    return reader.post(address(draft), asked | changes)
