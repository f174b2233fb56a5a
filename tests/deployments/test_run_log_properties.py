"""Whatever a machine writes, in whatever order it arrives: each event once, and the log goes on."""

import json
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments.event_values import METRIC_NAME
from deployments.models import LogLine, Machine, Metric, RunState
from deployments.run_log import ingest, parse_lines
from tests import builders

pytestmark = pytest.mark.django_db
in_one_database = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

numbers = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(),
    st.sampled_from([1e308, -0.0, 2**31, 2**53, 2**63, 10**400]),
)
texts = st.text(st.characters(), max_size=30)  # NUL and lone surrogates included
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
anything = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=12,
)
KINDS = ("phase", "log", "metrics", "progress", "heartbeat", "environment", "checkpoint")
FIELDS = ("phase", "detail", "level", "source", "text", "step", "total_steps", "epoch", "values")
MORE_FIELDS = ("path", "size_bytes", "files", "request", "code", "message", "remedy", "outcome")
hostile_events = st.fixed_dictionaries(
    {
        "seq": st.one_of(st.integers(1, 30), scalars),
        "kind": st.one_of(st.sampled_from([*KINDS, "request", "error", "exit"]), scalars),
    },
    optional=dict.fromkeys((*FIELDS, *MORE_FIELDS), anything),
)
files = st.lists(
    st.one_of(hostile_events.map(lambda e: json.dumps(e).encode()), st.binary(max_size=60)),
    max_size=12,
).map(lambda found: b"".join(line + b"\n" for line in found))


@pytest.fixture
def machine() -> Machine:
    return builders.make_machine()


@in_one_database
@given(content=files)
def test_F42_T3_no_file_stops_the_reading(machine: Machine, content: bytes) -> None:
    with transaction.atomic():
        events, consumed = parse_lines(content)
        ingest(machine, events, log_offset=consumed)
        last = ingest(machine, [{"seq": 2**53, "kind": "heartbeat", "ok": 1}])

        run = RunState.objects.get(machine=machine)
        assert (run.log_offset, run.accepted_through) == (len(content), last.accepted_through)
        assert all(METRIC_NAME.fullmatch(m.name) for m in Metric.objects.filter(machine=machine))
        transaction.set_rollback(True)


def well_formed(seq: int) -> dict[str, Any]:
    """Return the one event a faithful agent wrote under this number."""
    if seq % 2:
        return {"seq": seq, "kind": "log", "text": f"line {seq}"}
    return {"seq": seq, "kind": "metrics", "step": seq, "values": {"train/loss": float(seq)}}


@in_one_database
@given(
    looks=st.lists(st.lists(st.integers(1, 12), max_size=8), max_size=6),
    cut=st.integers(0, 12),
)
def test_I10_repeated_and_reordered_reads_give_each_event_once(
    machine: Machine, looks: list[list[int]], cut: int
) -> None:
    """A faithful log is read in pieces from the start: overlapping, shuffled, repeated."""
    with transaction.atomic():
        through = 0
        for look in looks:
            # Each look reads on without a gap, and repeats anything from before.
            through = min(through + 1 + cut % 3, 12)
            numbers_read = [seq for seq in look if seq <= through] + list(range(1, through + 1))
            ingest(machine, [well_formed(seq) for seq in numbers_read])

        assert _kept(machine) == dict.fromkeys(range(1, through + 1), 1)
        transaction.set_rollback(True)


def _kept(machine: Machine) -> dict[int, int]:
    counts: dict[int, int] = {}
    for line in LogLine.objects.filter(machine=machine):
        counts[line.seq] = counts.get(line.seq, 0) + 1
    for metric in Metric.objects.filter(machine=machine):
        assert metric.value == metric.step
        counts[metric.step] = counts.get(metric.step, 0) + 1
    return counts
