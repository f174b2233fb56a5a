"""What became of the rows: how many are trained on, which lost everything, which were cut.

TRL drops rows with nothing but the name of a progress bar to show it, and ORPO trains on rows
without an answer, which makes NaN of all weights (trap 7.1). Here they are counted and told.
"""

from __future__ import annotations

from typing import Any, Iterator, List, Mapping, Tuple

from agent_failures import RunFailedError
from payload_events import say

Row = Mapping[str, Any]
NOTHING = -100
ROWS_LOOKED_AT = 200


def check(
    trainer: Any,
    settings: Mapping[str, Any],
    train_rows: List[Row],
    eval_rows: List[Row],
    *,
    method: str,
) -> None:
    """Leave out what cannot be trained on; refuse when that is everything; count and tell."""
    if method == "orpo":
        trainer.train_dataset = _with_answers(trainer.train_dataset)
        if trainer.eval_dataset is not None:
            trainer.eval_dataset = _with_answers(trainer.eval_dataset)
    length = trainer.args.max_length
    if settings.get("packing"):
        _tell_packed(trainer.train_dataset, train_rows, length=length)
    else:
        _check_training(trainer, train_rows, length=length, method=method)
    if not eval_rows:
        return
    left = len(trainer.eval_dataset)
    if left < len(eval_rows):
        say("warning", f"{_left_out(left, len(eval_rows), length)} Those were to evaluate with.")
    if left == 0:
        say("warning", "No row held back for evaluation fits max_length: training without.")
        trainer.args.eval_strategy = "no"
        trainer.args.eval_on_start = False
        trainer.args.load_best_model_at_end = False
        trainer.eval_dataset = None


def _with_answers(dataset: Any) -> Any:
    """Return the rows in which the prompt leaves room for some of both answers."""
    return dataset.filter(
        lambda row: all(
            any(label != NOTHING for label in row[f"{side}_labels"])
            for side in ("chosen", "rejected")
        )
    )


def _check_training(trainer: Any, train_rows: List[Row], *, length: int, method: str) -> None:
    left = len(trainer.train_dataset)
    if left == 0:
        raise _nothing_left(trainer.processing_class, train_rows, length=length)
    if left < len(train_rows):
        say("warning", _left_out(left, len(train_rows), length))
    cut = sum(tokens >= length for tokens in _tokens(trainer.train_dataset, method))
    if cut:
        say("warning", f"{cut} of {left} rows reach max_length {length}; what follows is cut off.")


def _left_out(left: int, before: int, length: int) -> str:
    return (
        f"{before - left} of {before} rows are left out: within max_length {length} they keep no "
        "token to train on."
    )


def _nothing_left(tokenizer: Any, rows: List[Row], *, length: int) -> RunFailedError:
    question, whole = row_lengths(tokenizer, rows[:ROWS_LOOKED_AT])
    return RunFailedError(
        "E_DATA",
        f"Within max_length {length}, none of the {len(rows)} rows keeps a token to train on: the "
        f"shortest question alone takes {question} tokens.",
        remedy=f"Raise max_length from {length} to {whole}, the longest row, or shorten the rows.",
    )


def _tokens(dataset: Any, method: str) -> Iterator[int]:
    """Yield the length of each row as it is read; of a pair, the longer one."""
    if method == "sft":
        yield from map(len, dataset["input_ids"])
    elif method == "orpo":
        pairs = zip(dataset["chosen_input_ids"], dataset["rejected_input_ids"])  # noqa: B905
        yield from (max(map(len, pair)) for pair in pairs)
    else:
        columns = (dataset[f"{part}_ids"] for part in ("prompt", "chosen", "rejected"))
        for prompt, chosen, rejected in zip(*columns):  # noqa: B905
            yield len(prompt) + max(len(chosen), len(rejected))


def _tell_packed(dataset: Any, train_rows: List[Row], *, length: int) -> None:
    """Say what packing made of the rows; of packed rows each part is one of them."""
    parts = [n for lengths in dataset["seq_lengths"] for n in lengths]
    empty = sum(
        all(label == NOTHING for label in labels[start : start + n])
        for labels, lengths in zip(dataset["labels"], dataset["seq_lengths"])  # noqa: B905
        for start, n in _starts(lengths)
    )
    say(
        "info",
        f"{len(train_rows)} rows are packed into {len(dataset)} of at most {length} tokens.",
    )
    if len(parts) != len(train_rows):
        say("warning", f"{len(train_rows)} rows became {len(parts)} parts.")
    if empty == len(parts):
        raise RunFailedError(
            "E_DATA",
            f"Within max_length {length}, none of the {len(train_rows)} rows keeps a token to "
            "train on.",
            remedy="Raise max_length, or shorten the rows.",
        )
    if empty:
        say("warning", f"{empty} of {len(parts)} rows keep no token to train on: they are read.")
    cut = sum(n >= length for n in parts)
    if cut:
        say("warning", f"{cut} rows reach max_length {length}; what follows is cut off.")


def _starts(lengths: List[int]) -> Iterator[Tuple[int, int]]:
    start = 0
    for n in lengths:
        yield start, n
        start += n


def row_lengths(tokenizer: Any, rows: List[Row]) -> Tuple[int, int]:
    """Return the tokens of the shortest question and of the longest whole row."""
    questions, wholes = [], []
    for row in rows:
        question, answers = _parts(row)
        questions.append(_length(tokenizer, question))
        wholes += [_length(tokenizer, question + answer) + 1 for answer in answers]
    return min(questions), max(wholes)


def _parts(row: Row) -> Tuple[Any, List[Any]]:
    """Return the question and the answers of a row, all texts or all messages."""
    if "text" in row:
        return "", [row["text"]]
    if "messages" in row:
        messages = row["messages"]
        first = next(i for i, message in enumerate(messages) if message["role"] == "assistant")
        return messages[:first], [messages[first:]]
    names = ("chosen", "rejected") if "chosen" in row else ("completion",)
    return row["prompt"], [row[name] for name in names]


def _length(tokenizer: Any, part: Any) -> int:
    if isinstance(part, str):
        return len(tokenizer(part)["input_ids"])
    if not part:
        # A conversation that begins with the answer.
        return 0
    asks = part[-1]["role"] != "assistant"
    return len(tokenizer.apply_chat_template(part, add_generation_prompt=asks)["input_ids"])
