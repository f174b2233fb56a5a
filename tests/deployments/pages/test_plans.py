"""No page of a list reads a whole table that grows with every run (F82), on either database.

Each query a page sends is explained by the database itself. A plan that reads rows one after the
other is only allowed on tables that stay small.
"""

import re

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from tests import builders
from tests.deployments.pages import scenes

GROWING = {
    "cloud_deployments",
    "deployment_events",
    "local_training_jobs",
    "log_lines",
    "machines",
    "metrics",
    "run_states",
}
PAGES = [
    "/",
    "/?q=nothing+like+it",
    "/?status=alive",
    "/?status=needs_you",
    "/?status=failed",
    "/?model=Qwen%2FQwen3-4B",
    "/?cloud=lambda&after={run}",
    "/?before={run}",
    "/machines/",
    "/burn/",
]


@pytest.fixture
def run(user: User) -> str:
    """Make runs of two users, so that reading all of them would be more than reading one's own."""
    data = scenes.dataset(user)
    scenes.ended(builders.make_user())
    scenes.training(user, dataset=data)
    scenes.failed(user, dataset=data, model="Qwen/Qwen3-4B")
    scenes.needs_owner(user, dataset=data)
    return str(scenes.ended(user, dataset=data).pk)


def read_whole(sql: str) -> set[str]:
    """Return the growing tables that the database would read from one end to the other."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # So few rows are read whole whatever indexes there are, unless that is made dear.
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute("EXPLAIN " + sql.replace("%", "%%"))
            found = re.findall(r"Seq Scan on (\w+)", "\n".join(row[0] for row in cursor.fetchall()))
        else:
            cursor.execute("EXPLAIN QUERY PLAN " + sql.replace("%", "%%"))
            found = re.findall(r"SCAN (\w+)", "\n".join(row[3] for row in cursor.fetchall()))
    # An inner query's table goes by the name U0: all of those here grow.
    return {name for name in found if name in GROWING or re.fullmatch(r"U\d+", name)}


@pytest.mark.parametrize("address", PAGES)
def test_f82_no_page_reads_a_growing_table_whole(
    user: User, reader: Client, run: str, address: str
) -> None:
    with CaptureQueriesContext(connection) as captured:
        assert reader.get(address.format(run=run)).status_code == 200

    selects = [each["sql"] for each in captured.captured_queries]
    selects = [sql for sql in selects if sql.startswith("SELECT")]
    whole = {sql: tables for sql in selects if (tables := read_whole(sql))}
    assert len(selects) > 3
    assert whole == {}
