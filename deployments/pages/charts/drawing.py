"""Drawing a chart in one size: SVG geometry in attributes, no styles. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deployments.pages.charts.scales import Scale


@dataclass(frozen=True)
class Size:
    """A drawing's size, the room around its plot, and how many ticks are about right."""

    width: int
    height: int
    left: int
    right: int
    top: int
    bottom: int
    x_about: int
    y_about: int
    # A drawing with no room for more buckets than this is given fewer.
    buckets: int
    css: str


# In the panels of 1216: beside the log, alone, two abreast, four abreast; and on phones.
BESIDE = Size(780, 340, 48, 12, 28, 34, 6, 5, 399, "chart-wide")
ALONE = Size(1176, 360, 48, 12, 28, 34, 8, 5, 399, "chart-wide")
HALF = Size(560, 200, 48, 8, 10, 28, 5, 4, 280, "chart-wide")
QUARTER = Size(252, 116, 40, 8, 10, 26, 3, 3, 126, "chart-wide")
PHONE = Size(326, 240, 44, 12, 28, 34, 3, 5, 160, "chart-phone")
PHONE_SMALL = Size(326, 128, 44, 12, 10, 26, 3, 3, 160, "chart-phone")


@dataclass(frozen=True)
class Place:
    """A place in the drawing."""

    x: float
    y: float


@dataclass(frozen=True)
class Mark:
    """A tick, an epoch or a limit: where it lies, and the words beside it."""

    at: float
    text: str


@dataclass(frozen=True)
class Path:
    """One line; ``css`` says which kind it is, ``d`` is SVG path data."""

    css: str
    d: str


@dataclass(frozen=True)
class Plot:
    """One drawing of a chart in one size."""

    size: Size
    x_ticks: tuple[Mark, ...]
    y_ticks: tuple[Mark, ...]
    epochs: tuple[Mark, ...]
    limit: Mark | None
    paths: tuple[Path, ...]
    diamonds: tuple[Place, ...]
    best: Place | None
    newest: Place | None

    @property
    def left(self) -> int:
        return self.size.left

    @property
    def right(self) -> int:
        return self.size.width - self.size.right

    @property
    def top(self) -> int:
        return self.size.top

    @property
    def bottom(self) -> int:
        return self.size.height - self.size.bottom

    @property
    def last_x(self) -> float:
        """Where the last tick along x is, whose words end there instead of hanging over."""
        return self.x_ticks[-1].at if self.x_ticks else 0.0

    @property
    def limit_dy(self) -> int:
        """How far below its line a limit's words stand; above it where there is no room."""
        return 16 if self.limit is not None and self.limit.at < self.bottom - 20 else -6

    @property
    def label_x(self) -> int:
        """Where the words left of the plot end."""
        return self.left - 10

    @property
    def label_y(self) -> int:
        """Where the words below the plot stand."""
        return self.bottom + self.size.bottom - 10


@dataclass(frozen=True)
class Frame:
    """A size with its two scales: it places values."""

    size: Size
    x: Scale
    y: Scale

    def place(self, x: float, y: float) -> Place:
        """Return the place of a point."""
        return Place(self.along(x), self.up(y))

    def along(self, x: float) -> float:
        """Return the horizontal place of a value."""
        wide = self.size.width - self.size.left - self.size.right
        return round(self.size.left + wide * self.x.share(x), 1)

    def up(self, y: float) -> float:
        """Return the vertical place of a value."""
        high = self.size.height - self.size.top - self.size.bottom
        return round(self.size.top + high * (1 - self.y.share(y)), 1)

    def path(self, points: Iterable[tuple[float, float | None]]) -> str:
        """Return SVG path data; what has no place on the scale lifts the pen."""
        parts: list[str] = []
        command = "M"
        for x, y in points:
            if y is None or not self.y.shows(y):
                command = "M"
                continue
            parts.append(f"{command}{self.along(x):g} {self.up(y):g}")
            command = "L"
        return "".join(parts)

    @property
    def x_ticks(self) -> tuple[Mark, ...]:
        return tuple(Mark(self.along(tick.value), tick.text) for tick in self.x.ticks)

    @property
    def y_ticks(self) -> tuple[Mark, ...]:
        return tuple(Mark(self.up(tick.value), tick.text) for tick in self.y.ticks)


@dataclass(frozen=True)
class Sparkline:
    """A loss in the size of a word; ``path`` in a field of 104 by 28."""

    path: str
    newest: Place
    steps: int


def sparkline(points: Sequence[tuple[int, float]], *, total_steps: int | None) -> Sparkline | None:
    """Return a small drawing of (step, loss) pairs in order; None with fewer than two."""
    if len(points) < 2:
        return None
    values = [value for _, value in points]
    low, high = min(values), max(values)
    room = 0 if high > low else 0.5
    far = max(total_steps or 0, points[-1][0])
    size = Size(104, 28, 2, 6, 4, 4, 0, 0, 0, "")
    frame = Frame(size, Scale(0, far, ()), Scale(low - room, high + room, ()))
    path = frame.path((float(step), value) for step, value in points)
    return Sparkline(path, frame.place(*points[-1]), points[-1][0])
