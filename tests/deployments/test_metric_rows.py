"""Metrics as rows: raw ones and buckets say the same, whoever told them and however often."""

from collections.abc import Sequence
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments import bucketing, history, metric_rows
from deployments.bucketing import Bucket, Told
from deployments.event_values import GPU_MEMORY, GPU_USE
from deployments.models import Machine, Metric, MetricBucket
from deployments.run_log import ingest
from tests import builders

pytestmark = pytest.mark.django_db
LOSS = "train/loss"


@pytest.fixture
def machine() -> Machine:
    return builders.make_machine()


def tell(machine: Machine, *values: tuple[int, float | None], first_seq: int = 1) -> None:
    """Let a machine tell losses by step, in one batch."""
    ingest(
        machine,
        [
            {"seq": first_seq + n, "kind": "metrics", "step": step, "values": {LOSS: value}}
            for n, (step, value) in enumerate(values)
        ],
    )


def buckets(machine: Machine, name: str = LOSS) -> Sequence[Bucket]:
    return metric_rows.bucket_series(machine.deployment.job_id, [name]).get(name, [])


def of_the_raw_rows(machine: Machine, *, width: int) -> Sequence[Bucket]:
    rows = Metric.objects.filter(job=machine.deployment.job, name=LOSS).order_by("step")
    return bucketing.bucketed(
        (Told(*row) for row in rows.values_list("step", "value", "at")), width=width
    )


def test_a_short_run_is_kept_step_by_step(machine: Machine) -> None:
    tell(machine, (1, 3.0), (2, None), (3, 2.0))

    assert [(b.last_step, b.last, b.width) for b in buckets(machine)] == [
        (1, 3.0, 1),
        (2, None, 1),
        (3, 2.0, 1),
    ]


def test_a_long_run_is_kept_in_few_buckets_that_grow_wider(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bucketing.fitting_width, "__kwdefaults__", {"limit": 10})
    monkeypatch.setattr(bucketing, "MAX_BUCKETS", 10)
    for first in range(1, 101, 7):
        tell(machine, *[(s, float(s)) for s in range(first, first + 7)], first_seq=first)

    found = buckets(machine)

    assert {bucket.width for bucket in found} == {16}
    assert len(found) == 7
    assert found == of_the_raw_rows(machine, width=16)


def test_one_batch_of_many_steps_is_cut_to_size_at_once(machine: Machine) -> None:
    tell(machine, *[(step, float(-step)) for step in range(1, 1001)])

    found = buckets(machine)

    assert len(found) <= bucketing.MAX_BUCKETS
    assert found == of_the_raw_rows(machine, width=4)


def test_i10_a_second_machine_that_trains_steps_again_leaves_no_trace_of_the_first(
    machine: Machine,
) -> None:
    tell(machine, *[(step, 9.0) for step in range(1, 1001)])
    second = builders.make_machine(machine.deployment)

    tell(second, *[(step, 1.0) for step in range(501, 1001)])

    found = buckets(machine)
    assert max(b.high for b in found if b.high is not None and b.start > 504) == 1.0
    assert found == of_the_raw_rows(machine, width=4)


def test_i10_a_step_trained_again_leaves_the_rest_of_its_bucket_as_it_was(
    machine: Machine,
) -> None:
    tell(machine, *[(step, 9.0) for step in range(1, 1001)])
    second = builders.make_machine(machine.deployment)

    tell(second, (501, 1.0))

    (touched,) = [bucket for bucket in buckets(machine) if bucket.start == 500]
    assert (touched.count, touched.total, touched.low_step, touched.last_step) == (4, 28, 501, 503)
    assert buckets(machine) == of_the_raw_rows(machine, width=4)


def test_i10_a_replay_and_a_machine_that_contradicts_itself_change_nothing(
    machine: Machine,
) -> None:
    tell(machine, (1, 3.0), (2, 2.0))
    before = buckets(machine)

    tell(machine, (1, 7.0), (2, 8.0))
    tell(machine, (1, 7.0), (2, 8.0), first_seq=50)
    tell(machine, (3, 1.0), (3, 5.0), first_seq=60)

    assert buckets(machine)[:2] == before
    assert [b.last for b in buckets(machine)] == [3.0, 2.0, 1.0]


batches = st.lists(
    st.tuples(
        st.booleans(),
        st.lists(st.tuples(st.integers(0, 60), st.integers(0, 9).map(float)), max_size=12),
    ),
    max_size=6,
)


@given(batches)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_whatever_two_machines_tell_the_buckets_are_those_of_the_raw_rows(
    told: list[tuple[bool, list[tuple[int, float]]]],
) -> None:
    one = builders.make_machine()
    other = builders.make_machine(one.deployment)

    for number, (by_other, values) in enumerate(told):
        tell(other if by_other else one, *values, first_seq=1 + 100 * number)

    assert buckets(one) == of_the_raw_rows(one, width=1)


