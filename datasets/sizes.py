"""How long a row is before a tokeniser has seen it, and how its length is counted."""

from collections.abc import Mapping
from typing import Any

from datasets import formats
from datasets.lengths import LengthCounter

# A rule of thumb for English and for code; other scripts take more bytes and more tokens alike.
BYTES_A_TOKEN = 4
# What a chat template adds around each message.
TOKENS_A_MESSAGE = 4


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
    parts = {
        part: sum(map(estimated_tokens, formats.texts_in(value))) for part, value in content.items()
    }
    learnt = max((tokens for part, tokens in parts.items() if part in formats.LEARNT), default=0)
    counter.add(parts.get("prompt", 0) + learnt, answer_tokens=learnt)
