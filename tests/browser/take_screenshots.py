"""``make screenshots``: pictures of the running product for docs/screenshots.

Real pages of a live server in Chromium. The rows behind them are the tests' scenes: one afternoon
with runs in every state, and a cloud's catalogue as recorded. Not collected with the tests.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import pytest
import responses
from django.contrib.auth.models import User
from playwright.sync_api import Browser, ViewportSize
from pytest_django.fixtures import Settings
from pytest_django.live_server_helper import LiveServer

from core.time import database_now
from deployments import clouds
from deployments.models import CloudSnapshot, Deployment, Machine, WorkerHeartbeat
from deployments.models.deployments import Status
from tests import builders
from tests.browser import small_png
from tests.browser.conftest import Tab
from tests.deployments.pages import scenes
from tests.deployments.pages.wizard.market import catalogue, ready_draft

pytestmark = [
    pytest.mark.browser,
    # Chromium and Playwright keep sockets of their own open until the session ends.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
MOST_BYTES = 2_000_000
WINDOWS: dict[str, ViewportSize] = {
    "wide": {"width": 1280, "height": 800},
    "phone": {"width": 390, "height": 844},
}
CHOICE = {
    "machine": {
        "platform": "lambda",
        "instance_type": "gpu_1x_h100_pcie",
        "region": "us-west-3",
        "hourly": "3.29",
    },
    "budget_limit": "2.50",
    "max_hours": "6",
    "fallback_total_limit": "1.80",
}


@dataclass(frozen=True)
class Picture:
    """One picture: its name, who sees which address, and how."""

    name: str
    user: User
    address: str
    window: str
    scheme: Literal["light", "dark"]

    @property
    def file(self) -> Path:
        """Where it is kept."""
        return FOLDER / f"{self.name}-{self.scheme}-{self.window}.png"


def ending(user: User, **fields: Any) -> Deployment:
    """Make a run whose machine is asked to end, and missing from the first list."""
    run = scenes.training(user, **fields)
    now = database_now()
    scenes.change(run, Status.TERMINATING, at=now - timedelta(seconds=90), message="Ending.")
    asked = now - timedelta(seconds=80)
    absent = now - timedelta(seconds=20)
    run.machines.update(end_wanted_at=asked, terminate_requested_at=asked, absent_since=absent)
    return run


def afternoon(user: User) -> dict[str, str]:
    """Make the afternoon of one user and return the address of each page by its name."""
    now = database_now()
    scenes.worker_beats()
    WorkerHeartbeat.objects.create(name="reap", beat_at=now - timedelta(minutes=2))
    data = scenes.dataset(user)
    earlier = now - timedelta(days=1, hours=1)
    scenes.cancelled(user, name="Tone experiment", model="mistralai/Mistral-7B-v0.3", dataset=data)
    scenes.failed(user, name="Invoice fields", model="Qwen/Qwen3-4B", dataset=data)
    scenes.ended(user, name="Support answers v2", dataset=data, begin=earlier)
    over = scenes.ended(user, name="Support answers v2, rank 64", dataset=data)
    scenes.waiting(user, name="Code review tone", model="mistralai/Mistral-7B-v0.3", dataset=data)
    ending(user, name="Ticket router", model="meta-llama/Llama-3.2-3B", dataset=data)
    live = scenes.training(user, dataset=data)
    scenes.preparing(user, name="Contract clauses", model="Qwen/Qwen3-8B", dataset=data)
    foreign = {
        "instance_id": "f1",
        "name": "jupyter-nina",
        "status": "active",
        "region": "us-south-1",
        "instance_type": "gpu_1x_h100_pcie",
        "description": "1x H100 (80 GB PCIe)",
        "hourly": "3.29",
        "seen_since": (now - timedelta(days=2, hours=3)).isoformat(),
    }
    scenes.account_listed(live, instances=[foreign])
    draft = ready_draft(user, with_key=False, **CHOICE)
    return {
        "runs": "/",
        "run-live": f"/jobs/{live.job_id}/",
        "run-ended": f"/jobs/{over.job_id}/",
        "machines": "/machines/",
        "wizard-hardware": f"/new/{draft.pk}/hardware/",
        "wizard-review": f"/new/{draft.pk}/review/",
    }


def pictures(user: User) -> Iterator[Picture]:
    """Yield every picture: each page wide in both schemes, and on a phone in one of them."""
    newcomer, stuck = builders.make_user("newcomer"), builders.make_user("stuck")
    addresses = {name: (user, address) for name, address in afternoon(user).items()}
    needs = scenes.needs_owner(stuck)
    addresses["first-visit"] = (newcomer, "/")
    addresses["needs-you"] = (stuck, f"/jobs/{needs.job_id}/")
    for number, (name, (person, address)) in enumerate(addresses.items()):
        yield Picture(name, person, address, "wide", "light")
        yield Picture(name, person, address, "wide", "dark")
        yield Picture(name, person, address, "phone", "dark" if number % 2 else "light")


@pytest.fixture
def vendor(settings: Settings) -> Iterator[responses.RequestsMock]:
    """Answer the catalogue at the vendor's own address, so that no page warns of another."""
    settings.LAMBDA_API_BASE_URL = ""
    address = f"{clouds.endpoint('lambda').base_url}/instance-types"
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get(address, json=catalogue())
        yield mock


def look_fresh(user: User) -> None:
    """Let the worker, the second guard and the cloud have told something just now."""
    now = database_now()
    scenes.worker_beats()
    WorkerHeartbeat.objects.filter(name="reap").update(beat_at=now - timedelta(minutes=2))
    just_now = now - timedelta(seconds=4)
    CloudSnapshot.objects.filter(vault_entry__user=user).update(listed_at=just_now)
    Machine.objects.filter(deployment__user=user, gone_at__isnull=True).update(seen_at=just_now)


def test_take_screenshots(
    chromium: Browser, live_server: LiveServer, user: User, vendor: responses.RequestsMock
) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    taken = set()

    for picture in pictures(user):
        look_fresh(user)
        with chromium.new_context(
            viewport=WINDOWS[picture.window],
            color_scheme=picture.scheme,
            # Nothing is to change between two runs but what the pages show.
            reduced_motion="reduce",
        ) as context:
            tab = Tab(context, live_server.url).sign_in(picture.user)
            tab.go(picture.address).wait_for_load_state("networkidle")
            png = tab.page.screenshot(full_page=picture.window == "wide")
            assert tab.complaints == []
        picture.file.write_bytes(small_png.smaller(png))
        taken.add(picture.file)

    for left_over in set(FOLDER.glob("*.png")) - taken:
        left_over.unlink()
    assert sum(file.stat().st_size for file in taken) < MOST_BYTES
