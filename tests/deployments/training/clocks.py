"""A clock that a test moves by hand, in the place of a payload module's ``time``."""


class Clock:
    """Stands for the module ``time`` where only its monotonic clock is asked."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now
