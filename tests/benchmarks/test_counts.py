"""What the standing work costs, in database queries: printed by ``make bench``, bounded here.

Counts, not seconds: they are the same on every machine. A figure that grows with the number of
deployments where it should not is a defect.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from deployments import tasks
from deployments.models import Deployment
from deployments.models.deployments import Status
from tests import builders

FAR_AWAY = datetime(2999, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.django_db


def queries_of(work: Callable[[], object]) -> int:
    with CaptureQueriesContext(connection) as captured:
        work()
    return len(captured)


def tell(what: str, few: int, many: int) -> None:
    print(f"\n{what}: {few} queries with 2, {many} with 40")


def runs(count: int) -> None:
    user = builders.make_user()
    for _ in range(count):
        deployment = builders.make_deployment(user=user, status=Status.TRAINING)
        builders.make_machine(deployment)
    Deployment.objects.update(next_tick_at=FAR_AWAY)


def test_looking_for_due_rows_costs_the_same_however_many_rest() -> None:
    runs(2)
    few = queries_of(tasks.claim_due)
    runs(38)
    many = queries_of(tasks.claim_due)

    tell("a look of the ticker with nothing due", few, many)
    assert many == few


def test_the_list_of_runs_costs_the_same_however_long_it_is() -> None:
    user = builders.make_user()
    client = Client()
    client.force_login(user)

    def shown(count: int) -> int:
        for _ in range(count):
            builders.make_machine(builders.make_deployment(user=user, status=Status.TRAINING))
        return queries_of(lambda: client.get("/"))

    few, many = shown(2), shown(38)

    tell("the list of runs", few, many)
    assert many == few
