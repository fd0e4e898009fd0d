"""How much of a time limit is left."""

from __future__ import annotations

import time


class Deadline:
    """A moment by which something has to be done, on a clock that never jumps."""

    def __init__(self, timeout_s: float):
        self.timeout_s = timeout_s
        self._end = time.monotonic() + timeout_s

    def left_s(self) -> float:
        """Return the seconds left; 0 when it has passed."""
        return max(0.0, self._end - time.monotonic())

    def passed(self) -> bool:
        """Return whether nothing is left."""
        return self.left_s() <= 0
