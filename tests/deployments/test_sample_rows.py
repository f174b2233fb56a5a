"""Held-out prompts and their answers, as a machine tells them and as they are read back."""

from typing import Any

import pytest

from deployments import sample_rows
from deployments.models import Machine, SampleAnswer
from deployments.run_log import ingest
from deployments.sample_rows import Answered
from tests import builders

pytestmark = pytest.mark.django_db


@pytest.fixture
def machine() -> Machine:
    return builders.make_machine()


def told(machine: Machine, *events: dict[str, Any]) -> list[Answered]:
    """Take events of this kind, numbered as they come; return what is known then."""
    first = machine.run.accepted_through if hasattr(machine, "run") else 0
    numbered = [{"seq": first + n, "kind": "sample", **each} for n, each in enumerate(events, 1)]
    ingest(machine, numbered)
    machine.refresh_from_db()
    return list(sample_rows.of_job(machine.deployment.job))


ASKED = {"number": 0, "prompt": "2 + 2?", "reference": "4", "base": "Two."}


def test_a_prompt_is_told_once_and_each_evaluation_adds_an_answer(machine: Machine) -> None:
    (found,) = told(
        machine,
        ASKED,
        {"number": 0, "step": 10, "answer": "5"},
        {"number": 0, "step": 20, "answer": "4"},
    )

    assert (found.prompt, found.reference, found.base) == ("2 + 2?", "4", "Two.")
    assert [(each.step, each.answer) for each in found.answers] == [(10, "5"), (20, "4")]
    assert found.newest is not None
    assert found.newest.answer == "4"
    assert [each.step for each in found.earlier] == [10]


def test_I10_a_later_machine_of_the_job_answers_a_step_anew(machine: Machine) -> None:
    told(machine, ASKED, {"number": 0, "step": 10, "answer": "5"})
    second = builders.make_machine(machine.deployment)

    (found,) = told(second, ASKED, {"number": 0, "step": 10, "answer": "4"})

    assert [(each.step, each.answer) for each in found.answers] == [(10, "4")]


@pytest.mark.parametrize(
    "event",
    [
        {"number": 5, "prompt": "a sixth"},
        {"number": -1, "prompt": "before the first"},
        {"number": "0", "prompt": "no number"},
        {"prompt": "none"},
    ],
)
def test_T3_more_prompts_than_five_are_not_kept(machine: Machine, event: dict[str, Any]) -> None:
    assert told(machine, event) == []


def test_T3_texts_are_cut_and_freed_of_what_a_terminal_obeys(machine: Machine) -> None:
    (found,) = told(
        machine,
        {"number": 0, "prompt": "x" * 9000, "base": "\x1b[31mred\x00", "reference": ["a", "list"]},
        {"number": 0, "step": 2**40, "answer": "at no step"},
    )

    assert found.prompt == "x" * sample_rows.MAX_TEXT
    assert found.base == "red"
    assert (found.reference, found.answers) == ("", ())


def test_T3_no_prompt_keeps_answers_without_end(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample_rows, "MAX_ANSWERS", 2)

    told(machine, ASKED, *({"number": 0, "step": step, "answer": "?"} for step in range(5)))

    assert list(SampleAnswer.objects.values_list("step", flat=True)) == [0, 1]


def test_somebody_elses_samples_are_not_among_a_jobs(machine: Machine) -> None:
    told(machine, ASKED)
    other = builders.make_machine()

    assert list(sample_rows.of_job(other.deployment.job)) == []
