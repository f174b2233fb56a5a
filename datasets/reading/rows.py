"""What reading a file yields: rows, and findings about what is no row."""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from datasets.findings import Finding

# The longest row that is held; longer than any model reads.
MAX_ROW_BYTES = 4 * 1024**2

Report = Callable[[Finding], None]


class Row(NamedTuple):
    """One object of the file. ``line`` counts from 1: lines of text, or rows of a Parquet file.

    ``raw`` is the line it was read from, None where it did not stand on a line of its own.
    """

    line: int
    value: dict[str, Any]
    raw: bytes | None = None

    @property
    def text(self) -> str:
        """The row as text, for excerpts."""
        if self.raw is not None:
            return self.raw.decode("utf-8", "replace")
        return json.dumps(self.value, ensure_ascii=False, default=str)
