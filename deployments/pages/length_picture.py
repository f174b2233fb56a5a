"""The histogram of row lengths, drawn by the server: widths in percent, heights in pixels."""

from dataclasses import dataclass

from datasets.lengths import RowLengths
from deployments.templatetags.wording import count, counted

BARS = 20
HEIGHT = 132
# Room above the bars for the words at the max-length line.
BASE = 168
# Beyond this many times what matters a few giants would press all others into one bar.
FAR = 4


@dataclass(frozen=True)
class Bar:
    """One bar: ``x`` and ``width`` in percent of the picture, ``y`` and ``height`` in pixels."""

    x: float
    width: float
    y: float
    height: float
    is_beyond: bool


@dataclass(frozen=True)
class LengthPicture:
    """The bars, the line at the max length if it lies within, and the same in words."""

    bars: tuple[Bar, ...]
    top: int
    is_cut_off: bool
    max_length: int
    line_x: float | None
    rows_beyond: int
    words: str

    @property
    def base(self) -> int:
        """Where the bars stand, in pixels from above."""
        return BASE

    @property
    def is_line_on_axis(self) -> bool:
        """Whether the axis has room for the line's own figure between its ends."""
        return self.line_x is not None and 8 < self.line_x < 62

    @property
    def is_line_right(self) -> bool:
        """Whether the line's words must stand to its left to stay within the picture."""
        return self.line_x is not None and self.line_x > 55


def of(lengths: RowLengths, *, max_length: int) -> LengthPicture:
    """Draw the lengths up to the longest row, or to what matters when few rows are far longer."""
    matters = max(lengths.quantile(0.95), min(max_length, lengths.longest))
    is_cut_off = lengths.longest > FAR * matters
    top = max(1, 2 * matters if is_cut_off else lengths.longest)
    rows = lengths.spread(top=top, bars=BARS)
    beyond = lengths.rows_beyond(max_length)
    return LengthPicture(
        bars=tuple(_bars(rows, top=top, max_length=max_length)),
        top=top,
        is_cut_off=is_cut_off,
        max_length=max_length,
        line_x=round(100 * max_length / top, 2) if max_length < top else None,
        rows_beyond=beyond,
        words=_words(lengths, max_length=max_length, beyond=beyond),
    )


def _bars(rows: tuple[float, ...], *, top: int, max_length: int) -> list[Bar]:
    width, most = 100 / len(rows), max(rows)
    found = []
    for number, many in enumerate(rows):
        if not many:
            continue
        height = max(1.5, HEIGHT * many / most)
        middle = (number + 0.5) * top / len(rows)
        found.append(
            Bar(
                x=round(number * width + 0.3, 2),
                width=round(width - 0.6, 2),
                y=round(BASE - height, 1),
                height=round(height, 1),
                is_beyond=middle > max_length,
            )
        )
    return found


def _words(lengths: RowLengths, *, max_length: int, beyond: int) -> str:
    verb = "is" if beyond == 1 else "are"
    longer = f"{counted(beyond, 'row')} {verb} longer than" if beyond else "No row is longer than"
    return (
        f"Of {counted(lengths.rows, 'row')} half have at most {count(lengths.median)} tokens, 95 "
        f"in 100 at most {count(lengths.quantile(0.95))}, the longest {count(lengths.longest)}. "
        f"{longer} the max length of {count(max_length)}."
    )
