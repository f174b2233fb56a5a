"""The run log by two ways at once: pushed by the machine and read over SSH (F41, F43, I10)."""

import json
from typing import Any

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments.lifecycle import training
from deployments.models import LogLine, Machine, Metric, RunState
from deployments.models.deployments import Status
from deployments.run_log import ingest, ingest_pushed, parse_lines
from tests import builders
from tests.deployments.lifecycle.test_training import TIMING, followed, running
from tests.deployments.virtual.acting import leased
from tests.deployments.virtual.renting import listed
from tests.deployments.virtual.world import World

pytestmark = pytest.mark.django_db
LENGTH = 14


def line(seq: int) -> dict[str, Any]:
    """Return the one event that a faithful agent wrote under this number."""
    if seq % 2:
        return {"seq": seq, "kind": "log", "text": f"line {seq}"}
    return {"seq": seq, "kind": "metrics", "step": seq, "values": {"train/loss": float(seq)}}


FILE = b"".join(json.dumps(line(seq)).encode() + b"\n" for seq in range(1, LENGTH + 1))
# A look over SSH reads so many bytes; a push sends these numbers, as an agent or the net has it.
looks = st.tuples(st.just("look"), st.integers(1, len(FILE)))
batches = st.tuples(
    st.just("push"), st.lists(st.integers(1, LENGTH), max_size=LENGTH, unique=False)
)
runs = st.tuples(st.just("push"), st.tuples(st.integers(1, LENGTH), st.integers(0, LENGTH)))
arrivals = st.lists(st.one_of(looks, batches, runs), max_size=14)


@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(arrivals=arrivals)
def test_I10_in_whatever_order_pushes_and_looks_arrive_each_event_counts_once_and_none_is_lost(
    machine: Machine, arrivals: list[tuple[str, Any]]
) -> None:
    with transaction.atomic():
        for kind, what in arrivals:
            through = look(machine, limit=what) if kind == "look" else push(machine, what)
            # Whatever came, what is known is a whole beginning of the log.
            assert kept(machine) == list(range(1, through + 1))
        while look(machine, limit=len(FILE)) < LENGTH:
            pass

        assert kept(machine) == list(range(1, LENGTH + 1))
        transaction.set_rollback(True)


@pytest.fixture
def machine() -> Machine:
    return builders.make_machine()


def look(machine: Machine, *, limit: int) -> int:
    """Read on in the file as the pull does."""
    offset = RunState.objects.get_or_create(machine=machine)[0].log_offset
    events, consumed = parse_lines(FILE[offset : offset + limit])
    return ingest(machine, events, log_offset=offset + consumed).accepted_through


def push(machine: Machine, what: Any) -> int:
    seqs = range(what[0], sum(what)) if isinstance(what, tuple) else what
    sent = [line(seq) for seq in seqs if seq <= LENGTH]
    return ingest_pushed(machine, sent).accepted_through


def kept(machine: Machine) -> list[int]:
    lines = list(LogLine.objects.filter(machine=machine).values_list("seq", flat=True))
    metrics = Metric.objects.filter(machine=machine)
    assert all(metric.value == metric.step for metric in metrics)
    return sorted([*lines, *(metric.step for metric in metrics)])


def test_F41_a_look_after_everything_was_pushed_reads_the_file_and_takes_nothing_twice(
    machine: Machine,
) -> None:
    push(machine, (1, LENGTH))

    assert look(machine, limit=len(FILE)) == LENGTH

    assert RunState.objects.get().log_offset == len(FILE)
    assert kept(machine) == list(range(1, LENGTH + 1))


def test_F41_F43_a_machine_out_of_reach_that_pushes_is_not_blamed_and_its_metrics_come(
    world: World,
) -> None:
    """SSH is cut for as long as silence would take to end the machine, and longer."""
    deployment, machine, _ = running(world)
    followed(world, deployment, machine, after=1)
    before = RunState.objects.get().accepted_through
    rounds = round(2 * TIMING.silence_limit_seconds / 10)
    world.cloud.fail("ssh", *["unreachable"] * rounds)
    for number in range(1, rounds + 1):
        world.clock.advance(4)
        ingest_pushed(machine, [line(before + number)])
        run = followed(world, deployment, machine, after=6)

    assert run.silent_seconds <= 10
    assert Metric.objects.filter(name="train/loss").count() == pytest.approx(rounds / 2, abs=2)


def test_F43_silence_counts_from_the_last_news_that_were_pushed(world: World) -> None:
    deployment, machine, _ = running(world)
    followed(world, deployment, machine, after=1)
    before = RunState.objects.get().accepted_through
    world.cloud.fail("ssh", "unreachable", "unreachable")
    world.clock.advance(6)
    ingest_pushed(machine, [line(before + 1)])

    assert followed(world, deployment, machine, after=4).silent_seconds == pytest.approx(4, abs=1)
    assert followed(world, deployment, machine, after=9).silent_seconds == pytest.approx(13, abs=2)


def test_what_is_asked_for_while_something_is_brought_is_not_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, machine, at_cloud = running(world, Status.TRAINING)
    at_cloud.agent = None
    ingest(machine, [{"seq": 1, "kind": "request", "request": "dataset"}])

    def bring(*_arguments: object, **_options: object) -> bool:
        ingest_pushed(machine, [{"seq": 2, "kind": "request", "request": "base_model"}])
        return True

    monkeypatch.setitem(training.BRING, "dataset", bring)
    listed(world, deployment, after=1)
    training.follow(leased(deployment), machine)

    assert RunState.objects.get().requests == ["base_model"]
