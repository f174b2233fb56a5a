"""How long the rows of a dataset are, in estimated tokens, kept small however many rows there are.

Lengths are counted in buckets 1 token wide below 64 and 1/32 of their length above, so a million
rows fit in a few kilobytes and a quantile is at most 3 percent off. Bounds fall on every power of
two, where a maximum length usually stands.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_FINE_BITS = 6


@dataclass(frozen=True)
class RowLengths:
    """The lengths of all rows. ``buckets`` holds (lowest length, rows), by length.

    ``tokens`` counts all rows, ``answer_tokens`` what the model learns to write.
    """

    buckets: tuple[tuple[int, int], ...]
    rows: int
    tokens: int
    answer_tokens: int
    longest: int

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> "RowLengths":
        """Return what ``as_json`` has written."""
        buckets = tuple((int(low), int(rows)) for low, rows in kept["buckets"])
        return cls(
            buckets=buckets,
            rows=sum(rows for _, rows in buckets),
            tokens=int(kept["tokens"]),
            answer_tokens=int(kept["answer_tokens"]),
            longest=int(kept["longest"]),
        )

    def as_json(self) -> dict[str, Any]:
        """Return it as a dataset's row keeps it."""
        return {
            "buckets": [list(bucket) for bucket in self.buckets],
            "tokens": self.tokens,
            "answer_tokens": self.answer_tokens,
            "longest": self.longest,
        }

    @property
    def median(self) -> int:
        """Half of the rows are at most this long."""
        return self.quantile(0.5)

    @property
    def answer_share(self) -> float:
        """The part of all tokens that is trained on when only answers are, 0 to 1."""
        return self.answer_tokens / self.tokens if self.tokens else 0.0

    def quantile(self, share: float) -> int:
        """Return the length that this share of the rows does not exceed."""
        wanted, seen = share * self.rows, 0
        for low, rows in self.buckets:
            seen += rows
            if seen >= wanted:
                return min(low + width_of(low) // 2, self.longest)
        return self.longest

    def rows_beyond(self, max_length: int) -> int:
        """Return how many rows are longer than this, and would be cut."""
        return round(sum(rows * _part_beyond(low, max_length) for low, rows in self.buckets))

    def tokens_within(self, max_length: int) -> int:
        """Return the tokens that are left when every row is cut at this length."""
        lost = sum(
            rows * max(0.0, low + (width_of(low) - 1) / 2 - max_length)
            for low, rows in self.buckets
        )
        return max(0, self.tokens - round(lost))

    def spread(self, *, top: int, bars: int) -> tuple[float, ...]:
        """Return the rows in so many equal steps from 0 to ``top``; longer ones fill the last."""
        found = [0.0] * bars
        step = top / bars
        for low, rows in self.buckets:
            width = width_of(low)
            first = min(bars - 1, int(low / step))
            last = min(bars - 1, int((low + width - 1) / step))
            for bar in range(first, last + 1):
                found[bar] += rows / (last - first + 1)
        return tuple(found)


class LengthCounter:
    """Counts the lengths of rows as they come by, in bounded memory."""

    def __init__(self) -> None:
        self._rows: Counter[int] = Counter()
        self.tokens = 0
        self._answer_tokens = 0
        self._longest = 0

    def add(self, tokens: int, *, answer_tokens: int) -> None:
        """Count one row."""
        self._rows[tokens // width_of(tokens) * width_of(tokens)] += 1
        self.tokens += tokens
        self._answer_tokens += answer_tokens
        self._longest = max(self._longest, tokens)

    def add_many(self, rows: Mapping[int, int], *, answer_tokens: int) -> None:
        """Count many rows, given how many there are of each length."""
        for tokens, count in rows.items():
            self._rows[tokens // width_of(tokens) * width_of(tokens)] += count
            self.tokens += tokens * count
            self._longest = max(self._longest, tokens)
        self._answer_tokens += answer_tokens

    def lengths(self) -> RowLengths:
        """Return what was counted so far."""
        return RowLengths(
            buckets=tuple(sorted(self._rows.items())),
            rows=self._rows.total(),
            tokens=self.tokens,
            answer_tokens=self._answer_tokens,
            longest=self._longest,
        )


def width_of(length: int) -> int:
    """Return how many lengths share a bucket with this one."""
    return 1 << max(0, length.bit_length() - _FINE_BITS)


def _part_beyond(low: int, max_length: int) -> float:
    """Return which part of a bucket's rows is longer than ``max_length``."""
    width = width_of(low)
    return min(1.0, max(0.0, (low + width - 1 - max_length) / width))
