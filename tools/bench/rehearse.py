"""What the action `rehearse` costs, at growing numbers of nodes: it keeps the hooks waiting."""

from __future__ import annotations

import sys
import time

from edgecloud.rollout import inventory, plan
from edgecloud.twin import rehearsal

SIZES = (3, 5, 12, 25, 50)
NOW = 1_894_240_800
RELEASES = {"1.35": {"revision": {"arm64": 135}}}
SLOWER = 10
"""How much slower a board may be than the machine that this runs on."""
PATIENCE_S = 60.0
"""For how long ``juju run`` waits for an answer."""


def seconds(nodes: int) -> tuple[float, rehearsal.Report]:
    """Return the processor time of one short rehearsal, and what came of it."""
    accepted = plan.read(
        {
            "apiVersion": plan.API_VERSION,
            "kind": plan.KIND,
            "id": "bench",
            "expires": NOW + 90 * 86400,
            "windows": [{"start": "02:00", "length": "4h", "tz": "Europe/Madrid"}],
            "targets": {"kubernetes": {"to": "1.35", "releases": RELEASES}},
        }
    )
    planes = [
        inventory.Member(f"p{n}", role="control-plane", voter=True, version="1.34.2")
        for n in range(3)
    ]
    workers = [inventory.Member(f"w{n:02}", version="1.34.2") for n in range(nodes - 3)]
    begin = time.process_time()
    report = rehearsal.rehearse(accepted, inventory.freeze([*planes, *workers]), NOW)
    return time.process_time() - begin, report


def main() -> int:
    """Print what each size costs; return 1 if one takes too long on a slow board."""
    most = 0.0
    for nodes in SIZES:
        took_s, found = seconds(nodes)
        most = max(most, took_s)
        runs = sum(found.runs.values())
        assert not found.verdict, found.verdict
        kinds = f"{found.kinds_tried} of {found.kinds} kinds of faults"
        print(f"{nodes:5} nodes: {took_s:6.2f} s, {runs} runs, {kinds}")
    print(f"{SLOWER} times slower: {SLOWER * most:.0f} s (at most {PATIENCE_S:.0f})")
    return int(SLOWER * most > PATIENCE_S)


if __name__ == "__main__":
    sys.exit(main())
