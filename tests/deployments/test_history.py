"""What runs have told, read back."""

from uuid import uuid4

import pytest

from deployments import history
from deployments.models import Machine
from tests.builders import make_deployment, make_log_line, make_machine, make_metric

pytestmark = pytest.mark.django_db


@pytest.fixture
def machine() -> Machine:
    return make_machine(make_deployment())


def test_the_latest_value_of_each_metric_is_that_of_its_own_last_step(machine: Machine) -> None:
    make_metric(machine, name="eval/loss", step=10, value=5.0)
    for step in (8, 9, 10, 11):
        make_metric(machine, step=step, value=float(step))
    make_metric(machine, name="eval/loss", step=5, value=9.0)
    make_metric(step=99)

    latest = history.latest_metrics(machine.deployment.job_id)

    assert {name: (point.step, point.value) for name, point in latest.items()} == {
        "eval/loss": (10, 5.0),
        "train/loss": (11, 11.0),
    }


def test_a_job_without_metrics_has_none() -> None:
    assert history.latest_metrics(uuid4()) == {}


def test_t3_a_machine_that_invents_names_does_not_swell_the_answer(machine: Machine) -> None:
    for number in range(history.MAX_NAMES + 5):
        make_metric(machine, name=f"m{number:03}")

    assert len(history.latest_metrics(machine.deployment.job_id)) == history.MAX_NAMES


def test_a_long_series_comes_in_parts_of_whole_steps(machine: Machine) -> None:
    for step in (1, 2, 3):
        for name in ("a", "b"):
            make_metric(machine, name=name, step=step, value=float(step))
    job = machine.deployment.job
    met: list[tuple[str, int]] = []

    since: int | None = None
    while part := history.metric_series(job, since_step=since, max_values=3):
        met += [(name, step) for name, columns in part.items() for step in columns.step]
        since = max(step for _, step in met)

    assert sorted(met) == [(name, step) for name in "ab" for step in (1, 2, 3)]


def test_the_newest_lines_come_in_the_order_they_were_told(machine: Machine) -> None:
    for number in range(5):
        make_log_line(machine, text=str(number), level="error" if number % 2 else "debug")
    job = machine.deployment.job

    newest = history.newest_log_lines(job, limit=3)
    errors = history.newest_log_lines(job, limit=3, level="error")

    assert [each.text for each in newest] == ["2", "3", "4"]
    assert [each.text for each in errors] == ["1", "3"]
