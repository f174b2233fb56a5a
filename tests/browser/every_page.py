"""Every page there is, in its usual states, found in the URL table: a new page cannot be forgotten.

A page is what answers GET with a whole HTML document. An address with a new parameter must be told
what to put there, in ``Afternoon``; without that the tests fail and name it.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from itertools import product

from django.contrib.auth.models import User
from django.test import Client

from core import tokens
from core.installation import installation_id
from core.time import database_now
from deployments.models import Stray, WorkerHeartbeat
from deployments.pages.help.views import TOPICS
from notifications import webhooks
from tests import builders
from tests.config.routes import Route, every_route
from tests.deployments.pages import scenes

# What is served to people but is not ours to draw, or is no page: Django's admin, programs' part.
NOT_OURS = ("admin:", "docs", "schema", "healthz", "readyz", "metrics")
# The names that stand in addresses, where one does for all: the others are the same page.
NAMES = {
    "deployments:help": ["E_OOM", *(topic.name for topic in TOPICS)],
    "deployments:chart-table": ["loss", "cost"],
}
# States that an address alone does not name.
BESIDE = (
    "/?q=nothing+like+it",
    "/?status=alive",
    "/nothing/",
    "/datasets/{broken}/",
)


class Afternoon:
    """One user with runs in every state, data good and bad, a key, a token and drafts."""

    def __init__(self, user: User) -> None:
        now = database_now()
        scenes.worker_beats()
        WorkerHeartbeat.objects.create(name="reap", beat_at=now - timedelta(minutes=2))
        data = scenes.dataset(user)
        live = scenes.training(user, name="A" + "very" * 20 + "long name", dataset=data)
        runs = [
            live,
            scenes.preparing(user, dataset=data),
            scenes.waiting(user, dataset=data),
            scenes.needs_owner(user, dataset=data),
            scenes.ended(user, dataset=data),
            scenes.failed(user, dataset=data),
            scenes.cancelled(user, dataset=data),
        ]
        scenes.sampled(live)
        home = builders.make_checkpoint_at_home(runs[-1].machines.get(), step=32)
        foreign = {
            "instance_id": "f1",
            "name": "jupyter-nina",
            "status": "active",
            "region": "us-south-1",
            "instance_type": "gpu_1x_h100",
            "hourly": "3.29",
        }
        scenes.account_listed(live, instances=[foreign])
        Stray.objects.create(
            vault_entry_id=live.vault_entry_id,
            instance_id="stray",
            name=f"{installation_id()}-deadbeef-a1-n0-t17",
            first_seen_at=now,
            last_seen_at=now,
            terminate_after=now + timedelta(minutes=15),
        )
        token, _ = tokens.create_token(user, name="notebook", scopes=tokens.DEFAULT_SCOPES)
        self.broken = builders.make_dataset(user, content=b"no json\n" * 3, name="b" * 120)
        webhook, _ = webhooks.add(user, url="https://hooks.example.org/" + "in" * 60)
        scenes.given_up(webhook)
        webhooks.send_test(webhook)
        drafts = [
            builders.make_draft(user, updated_at=now),
            builders.make_draft(
                user,
                name="Support answers v4",
                dataset=data,
                updated_at=now,
                values={
                    "method": "sft",
                    "base_model": "example/tiny-llama",
                    "preset": "balanced",
                    "budget_limit": str(Decimal("2.50")),
                },
            ),
        ]
        config = live.training_config
        assert config is not None
        self.values: dict[str, list[str]] = {
            "job_id": [str(run.job_id) for run in runs],
            "dataset_id": [str(data.pk)],
            "draft_id": [str(draft.pk) for draft in drafts],
            "entry_id": [str(live.vault_entry_id)],
            "artifact_id": [str(artifact.pk) for run in runs for artifact in run.artifacts.all()],
            "checkpoint_id": [str(home.pk)],
            "config_id": [str(config.pk)],
            "token_id": [str(token.pk)],
            "webhook_id": [str(webhook.pk)],
            # Whatever is nobody's leads elsewhere, or is not there.
            "nonce": ["00000000-0000-4000-8000-000000000000"],
            "session_id": ["00000000-0000-4000-8000-000000000000"],
            "file_name": ["job.json"],
        }

    def addresses(self) -> Iterator[str]:
        """Yield every address that may be a page, with this user's things in it."""
        for route in own_routes():
            if "name" in route.parameters and route.name not in NAMES:
                continue
            known = self.values | {"name": NAMES.get(route.name, [])}
            for picked in product(*(known[parameter] for parameter in route.parameters)):
                yield route.address(dict(zip(route.parameters, picked, strict=True)))
        yield from (address.format(broken=self.broken.pk) for address in BESIDE)


def own_routes() -> list[Route]:
    """Return the routes that people see and that are drawn by us."""
    return [
        route for route in every_route() if not route.is_api and not route.name.startswith(NOT_OURS)
    ]


def bare_addresses() -> list[str]:
    """Return the addresses that name nothing: what somebody sees who has nothing yet."""
    return [route.address({}) for route in own_routes() if not route.parameters]


def pages(user: User, addresses: Iterable[str]) -> dict[str, int]:
    """Return those addresses that answer with a whole page, with the status of their answers.

    None may fail on our side.
    """
    reader = Client()
    reader.force_login(user)
    found = {}
    for address in addresses:
        answer = reader.get(address)
        assert answer.status_code < 500 or answer.status_code == 502, (address, answer.status_code)
        is_html = answer.headers.get("Content-Type", "").startswith("text/html")
        if is_html and not answer.streaming and b"<!DOCTYPE html>" in answer.content[:200]:
            found[address] = answer.status_code
    return found
