"""What a pod printed: its container's lines and the system's, as v2's log calls give them."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

Source = Literal["container", "system"]
SOURCES: tuple[Source, ...] = ("container", "system")


@dataclass(frozen=True)
class Line:
    """One line; its time is its id, so no two lines have the same."""

    time: datetime
    source: Source
    text: str

    @property
    def ts(self) -> str:
        return stamp(self.time)

    def as_json(self) -> dict[str, str]:
        return {"ts": self.ts, "source": self.source, "line": self.text}


class PodLog:
    """All lines, oldest first; readers wait for more until the end."""

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.has_ended = False
        self._news = asyncio.Event()

    def add(self, source: Source, *texts: str) -> None:
        for text in texts:
            now = datetime.now(UTC)
            if self.lines:
                now = max(now, self.lines[-1].time + timedelta(microseconds=1))
            self.lines.append(Line(now, source, text))
        self._wake()

    def end(self) -> None:
        self.has_ended = True
        self._wake()

    def fitting(self, is_wanted: Callable[[Line], bool]) -> list[Line]:
        return [line for line in self.lines if is_wanted(line)]

    async def more(self) -> None:
        """Return at the next line, or at the end."""
        await self._news.wait()

    def _wake(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()


def stamp(time: datetime) -> str:
    """Return a time as the vendor writes it, with a Z."""
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
