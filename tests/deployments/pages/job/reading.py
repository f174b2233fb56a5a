"""Reading the page of a run: its address, its words."""

import re

from django.test import Client

from deployments.models import Deployment
from tests.deployments.pages.test_wording import spoken

TABS = ("", "charts/", "samples/", "logs/", "events/", "checkpoints/", "files/", "config/", "cost/")


def address(deployment: Deployment, more: str = "") -> str:
    """Return where something of a run is."""
    return f"/jobs/{deployment.job_id}/{more}"


def shown(reader: Client, deployment: Deployment, more: str = "") -> str:
    """Return a page of a run, with plain spaces."""
    response = reader.get(address(deployment, more))
    assert response.status_code == 200
    return spoken(response.content.decode())


def words(page: str) -> str:
    """Return what a reader sees, without markup."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("<main")[2]).split())


def read(reader: Client, deployment: Deployment, more: str = "") -> str:
    """Return the words of a page of a run."""
    return words(shown(reader, deployment, more))
