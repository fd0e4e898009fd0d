"""What one decision of a site costs, at growing numbers of nodes, and how that grows."""

from __future__ import annotations

import json
import math
import statistics
import sys
import time
from dataclasses import replace

from edgecloud.rollout import intent, inventory, ledger, messages, plan, site

SIZES = (125, 250, 500, 1000)
NOW = 1_894_240_800
LIMIT_MS = 20.0
REPEATS = 25
# Above the exact ratio of n log n, for the noise of a shared machine.
TOLERANCE = 1.35


def make_site(size: int) -> tuple[ledger.Site, plan.Plan]:
    """Build a site in the middle of its last wave, every node waiting for its grant."""
    accepted = plan.read(
        {
            "apiVersion": plan.API_VERSION,
            "kind": plan.KIND,
            "id": "bench",
            "expires": NOW + 10 * 86400,
            "windows": [{"start": "02:00", "length": "4h", "tz": "Europe/Madrid"}],
            "targets": {"kubernetes": {"to": "1.35", "unpinned": "allow"}},
            "limits": {"max-unavailable": "5%", "per-domain": 2},
        }
    )
    members = inventory.freeze(_members(size))
    rollout = intent.accept(accepted, members, NOW)
    started = site.decide(ledger.Site(rollout), accepted, NOW).rollout
    canary = started.waves[0][0]
    entries = {**started.entries, canary: replace(started.entries[canary], step=1)}
    moved = site.decide(ledger.Site(replace(started, entries=entries)), accepted, NOW).rollout
    reports = {
        name: messages.Report(
            messages.Status.WAITING,
            accepted.digest,
            moved.steps[0].part,
            seen=entry.stamp,
            version="1.35.0" if name == canary else "1.34.2",
        )
        for name, entry in moved.entries.items()
    }
    return ledger.Site(moved, ledger.Sight(reports=reports)), accepted


def _members(size: int) -> list[inventory.Member]:
    plane = inventory.Member("plane", "control-plane", voter=True, version="1.34.2")
    return [plane] + [
        inventory.Member(f"n{n:04}", domain=f"shelf{n // 8}", version="1.34.2")
        for n in range(size - 1)
    ]


def median_ms(size: int) -> float:
    """Return the median processor time of one decision, so that neighbours do not count."""
    measured, accepted = make_site(size)
    times = list[float]()
    for _ in range(REPEATS):
        begin = time.process_time()
        site.decide(measured, accepted, NOW)
        times.append((time.process_time() - begin) * 1000)
    return statistics.median(times)


def main() -> int:
    """Print the medians and their ratios; return 1 if one is past its limit."""
    medians = {size: median_ms(size) for size in SIZES}
    is_slow = medians[SIZES[-1]] > LIMIT_MS
    for before, size in zip((None, *SIZES), SIZES, strict=False):
        measured = make_site(size)[0].rollout
        written = len(json.dumps(ledger.write(measured)))
        line = f"{size:5} nodes: {medians[size]:7.2f} ms, {written} bytes"
        if before:
            ratio = medians[size] / medians[before]
            allowed = size * math.log(size) / (before * math.log(before)) * TOLERANCE
            is_slow = is_slow or ratio > allowed
            line += f", {ratio:.2f} times as long (at most {allowed:.2f})"
        print(line)
    return int(is_slow)


if __name__ == "__main__":
    sys.exit(main())
