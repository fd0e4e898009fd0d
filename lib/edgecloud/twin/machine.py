"""One machine of a run: its box, how long it takes, and whether it can be heard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from edgecloud.rollout import messages, route, state
from edgecloud.twin import box as boxes
from edgecloud.twin import faults

State = state.State
Effect = state.Effect
RETRY_S = 60
EVER_S = 100 * 365 * 86400

SHARES: Mapping[Effect, float] = {
    Effect.CHECK: 0.01,
    Effect.STAGE: 0.5,
    Effect.CORDON: 0.01,
    Effect.DRAIN: 0.2,
    Effect.BACK_UP: 0.08,
    Effect.APPLY: 0.4,
    Effect.REBOOT: 0.1,
    Effect.VALIDATE: 0.15,
    Effect.COMMIT: 0.02,
    Effect.UNCORDON: 0.03,
    Effect.ROLL_BACK: 0.4,
    Effect.TAINT: 0.01,
}
"""How much of a node's time each effect takes; staging and going back come on top of the whole."""


@dataclass
class Machine:
    """A box, and what a run knows of it."""

    box: boxes.Box
    pace: float
    """What part of the time that is expected an upgrade takes here in this run."""
    said: messages.Report
    turn: int = 0
    """Raised to void what was planned for it."""
    silent_since: int = 0
    silent_until: int = 0
    is_dark: bool = False
    """Whether it is without power while it is silent; else it only cannot be heard."""
    is_gone: bool = False
    relents_at: int = 0
    """When a user takes a cordon away again."""
    seen: set[State] = field(default_factory=set[State])
    _told_of: boxes.Box | None = None
    _told: messages.Report | None = None

    @property
    def at(self) -> State:
        """Return the state of its node."""
        return self.box.node.state

    def report(self) -> messages.Report:
        """Return what it would say now; made once for each box, as it is asked for often."""
        if self._told is None or self._told_of is not self.box:
            self._told_of, self._told = self.box, boxes.report(self.box)
        return self._told

    def is_silent(self, now: int) -> bool:
        """Return whether nobody hears it."""
        return now < self.silent_until

    def is_down(self, now: int) -> bool:
        """Return whether it is without power."""
        return self.is_dark and self.is_silent(now)

    def ways(self, now: int) -> dict[str, boxes.Box]:
        """Return how the effect at hand can go wrong, and what follows from each."""
        return {label: after for label, cost, after in boxes.outcomes(self.box, now) if cost}

    def act(self, now: int, fault: str) -> bool:
        """End the effect at hand, or a soak. Return whether the fault struck."""
        if not self.box.pending:
            is_unwell = fault == faults.UNHEALTHY
            self.box = boxes.tick(self.box, now, healthy=not is_unwell)
            return is_unwell
        ways = self.ways(now) if fault else {}
        self.box = ways.get(fault) or next(boxes.outcomes(self.box, now))[2]
        if fault in ways and fault.startswith("power cut"):
            self.go_silent(now, faults.OUTAGE_S, is_dark=True)
        return fault in ways

    def go_silent(self, now: int, seconds: int, *, is_dark: bool = False) -> None:
        """Be heard by nobody for a while."""
        self.silent_since, self.silent_until, self.is_dark = now, now + seconds, is_dark

    def befall(self, now: int, what: str) -> None:
        """Let a fault strike that does not wait for an effect."""
        if what == faults.SILENT:
            self.go_silent(now, faults.SILENT_S)
        elif what == faults.GONE:
            self.go_silent(now, EVER_S, is_dark=True)
            self.is_gone = True
        elif what == faults.CORDONED and not self.box.cordon:
            self.box = replace(self.box, cordon=boxes.USER)
            self.relents_at = now + faults.HOUR

    def relent(self, now: int) -> None:
        """Let the user who cordoned it take that back in time."""
        if self.box.cordon == boxes.USER and self.relents_at <= now:
            self.box = replace(self.box, cordon="")

    def read(self, order: messages.Order, work: route.Work, now: int) -> None:
        """Read an order, unless nothing comes through."""
        if not self.is_silent(now):
            self.box = boxes.order(self.box, order, work, now)

    def next_at(self, now: int) -> int | None:
        """Return when it ends what it is about; None if it waits for others."""
        begin = self.silent_until if self.is_down(now) else now
        node = self.box.node
        if self.is_gone:
            return None
        if self.box.pending:
            whole_s = self.pace * (node.work.duration_s if node.work else 0)
            return begin + max(1, int(whole_s * SHARES[self.box.pending[0]]))
        if node.state is State.SOAKING:
            return begin + max(1, node.work.soak_s if node.work else 1)
        unfinished = node.state is State.QUARANTINED and not node.isolated
        retries = node.state in (State.UNCORDONING, State.PREFLIGHT)
        return begin + RETRY_S if retries or unfinished else None
