"""How long a row is before a tokeniser has seen it, and how its length is counted."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from datasets import formats
from datasets.lengths import LengthCounter

# A rule of thumb for English and for code; other scripts take more bytes and more tokens alike.
BYTES_A_TOKEN = 4
# What a chat template adds around each message.
TOKENS_A_MESSAGE = 4


class RowSize(NamedTuple):
    """A row in tokens: all of it, and how many come before the first that is learnt."""

    total: int
    before_answer: int


def estimated_tokens(text: str) -> int:
    """Return about how many tokens a text takes, with its frame."""
    size = len(text) if text.isascii() else len(text.encode())
    return size // BYTES_A_TOKEN + TOKENS_A_MESSAGE


def count_row(counter: LengthCounter, content: Mapping[str, Any]) -> None:
    """Count the length of a normalised row, and what of it the model learns to write.

    Of a preference row that is the prompt with the longer answer: what has to fit max_length.
    """
    if "messages" in content:
        total = learnt = 0
        for message in content["messages"]:
            tokens = estimated_tokens(message["content"])
            total += tokens
            if message["role"] == "assistant":
                learnt += tokens
        counter.add(total, answer_tokens=learnt)
        return
    size = estimated_size(content)
    counter.add(size.total, answer_tokens=size.total - size.before_answer)


def estimated_size(content: Mapping[str, Any]) -> RowSize:
    """Return about how long a normalised row is; of a preference, with its longer answer."""
    if "messages" in content:
        total, begin = 0, None
        for message in content["messages"]:
            if begin is None and message["role"] == "assistant":
                begin = total
            total += estimated_tokens(message["content"])
        return RowSize(total, total if begin is None else begin)
    parts = {
        part: sum(map(estimated_tokens, formats.texts_in(value))) for part, value in content.items()
    }
    learnt = max((tokens for part, tokens in parts.items() if part in formats.LEARNT), default=0)
    begin = parts.get("prompt", 0)
    return RowSize(begin + learnt, begin)