def test_each_metric_has_a_width_of_its_own(machine: Machine) -> None:
    tell(machine, *[(step, 1.0) for step in range(1, 1001)])
    event = {"seq": 5000, "kind": "metrics", "step": 1000, "values": {"eval/loss": 1.5}}

    ingest(machine, [event])

    (measured,) = buckets(machine, "eval/loss")
    assert (measured.width, measured.low_step, measured.low) == (1, 1000, 1.5)


def test_a_part_of_a_run_has_finer_buckets_than_the_whole(machine: Machine) -> None:
    tell(machine, *[(step, None if step == 700 else float(step % 10)) for step in range(1, 2001)])
    job = machine.deployment.job_id

    few = metric_rows.finer_series(job, [LOSS], first=690, last=710)[LOSS]
    many = metric_rows.finer_series(job, [LOSS], first=1, last=1000)[LOSS]

    assert [(b.last_step, b.last, b.count) for b in few[9:12]] == [
        (699, 9.0, 1),
        (700, None, 0),
        (701, 1.0, 1),
    ]
    exact = of_the_raw_rows(machine, width=4)[: len(many)]
    plain = [(b.start, b.count, b.total, b.low, b.high, b.last_step) for b in exact[:-1]]
    assert [(b.start, b.count, b.total, b.low, b.high, b.last_step) for b in many[:-1]] == plain
    assert [b.last for b in many[:-1]] == [b.last for b in exact[:-1]]
    assert all(b.width == 4 for b in many)


def test_the_newest_value_is_found_in_the_buckets(machine: Machine) -> None:
    tell(machine, *[(step, float(step)) for step in range(1, 1001)])

    newest = history.latest_metrics(machine.deployment.job_id)[LOSS]

    assert (newest.step, newest.value) == (1000, 1000.0)


def test_a_batch_costs_as_many_questions_as_a_single_value(machine: Machine) -> None:
    tell(machine, (1, 1.0))

    counts = []
    for steps in (range(2, 3), range(3, 203)):
        with CaptureQueriesContext(connection) as captured:
            tell(machine, *[(step, 1.0) for step in steps], first_seq=steps.start)
        counts.append(len(captured))

    # SQLite writes in portions of its own; the questions are not asked step by step.
    assert max(counts) < 20


def test_t3_a_machine_that_invents_names_gets_a_hundred_and_no_more(machine: Machine) -> None:
    for number in range(3):
        values = {f"m{number}/{n}": 1.0 for n in range(60)}
        ingest(machine, [{"seq": number + 1, "kind": "metrics", "step": 1, "values": values}])

    assert MetricBucket.objects.count() == Metric.objects.count() == metric_rows.MAX_NAMES


# What heartbeats tell of GPUs.


def heartbeat(seq: int, *gpus: Any) -> dict[str, Any]:
    return {"seq": seq, "kind": "heartbeat", "gpus": list(gpus)}


def test_heartbeats_tell_the_fullest_gpu_and_how_busy_all_are_at_the_step_of_then(
    machine: Machine,
) -> None:
    ingest(
        machine,
        [
            heartbeat(1, {"memory_used_mib": 512, "utilization_percent": 0}),
            {"seq": 2, "kind": "progress", "step": 7},
            heartbeat(
                3,
                {"memory_used_mib": 13_312, "utilization_percent": 90},
                {"memory_used_mib": 12_000, "utilization_percent": 70},
            ),
        ],
    )

    told = {(m.name, m.step): m.value for m in Metric.objects.all()}
    each = {name: told.pop(name) for name in list(told) if name[0].startswith("system/")}
    assert each == {
        ("system/gpu_0_memory_used_gib", 0): 0.5,
        ("system/gpu_0_utilization_percent", 0): 0.0,
        ("system/gpu_0_memory_used_gib", 7): 13.0,
        ("system/gpu_0_utilization_percent", 7): 90.0,
        ("system/gpu_1_memory_used_gib", 7): 12_000 / 1024,
        ("system/gpu_1_utilization_percent", 7): 70.0,
    }
    assert told == {
        (GPU_MEMORY, 0): 0.5,
        (GPU_USE, 0): 0.0,
        (GPU_MEMORY, 7): 13.0,
        (GPU_USE, 7): 80.0,
    }


@pytest.mark.parametrize(
    "gpus", [None, "many", [None], [{}], [{"memory_used_mib": "1"}], [{"memory_used_mib": True}]]
)
def test_f42_a_heartbeat_without_figures_tells_no_metric(machine: Machine, gpus: Any) -> None:
    ingest(machine, [{"seq": 1, "kind": "heartbeat", "gpus": gpus}])

    assert not Metric.objects.exists()
