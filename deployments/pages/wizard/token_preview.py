"""Which part of a real row is trained on, what is only read, and what is cut off.

Counted as the dataset's tokens are: by bytes, before a tokeniser has seen the row.
"""

from dataclasses import dataclass

from datasets import formats, services
from datasets.sizes import BYTES_A_TOKEN, TOKENS_A_MESSAGE, estimated_tokens
from deployments import drafts, training_data
from deployments.models import Draft

ROWS = 3
SHOWN_CHARACTERS = 1500


@dataclass(frozen=True)
class Piece:
    """A part of a row: who says it, and what becomes of it."""

    who: str
    text: str
    is_learnt: bool
    is_cut: bool
    is_shortened: bool = False


@dataclass(frozen=True)
class Preview:
    """One row of the data, and which others can be looked at."""

    number: int
    numbers: tuple[int, ...]
    pieces: tuple[Piece, ...]
    learnt_tokens: int
    tokens: int
    cut_tokens: int


def of(draft: Draft, *, asked: str) -> Preview | None:
    """Return the asked row, the first unless it is one of the first three; None without data."""
    dataset = draft.dataset
    rows = services.preview(dataset, limit=ROWS) if dataset is not None else []
    if not rows:
        return None
    number = int(asked) if asked in {str(n) for n in range(1, len(rows) + 1)} else 1
    settings = drafts.settings_of(draft)
    texts = formats.texts_of(rows[number - 1])
    is_chat = "messages" in rows[number - 1]
    all_learnt = not training_data.answers_only(settings, is_chat=is_chat)
    pieces, learnt, left = [], 0, int(settings["max_length"])
    total = cut = 0
    left_after_prompt = left
    earlier = ""
    for who, text in texts:
        # Each answer of a preference follows the prompt, never the other answer.
        if who == "rejected" != earlier:
            left = left_after_prompt
        earlier = who
        is_learnt = all_learnt or who in formats.LEARNT
        tokens = estimated_tokens(text)
        kept, rest = _cut(text, left - TOKENS_A_MESSAGE)
        pieces += _pieces(who, kept, is_learnt=is_learnt, is_cut=False)
        pieces += _pieces(who, rest, is_learnt=False, is_cut=True)
        learnt += min(tokens, max(0, left)) if is_learnt else 0
        cut += min(tokens, max(0, tokens - left))
        left, total = left - tokens, total + tokens
        if who == "prompt":
            left_after_prompt = left
    return Preview(
        number=number,
        numbers=tuple(range(1, len(rows) + 1)),
        pieces=tuple(pieces),
        learnt_tokens=learnt,
        tokens=total,
        cut_tokens=cut,
    )


def _cut(text: str, tokens: int) -> tuple[str, str]:
    """Split a text where about so many tokens end."""
    content = text.encode()
    at = max(0, tokens) * BYTES_A_TOKEN
    if len(content) <= at:
        return text, ""
    kept = content[:at].decode(errors="ignore")
    return kept, text[len(kept) :]


def _pieces(who: str, text: str, *, is_learnt: bool, is_cut: bool) -> list[Piece]:
    if not text:
        return []
    shown = text[:SHOWN_CHARACTERS]
    return [Piece(who.capitalize(), shown, is_learnt, is_cut, is_shortened=shown != text)]
