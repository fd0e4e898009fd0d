"""How long until this charm runs again by itself: short at first, longer if nothing moves.

Most of what is unfinished is done in a minute. What is not, a machine that is dead or a store that
cannot be reached, may last for days, and a hook every 20 seconds is a tenth of a small machine.
"""

from __future__ import annotations

import dataclasses

import microk8s
from edgecloud import host as machines
from edgecloud.host import files

STATE = f"{microk8s.STATE}/wake-up.json"

FIRST_S = 20
PROMPT = 4
"""So many times in a row the first pause: a join has long stretches in which nothing is seen."""
LONGEST_S = 300
LONGEST_WITH_TOKENS_S = 60
"""While a join token is good, so that none outlives its admission by much."""


@dataclasses.dataclass(frozen=True)
class Wait:
    """What this charm waits for, how often it did, and until when it does now."""

    looks: str = ""
    times: int = 0
    until: float = 0.0


def after(known: Wait, looks: str, now: float, *, longest_s: float = LONGEST_S) -> Wait:
    """Return the wait to begin or to go on with.

    Args:
        known: the last one.
        looks: what there is to see, as a text that differs when something moved.
        now: seconds since 1970 UTC.
        longest_s: the longest pause.
    """
    if looks != known.looks:
        return Wait(looks, 0, now + FIRST_S)
    if now < known.until <= now + longest_s:
        return known
    times = known.times + 1
    return Wait(looks, times, now + min(pause_s(times), longest_s))


def pause_s(times: int) -> float:
    """Return the pause after this many in which nothing moved."""
    return min(FIRST_S * 2 ** min(max(times - PROMPT + 1, 0), 10), LONGEST_S)


def load(host: machines.Host) -> Wait:
    """Return the last wait."""
    known = files.read_state(host, STATE)
    return Wait(
        str(known.get("looks", "")), int(known.get("times", 0)), float(known.get("until", 0))
    )


def save(host: machines.Host, wait: Wait) -> None:
    """Remember a wait."""
    files.write_state(host, STATE, dataclasses.asdict(wait))


def forget(host: machines.Host) -> None:
    """Begin with the first pause next time."""
    host.remove(STATE)
