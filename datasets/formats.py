"""The normalised rows: what TRL's trainers take as they are (training-stack.md section 2).

``chat`` is ``{"messages": [{"role", "content"}, ..]}``, ``prompt_completion`` is ``{"prompt",
"completion"}``, ``text`` is ``{"text"}``. ``preference`` is ``{"prompt", "chosen", "rejected"}``,
three texts or three lists of messages; the answers hold only what follows the prompt.
"""

from collections.abc import Iterator, Mapping
from typing import Any

CHAT = "chat"
PROMPT_COMPLETION = "prompt_completion"
TEXT = "text"
PREFERENCE = "preference"
ROLES = frozenset({"system", "user", "assistant"})
# The parts that the model learns to write, or to prefer; the others it only reads.
LEARNT = frozenset({"assistant", "completion", "text", "chosen", "rejected"})
# The answers of a preference row: each is read with the prompt, never both together.
ANSWERS = ("chosen", "rejected")
_METHODS = {PREFERENCE: ("dpo", "orpo")}


def methods_of(form: str) -> list[str]:
    """Return the training methods that rows of a format serve."""
    return list(_METHODS.get(form, ("sft",)))


def texts_of(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a normalised row as (who, text): roles, or the names of its parts."""
    if "messages" in content:
        return [(message["role"], message["content"]) for message in content["messages"]]
    return [(part, text) for part, value in content.items() for text in texts_in(value)]


def texts_in(value: str | list[dict[str, str]]) -> Iterator[str]:
    """Yield the texts of one part: itself, or the contents of its messages."""
    if isinstance(value, str):
        yield value
    else:
        for message in value:
            yield message["content"]


def fields_of(content: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every text of a normalised row with its place, such as messages[0].content."""
    for part, value in content.items():
        if isinstance(value, str):
            yield part, value
        else:
            for index, message in enumerate(value):
                yield f"{part}[{index}].content", message["content"]
