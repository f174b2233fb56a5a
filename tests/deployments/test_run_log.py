"""The run log: each event once, in order, and nothing a machine writes can stop the reading."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from deployments import event_values
from deployments.models import Checkpoint, LogLine, Machine, Metric, RunState
from deployments.run_log import MAX_LINE_BYTES, ingest, parse_lines
from tests import builders

DIGEST = "ab" * 32


def lines(*events: object) -> bytes:
    """Return the events as an agent writes them."""
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


def event(seq: int, kind: str, **body: Any) -> dict[str, Any]:
    return {"seq": seq, "time": "2026-03-02T12:00:00Z", "kind": kind, **body}


def told(machine: Machine, *events: dict[str, Any]) -> RunState:
    """Take the events and return what is known then."""
    ingest(machine, events)
    return RunState.objects.get(machine=machine)


# Reading lines.


def test_only_whole_lines_are_taken_and_counted() -> None:
    whole = lines(event(1, "heartbeat"), event(2, "heartbeat"))

    events, consumed = parse_lines(whole + b'{"seq": 3, "ki')

    assert [each["seq"] for each in events] == [1, 2]
    assert consumed == len(whole)


def test_nothing_is_taken_from_the_beginning_of_a_line() -> None:
    assert parse_lines(b"") == ([], 0)
    assert parse_lines(b'{"seq": 1') == ([], 0)


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"no json",
        b"\xff\xfe",
        b"[1, 2]",
        b'"seq"',
        b"null",
        b'{"kind": "log"}',
        b'{"seq": "1", "kind": "log"}',
        b'{"seq": true, "kind": "log"}',
        b'{"seq": -1, "kind": "log"}',
        b'{"seq": 1.5, "kind": "log"}',
        b'{"seq": 1e400, "kind": "log"}',
        b'{"seq": ' + b"9" * 5000 + b"}",
        b'{"seq": 1, "kind": "log", "text": "' + b"x" * MAX_LINE_BYTES + b'"}',
        b"[" * 50_000,
    ],
    ids=lambda line: line[:20].decode("ascii", "replace"),
)
def test_F42_a_line_that_is_no_event_is_passed_over(line: bytes) -> None:
    good = lines(event(7, "heartbeat"))

    events, consumed = parse_lines(line + b"\n" + good)

    assert [each["seq"] for each in events] == [7]
    assert consumed == len(line) + 1 + len(good)


def test_F42_a_line_without_an_end_does_not_hold_up_the_log() -> None:
    endless = b"x" * MAX_LINE_BYTES

    assert parse_lines(endless) == ([], len(endless))


# Taking events.


@pytest.mark.django_db
class TestIngest:
    """What each kind of event does, once."""

    def test_phases_are_told_with_their_detail(self) -> None:
        run = told(builders.make_machine(), event(1, "phase", phase="install", detail="torch"))

        assert (run.phase, run.phase_detail) == ("install", "torch")
        assert run.phase_since == run.news_at is not None

    def test_log_lines_keep_their_number_level_and_source(self) -> None:
        machine = builders.make_machine()

        told(machine, event(1, "log", level="warning", source="train", text="Careful."))

        line = LogLine.objects.get()
        assert (line.seq, line.level, line.source, line.text) == (1, "warning", "train", "Careful.")
        assert line.job == machine.deployment.job

    def test_metrics_are_kept_by_name_and_step_and_move_the_progress(self) -> None:
        machine = builders.make_machine()
        values = {"train/loss": 2.5, "train/learning_rate": 2e-4}

        run = told(machine, event(1, "metrics", step=3, total_steps=12, epoch=0.25, values=values))

        kept = {(m.name, m.step): m.value for m in Metric.objects.all()}
        assert kept == {("train/loss", 3): 2.5, ("train/learning_rate", 3): 2e-4}
        assert (run.step, run.total_steps, run.epoch) == (3, 12, 0.25)
        assert run.first_step_at == run.stepped_at is not None

    def test_checkpoints_are_kept_with_their_wellformed_files(self) -> None:
        files = [
            {"name": "adapter.safetensors", "size": 9, "sha256": DIGEST},
            {"name": "no digest", "size": 9},
            {"name": "bad size", "size": -1, "sha256": DIGEST},
            "not a file",
        ]

        told(
            builders.make_machine(),
            event(1, "checkpoint", step=5, path="output/checkpoint-5", size_bytes=9, files=files),
        )

        checkpoint = Checkpoint.objects.get()
        assert (checkpoint.step, checkpoint.size_bytes) == (5, 9)
        assert checkpoint.files == files[:1]

    def test_what_the_agent_asks_for_is_asked_once(self) -> None:
        run = told(
            builders.make_machine(),
            event(1, "request", request="dataset"),
            event(2, "request", request="dataset"),
            event(3, "request", request="/etc/passwd"),
        )

        assert run.requests == ["dataset"]

    def test_the_last_error_and_the_exit_are_kept(self) -> None:
        run = told(
            builders.make_machine(),
            event(1, "error", code="E_OOM", message="Full.", remedy="Shrink.", retryable=False),
            event(2, "exit", outcome="failed", exit_code=3, has_adapter=True, error_code="E_OOM"),
        )

        assert run.error == {
            "code": "E_OOM",
            "message": "Full.",
            "remedy": "Shrink.",
            "retryable": False,
        }
        assert run.exit == {
            "outcome": "failed",
            "exit_code": 3,
            "has_adapter": True,
            "merge": "",
            "error_code": "E_OOM",
        }

    def test_T3_only_true_is_true(self) -> None:
        run = told(
            builders.make_machine(),
            event(1, "error", retryable="yes"),
            event(2, "exit", outcome="triumph", has_adapter=1),
        )

        assert run.error is not None
        assert run.exit is not None
        assert run.error["retryable"] is False
        assert (run.exit["outcome"], run.exit["has_adapter"]) == ("failed", False)

    def test_I10_the_same_events_twice_count_once(self) -> None:
        machine = builders.make_machine()
        events = [
            event(1, "log", text="a"),
            event(2, "metrics", step=1, values={"train/loss": 1.0}),
        ]

        first = ingest(machine, events)
        second = ingest(machine, [*events, *events])

        assert (first.accepted_through, first.new_events) == (2, 2)
        assert (second.accepted_through, second.new_events) == (2, 0)
        assert LogLine.objects.count() == Metric.objects.count() == 1

    def test_I10_numbers_repeated_within_one_look_count_once(self) -> None:
        machine = builders.make_machine()

        taken = ingest(machine, [event(1, "log", text="a"), event(1, "log", text="b")])

        assert taken.new_events == 1
        assert LogLine.objects.get().text == "a"

    def test_events_are_taken_in_the_order_of_their_numbers(self) -> None:
        run = told(
            builders.make_machine(),
            event(3, "phase", phase="train"),
            event(2, "phase", phase="install"),
            event(1, "phase", phase="preflight"),
        )

        assert (run.phase, run.accepted_through) == ("train", 3)

    def test_each_machine_counts_for_itself(self) -> None:
        deployment = builders.make_deployment()

        for machine in (builders.make_machine(deployment), builders.make_machine(deployment)):
            told(machine, event(1, "log", text="hello"))

        assert LogLine.objects.count() == 2

    def test_I10_a_later_machine_overwrites_what_it_trains_again(self) -> None:
        deployment = builders.make_deployment()
        first, second = builders.make_machine(deployment), builders.make_machine(deployment)
        told(first, event(1, "metrics", step=1, values={"train/loss": 3.0}))

        told(second, event(1, "metrics", step=1, values={"train/loss": 2.0}))

        metric = Metric.objects.get()
        assert (metric.value, metric.machine) == (2.0, second)

    def test_I10_a_machine_does_not_rewrite_what_it_has_told(self) -> None:
        machine = builders.make_machine()
        told(machine, event(1, "metrics", step=1, values={"train/loss": 3.0}))

        told(machine, event(2, "metrics", step=1, values={"train/loss": 2.0, "eval/loss": 1.0}))

        kept = {metric.name: metric.value for metric in Metric.objects.all()}
        assert kept == {"train/loss": 3.0, "eval/loss": 1.0}

    def test_news_end_the_silence_and_old_news_do_not(self) -> None:
        machine = builders.make_machine()
        builders.make_run_state(machine, accepted_through=4, silent_seconds=300)

        assert told(machine, event(4, "heartbeat")).silent_seconds == 300
        assert told(machine, event(5, "heartbeat")).silent_seconds == 0

    def test_where_to_read_on_moves_with_the_events_and_never_back(self) -> None:
        machine = builders.make_machine()

        ingest(machine, [event(1, "heartbeat")], log_offset=100)
        ingest(machine, [], log_offset=40)

        assert RunState.objects.get().log_offset == 100

    def test_a_kind_we_do_not_know_is_counted_and_ignored(self) -> None:
        run = told(builders.make_machine(), event(1, "dance"), event(2, "heartbeat", cpu=3))

        assert (run.accepted_through, run.heartbeat) == (2, {"cpu": 3})

    @pytest.mark.parametrize(
        ("kind", "column"), [("heartbeat", "heartbeat"), ("environment", "environment")]
    )
    def test_machine_figures_are_kept_without_the_envelope(self, kind: str, column: str) -> None:
        run = told(builders.make_machine(), event(1, kind, gpus=[{"name": "A10", "used": 0.5}]))

        assert getattr(run, column) == {"gpus": [{"name": "A10", "used": 0.5}]}

    def test_T3_escape_sequences_are_taken_out_of_what_is_shown(self) -> None:
        text = "\x1b[31mred\x1b[0m \x00nul\x07 bell\r tab\tstays"

        told(builders.make_machine(), event(1, "log", text=text))

        assert LogLine.objects.get().text == "red nul bell tab\tstays"

    def test_F42_long_texts_are_cut(self) -> None:
        run = told(
            builders.make_machine(),
            event(1, "log", text="x" * 60_000, source="s" * 99),
            event(2, "phase", phase="p" * 500, detail="d" * 5000),
        )

        line = LogLine.objects.get()
        assert (len(line.text), len(line.source)) == (4000, 20)
        assert (len(run.phase), len(run.phase_detail)) == (40, 300)

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400", '"7"', "true"])
    def test_F42_a_value_that_is_no_finite_number_is_kept_as_unknown(self, number: str) -> None:
        text = f'{{"seq": 1, "kind": "metrics", "step": 1, "values": {{"train/loss": {number}}}}}\n'
        events, _ = parse_lines(text.encode())

        ingest(builders.make_machine(), events)

        assert Metric.objects.get().value is None

    def test_F42_at_most_a_hundred_values_are_taken_from_one_event(self) -> None:
        values = {f"m/{number}": 1.0 for number in range(500)}

        told(builders.make_machine(), event(1, "metrics", step=1, values=values))

        assert Metric.objects.count() == event_values.MAX_VALUES


HOSTILE: Sequence[dict[str, Any]] = [
    {"deep": json.loads("[" * 900 + "]" * 900)},
    {"backslash": "\\u0000", "nul": "\x00"},
    {"surrogate": "\ud800", "\udfff": 1},
    {"\x00": {"\x00\x00": "\x00"}},
    {"nan": float("nan"), "inf": [float("inf"), -float("inf")]},
    {"big": 10**300, "bigger": [-(10**4000)]},
    {"many": {str(number): number for number in range(5000)}},
    {"long": "x" * 60_000},
]


@pytest.mark.django_db
@pytest.mark.parametrize("kind", ["heartbeat", "environment", "checkpoint", "error", "exit", "log"])
@pytest.mark.parametrize("body", HOSTILE, ids=range(len(HOSTILE)))
def test_F42_T3_no_body_of_any_kind_stops_the_log(kind: str, body: dict[str, Any]) -> None:
    machine = builders.make_machine()
    fields = ("step", "path", "files", "message", "code", "outcome", "text", "level", "source")
    everywhere = dict.fromkeys(fields, body)

    told(machine, event(1, kind, **body), event(2, kind, **everywhere), event(3, "heartbeat", ok=1))

    run = RunState.objects.get()
    assert (run.accepted_through, run.heartbeat) == (3, {"ok": 1})


@pytest.mark.django_db
def test_F42_what_is_plain_in_a_hostile_heartbeat_is_kept() -> None:
    body = {"a": "x\\u0000y\x00z", "b": float("nan"), "c": [1, None, True, 2.5]}

    run = told(builders.make_machine(), event(1, "heartbeat", **body))

    assert run.heartbeat == {"a": "x\\u0000yz", "b": None, "c": [1, None, True, 2.5]}
