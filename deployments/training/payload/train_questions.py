"""What is asked with a row that was held back, and what the data answers. Standard library only."""

from __future__ import annotations

from typing import Any, Mapping, Tuple

# Of a row that is one text, so much is the question.
MAX_QUESTION_WORDS = 60


def question_of(row: Mapping[str, Any]) -> Tuple[Any, str]:
    """Return what is asked, a text or messages, and the answer that the data has to it."""
    if "messages" in row:
        messages = row["messages"]
        last = max(i for i, message in enumerate(messages) if message["role"] == "assistant")
        return messages[:last], messages[last]["content"]
    if "text" in row:
        words = row["text"].split(" ")
        half = min(len(words) // 2, MAX_QUESTION_WORDS) or 1
        return " ".join(words[:half]), " ".join(words[half:])
    answer = row.get("chosen", row.get("completion"))
    return row["prompt"], answer if isinstance(answer, str) else answer[-1]["content"]


def shown(question: Any) -> str:
    """Return a question as people read it: a single message without its role."""
    if isinstance(question, str):
        return question
    if len(question) == 1:
        return str(question[0]["content"])
    return "\n\n".join(f"{message['role']}: {message['content']}" for message in question)
