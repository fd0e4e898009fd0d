"""The one clock of a simulated world, which only ever moves forward when it is told to."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator


class Clock:
    """Seconds since 1970 UTC, advanced by commands and by whoever drives the world."""

    def __init__(self, start: float = 1_767_225_600.0):
        self._now = start

    def now(self) -> float:
        """Return the present time."""
        return self._now

    @contextlib.contextmanager
    def at(self, moment: float) -> Generator[None]:
        """Show an earlier moment for a while, to do then what was due then."""
        present, self._now = self._now, moment
        try:
            yield
        finally:
            self._now = present

    def advance(self, seconds: float) -> None:
        """Let time pass. Negative spans are refused, because nothing here may go back."""
        if seconds < 0:
            raise ValueError(f"time does not go back by {-seconds} s")
        self._now += seconds

    def sleep_until(self, moment: float) -> None:
        """Let time pass until a moment; nothing happens if it lies in the past."""
        self._now = max(self._now, moment)


class RealClock(Clock):
    """The clock of this computer. Letting time pass means waiting."""

    def __init__(self) -> None:
        super().__init__(0.0)

    def now(self) -> float:
        """Return the present time, or the moment that :meth:`at` shows."""
        return self._now or time.time()

    def advance(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(0.0, seconds))

    def sleep_until(self, moment: float) -> None:
        """Wait until a moment."""
        self.advance(moment - time.time())
