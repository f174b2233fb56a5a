"""How long a dataset's rows are for one model, counted once and kept with the dataset."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from datasets.lengths import LengthCounter, RowLengths
from datasets.models import Dataset
from datasets.services import normalised_file, row_lengths
from datasets.sizes import RowSize, estimated_size
from datasets.tokenizers_at_hand import ModelTokenizer

# About a second's work each; of larger data the estimate made at its check is what there is.
EXACT_UP_TO_BYTES = 4_000_000
ESTIMATED_UP_TO_BYTES = 20_000_000
_ESTIMATED = "estimated"
_KEPT_AT_MOST = 8
_ROWS_AT_ONCE = 500


@dataclass(frozen=True)
class Counts:
    """``lengths`` of the rows, and of what comes before their answers, where that was counted."""

    lengths: RowLengths
    before_answers: RowLengths | None
    is_exact: bool


def counts_of(dataset: Dataset, tokenizer: ModelTokenizer | None) -> Counts | None:
    """Return how long the rows are: exactly where a tokeniser is given and the data is small.

    None for data that is not ready, or is from before lengths were kept and large.
    Raises: TemplateError when the model has no chat template that takes a conversation.
    """
    estimated = row_lengths(dataset)
    if estimated is None or not dataset.rows:
        return None
    size = dataset.normalised_size_bytes
    if tokenizer is not None and size <= EXACT_UP_TO_BYTES:
        return _kept_or_counted(dataset, tokenizer.key, tokenizer.sizes, estimated)
    if size <= ESTIMATED_UP_TO_BYTES:
        return _kept_or_counted(dataset, _ESTIMATED, _estimated_sizes, estimated)
    return Counts(estimated, None, is_exact=False)


def needs_template(dataset: Dataset) -> bool:
    """Whether the rows are conversations, which a model reads through its chat template."""
    if dataset.format == Dataset.Format.CHAT:
        return True
    if dataset.format != Dataset.Format.PREFERENCE:
        return False
    return any(not isinstance(row["prompt"], str) for row in islice(_rows(dataset), 1))


def _kept_or_counted(
    dataset: Dataset,
    key: str,
    sizes: Callable[[list[Mapping[str, Any]]], Iterable[RowSize]],
    estimated: RowLengths,
) -> Counts:
    kept = dataset.token_counts.get(key)
    if kept is None:
        rows, before = LengthCounter(), LengthCounter()
        for size in _each_size(dataset, sizes):
            rows.add(size.total, answer_tokens=0)
            before.add(size.before_answer, answer_tokens=0)
        lengths = rows.lengths().as_json()
        lengths["answer_tokens"] = round(lengths["tokens"] * estimated.answer_share)
        kept = {"lengths": lengths, "before_answers": before.lengths().as_json()}
        others = list(dataset.token_counts.items())[-_KEPT_AT_MOST + 1 :]
        dataset.token_counts = {**dict(others), key: kept}
        Dataset.objects.filter(pk=dataset.pk).update(token_counts=dataset.token_counts)
    return Counts(
        RowLengths.read(kept["lengths"]),
        RowLengths.read(kept["before_answers"]),
        is_exact=key != _ESTIMATED,
    )


def _each_size(
    dataset: Dataset, sizes: Callable[[list[Mapping[str, Any]]], Iterable[RowSize]]
) -> Iterator[RowSize]:
    rows = _rows(dataset)
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        yield from sizes(some)


def _estimated_sizes(rows: list[Mapping[str, Any]]) -> Iterator[RowSize]:
    return map(estimated_size, rows)


def _rows(dataset: Dataset) -> Iterator[Mapping[str, Any]]:
    with normalised_file(dataset).open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)
