"""Sample data of our own: word problems in arithmetic and unit conversion with worked answers.

A seeded generator, so that everybody trains on the same bytes. Run it by hand with
``python -m datasets.samples FOLDER [--rows N] [--seed N]``.
"""

import argparse
import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

DEFAULT_ROWS = 2000
DEFAULT_SEED = 7
Row = dict[str, object]

NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gita", "Hugo", "Iris", "Jo", "Kofi", "Lena")
THINGS = ("apples", "books", "cards", "coins", "eggs", "keys", "pens", "plates", "shells", "stamps")
HOLDERS = ("bags", "boxes", "crates", "jars", "trays")
CONVERSIONS = (
    # what is measured, large unit, small unit, how many small ones make a large one
    ("A rope is", "metres", "centimetres", 100),
    ("A road is", "kilometres", "metres", 1000),
    ("A sack weighs", "kilograms", "grams", 1000),
    ("A tank holds", "litres", "millilitres", 1000),
    ("A film lasts", "hours", "minutes", 60),
    ("A song lasts", "minutes", "seconds", 60),
    ("A trip lasts", "days", "hours", 24),
    ("A course lasts", "weeks", "days", 7),
    ("A board is", "feet", "inches", 12),
    ("A field is", "yards", "feet", 3),
)


@dataclass(frozen=True)
class Problem:
    """A question, how to work it out, the right answer, and a wrong way with its wrong answer."""

    question: str
    working: str
    answer: str
    wrong_working: str
    wrong_answer: str

    @property
    def solution(self) -> str:
        """The worked answer, as a patient teacher would write it."""
        return f"{self.working}\nAnswer: {self.answer}"

    @property
    def wrong_solution(self) -> str:
        """A worked answer that uses the wrong operation."""
        return f"{self.wrong_working}\nAnswer: {self.wrong_answer}"


def _gain(pick: random.Random) -> Problem:
    name, thing = pick.choice(NAMES), pick.choice(THINGS)
    have, more = pick.randint(5, 60), pick.randint(2, 39)
    right, wrong = have + more, abs(have - more)
    return Problem(
        question=f"{name} has {have} {thing} and gets {more} more. How many {thing} are there now?",
        working=f"We add what came: {have} + {more} = {right}.",
        answer=f"{right} {thing}",
        wrong_working=f"We take the smaller from the larger: {wrong}.",
        wrong_answer=f"{wrong} {thing}",
    )


def _loss(pick: random.Random) -> Problem:
    name, thing = pick.choice(NAMES), pick.choice(THINGS)
    less = pick.randint(2, 39)
    have = less + pick.randint(3, 60)
    right, wrong = have - less, have + less
    return Problem(
        question=f"{name} has {have} {thing} and gives {less} away. How many {thing} are left?",
        working=f"We take away what was given: {have} - {less} = {right}.",
        answer=f"{right} {thing}",
        wrong_working=f"We add what was given: {have} + {less} = {wrong}.",
        wrong_answer=f"{wrong} {thing}",
    )


def _groups(pick: random.Random) -> Problem:
    holder, thing = pick.choice(HOLDERS), pick.choice(THINGS)
    # From 3: two times two is two plus two, and then the wrong way would be right.
    count, each = pick.randint(3, 12), pick.randint(2, 12)
    right, wrong = count * each, count + each
    return Problem(
        question=f"{count} {holder} hold {each} {thing} each. How many {thing} are there?",
        working=f"We multiply {holder} by {thing}: {count} x {each} = {right}.",
        answer=f"{right} {thing}",
        wrong_working=f"We add {holder} and {thing}: {count} + {each} = {wrong}.",
        wrong_answer=f"{wrong} {thing}",
    )


def _shares(pick: random.Random) -> Problem:
    holder, thing = pick.choice(HOLDERS), pick.choice(THINGS)
    count, right = pick.randint(3, 12), pick.randint(2, 12)
    total = count * right
    wrong = total - count
    return Problem(
        question=f"{total} {thing} are shared out over {count} {holder}. How many are in each?",
        working=f"We divide {thing} by {holder}: {total} / {count} = {right}.",
        answer=f"{right} {thing}",
        wrong_working=f"We take {holder} from {thing}: {total} - {count} = {wrong}.",
        wrong_answer=f"{wrong} {thing}",
    )


def _to_small(pick: random.Random) -> Problem:
    start, large, small, factor = pick.choice(CONVERSIONS)
    count = pick.randint(2, 20)
    right, wrong = count * factor, count + factor
    return Problem(
        question=f"{start} {count} {large}. How many {small} is that?",
        working=f"One of the {large} is {factor} {small}: {count} x {factor} = {right}.",
        answer=f"{right} {small}",
        wrong_working=f"One of the {large} is {factor} {small}: {count} + {factor} = {wrong}.",
        wrong_answer=f"{wrong} {small}",
    )


