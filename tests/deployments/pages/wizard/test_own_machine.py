"""The last steps of the wizard on a machine of one's own that costs nothing."""

import re
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django.fixtures import Settings

from deployments.models import Deployment, Draft
from tests import builders
from tests.deployments.pages.wizard.market import ready_draft
from tests.deployments.pages.wizard.walking import words
from tests.own_host import LOOPBACK, OwnHost, running_own_host


@pytest.fixture
def machine(tmp_path: Path, settings: Settings) -> Iterator[OwnHost]:
    settings.SSH_NETWORKS = LOOPBACK
    with running_own_host(tmp_path / "own") as own:
        yield own


def test_it_is_offered_chosen_and_started_with_the_smallest_budget(
    user: User, reader: Client, machine: OwnHost
) -> None:
    builders.make_vault_entry(user, provider="ssh", secret=machine.host().sealed())
    draft = ready_draft(user, with_key=False)
    at = f"/new/{draft.pk}"

    page = reader.get(f"{at}/hardware/").content.decode()
    (value,) = re.findall(r'name="machine"[^>]*value="([^"]*)"', page)
    budget = re.findall(r'name="budget_limit"[^>]*value="([^"]*)"', page)
    chosen = {
        "show_type": "auto",
        "show_region": "auto",
        "max_hourly_price": "",
        "machine": value,
        "fallback_total_limit": "",
        "wait_for_capacity_minutes": "30",
        "budget_limit": budget[0],
        "max_hours": "2",
        "keep_on_failure_minutes": "0",
    }
    kept = reader.post(f"{at}/hardware/", chosen)
    review = words(reader.get(f"{at}/review/").content.decode())
    version = Draft.objects.get(pk=draft.pk).version
    pressed = reader.post(
        f"{at}/review/", {"name": "On mine", "version": str(version), "hourly": "0.00"}
    )

    assert value.startswith("ssh|gpu-box|own|")
    assert budget == ["0.01"]
    assert kept.status_code == 302, words(kept.content.decode())
    assert "Takes your gpu-box" in review
    assert "lets it go by itself" in review
    deployment = Deployment.objects.get()
    assert pressed["Location"] == f"/jobs/{deployment.job_id}/"
    assert (deployment.platform, deployment.vault_entry.name) == ("ssh", "gpu-box")
    assert (deployment.max_hourly_price, deployment.budget_limit) == (Decimal(0), Decimal("0.01"))
