"""The sample data: the same bytes for everybody, and answers that are right."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from datasets import samples


def test_the_same_seed_writes_the_same_bytes(tmp_path: Path) -> None:
    first = samples.write_samples(tmp_path / "a", rows=50, seed=3)
    second = samples.write_samples(tmp_path / "b", rows=50, seed=3)

    assert first.keys() == second.keys()
    for name, path in first.items():
        assert path.read_bytes() == second[name].read_bytes()


def test_another_seed_writes_other_problems() -> None:
    assert list(samples.problems(rows=6, seed=1)) != list(samples.problems(rows=6, seed=2))


def test_every_form_has_as_many_rows_as_asked_for(tmp_path: Path) -> None:
    for path in samples.write_samples(tmp_path, rows=25, seed=1).values():
        content = path.read_bytes()
        assert content.count(b"\n") == 25
        assert content.endswith(b"\n")
        assert [isinstance(json.loads(line), dict) for line in content.splitlines()] == [True] * 25


def test_nothing_but_the_files_is_left_behind(tmp_path: Path) -> None:
    samples.write_samples(tmp_path, rows=5, seed=1)

    assert {path.name for path in tmp_path.iterdir()} == set(samples.FILES)


def test_every_sum_in_a_worked_answer_is_right_and_leads_to_the_answer() -> None:
    operations = {
        "+": lambda a, b: a + b,
        "-": lambda a, b: a - b,
        "x": lambda a, b: a * b,
        "/": lambda a, b: a / b,
    }
    for problem in samples.problems(rows=1200, seed=5):
        found = re.search(r"(\d+) ([-+x/]) (\d+) = (\d+)\.", problem.working)
        assert found, problem
        left, sign, right, result = found.groups()
        assert operations[sign](int(left), int(right)) == int(result)
        assert problem.answer.startswith(f"{result} ")


def test_the_wrong_answer_is_never_the_right_one() -> None:
    for problem in samples.problems(rows=3000, seed=6):
        assert problem.wrong_answer != problem.answer


def test_conversations_end_with_the_worked_answer() -> None:
    (row,) = samples.chat_rows(rows=1, seed=1)
    (problem,) = samples.problems(rows=1, seed=1)

    assert row == {
        "messages": [
            {"role": "user", "content": problem.question},
            {"role": "assistant", "content": f"{problem.working}\nAnswer: {problem.answer}"},
        ]
    }


def test_a_prompt_and_its_completion_join_without_a_seam() -> None:
    for row in samples.prompt_completion_rows(rows=6, seed=1):
        assert re.search(r"\S\nWorking: \S", f"{row['prompt']}{row['completion']}")


def test_preferences_share_their_prompt_and_differ_in_their_answers() -> None:
    for row in samples.preference_rows(rows=12, seed=1):
        assert set(row) == {"prompt", "chosen", "rejected"}
        assert row["chosen"] != row["rejected"]


def test_the_base_model_reads_both_bare_answers_and_bare_workings_of_every_kind() -> None:
    rows = list(samples.reading_rows(rows=12, seed=1))

    assert [set(row) for row in rows] == [{"text"}] * 6 + [{"question", "answer"}] * 6


def test_the_files_can_be_written_by_hand(tmp_path: Path) -> None:
    root = Path(samples.__file__).resolve().parent.parent
    command = [sys.executable, "-m", "datasets.samples", str(tmp_path), "--rows", "6"]
    subprocess.run(command, cwd=root, check=True)  # noqa: S603

    assert (tmp_path / "chat.jsonl").read_bytes().count(b"\n") == 6


@pytest.mark.parametrize("make", samples.FILES.values())
def test_rows_are_made_one_at_a_time(make: object) -> None:
    """An iterator: a million rows need no more memory than one."""
    assert callable(make)
    rows = make(rows=10**9, seed=1)

    assert isinstance(next(rows), dict)