def _to_large(pick: random.Random) -> Problem:
    start, large, small, factor = pick.choice(CONVERSIONS)
    right = pick.randint(2, 20)
    total = right * factor
    wrong = total - factor
    return Problem(
        question=f"{start} {total} {small}. How many {large} is that?",
        working=f"One of the {large} is {factor} {small}: {total} / {factor} = {right}.",
        answer=f"{right} {large}",
        wrong_working=f"One of the {large} is {factor} {small}: {total} - {factor} = {wrong}.",
        wrong_answer=f"{wrong} {large}",
    )


KINDS: tuple[Callable[[random.Random], Problem], ...] = (
    _gain,
    _loss,
    _groups,
    _shares,
    _to_small,
    _to_large,
)


def problems(*, rows: int = DEFAULT_ROWS, seed: int = DEFAULT_SEED) -> Iterator[Problem]:
    """Yield so many problems, every kind in turn; the same seed yields the same ones for ever."""
    # Not for secrets: what is wanted is that everybody gets the same problems.
    pick = random.Random(seed)  # noqa: S311
    for number in range(rows):
        yield KINDS[number % len(KINDS)](pick)


def chat_rows(*, rows: int = DEFAULT_ROWS, seed: int = DEFAULT_SEED) -> Iterator[Row]:
    """Yield conversations: the user asks, the assistant works it out."""
    for problem in problems(rows=rows, seed=seed):
        yield {
            "messages": [
                {"role": "user", "content": problem.question},
                {"role": "assistant", "content": problem.solution},
            ]
        }


def prompt_completion_rows(*, rows: int = DEFAULT_ROWS, seed: int = DEFAULT_SEED) -> Iterator[Row]:
    """Yield prompts and the completions that follow them word for word."""
    for problem in problems(rows=rows, seed=seed):
        yield {
            "prompt": f"Question: {problem.question}\nWorking:",
            "completion": f" {problem.solution}",
        }


def question_answer_rows(*, rows: int = DEFAULT_ROWS, seed: int = DEFAULT_SEED) -> Iterator[Row]:
    """Yield plain columns that need a mapping before they can be trained on."""
    for problem in problems(rows=rows, seed=seed):
        yield {"question": problem.question, "answer": problem.solution}


def preference_rows(*, rows: int = DEFAULT_ROWS, seed: int = DEFAULT_SEED) -> Iterator[Row]:
    """Yield a prompt with a right (chosen) and a wrong (rejected) worked answer."""
    for problem in problems(rows=rows, seed=seed):
        yield {
            "prompt": problem.question,
            "chosen": problem.solution,
            "rejected": problem.wrong_solution,
        }


def reading_rows(*, rows: int = DEFAULT_ROWS, seed: int = DEFAULT_SEED) -> Iterator[Row]:
    """Yield what the sample base model reads before anybody fine-tunes it.

    The same world told in another manner: bare answers without the working, and the workings on
    their own. So fine-tuning on the other files has something to teach and something to build on.
    """
    # Other numbers than those of the training files, so that nothing is learnt by heart.
    for number, problem in enumerate(problems(rows=rows, seed=seed + 1)):
        if number // len(KINDS) % 2:
            yield {"question": problem.question, "answer": problem.answer}
        else:
            yield {"text": problem.working}


FILES: dict[str, Callable[..., Iterator[Row]]] = {
    "chat.jsonl": chat_rows,
    "prompt-completion.jsonl": prompt_completion_rows,
    "question-answer.jsonl": question_answer_rows,
    "preference.jsonl": preference_rows,
    "reading.jsonl": reading_rows,
}


def write_samples(
    folder: Path, *, rows: int = DEFAULT_ROWS, seed: int = DEFAULT_SEED
) -> dict[str, Path]:
    """Write every form as JSON Lines into ``folder`` and return the paths by file name.

    Repeating it writes the same bytes; each file appears whole, by rename.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for name, make in FILES.items():
        target = folder / name
        part = target.with_name(f"{name}.part")
        part.write_bytes(as_json_lines(make(rows=rows, seed=seed)))
        part.replace(target)
        written[name] = target
    return written


def as_json_lines(rows: Iterable[Row]) -> bytes:
    """Return one JSON object a line, UTF-8, each line ended."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def main() -> None:
    """Write the sample files where the command line says."""
    parser = argparse.ArgumentParser(description="Write the sample data.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rows", type=int, default=DEFAULT_ROWS)
    parser.add_argument("--seed", type=int, default=DEFAULT_SEED)
    given = parser.parse_args()
    write_samples(given.folder, rows=given.rows, seed=given.seed)


if __name__ == "__main__":
    main()
