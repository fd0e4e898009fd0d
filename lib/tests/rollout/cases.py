"""What the exhaustive search covers: small sites, two waves, one group of faults each."""

from __future__ import annotations

from edgecloud.rollout import inventory
from tests.rollout import search, sites

NIGHT = search.NIGHT
LAZY = (NIGHT, NIGHT + 86400, NIGHT + 30 * 86400)
RACE = (NIGHT + 12000, NIGHT + 12700, NIGHT + 30 * 86400)  # A node fits; not any more; expired.

PLANES = sites.frozen(sites.planes("a", "b", "c"))
MIXED = sites.frozen(
    sites.planes("a"), sites.workers("b", domain="shelf"), sites.workers("c", domain="shelf")
)
WORKERS = sites.frozen(sites.workers("b"), sites.workers("c"), sites.workers("d"))
PICKED = sites.frozen(sites.workers("b", "c"), sites.workers("d", labels=(("pick", "yes"),)))
PAIR = sites.frozen(sites.workers("b", "c"))
LATE = sites.frozen(sites.planes("a"), sites.workers("b"), sites.workers("c", version="1.33.1"))
LXD = sites.frozen(sites.workers("a", "b", version="", lxd=True), sites.workers("c"))
HOME = sites.frozen(sites.planes("a", coordinator=True), sites.planes("b", "c"))
HOSTS = sites.frozen(
    sites.workers("h", version="", lxd=True, hosted=("1.34.1",)), sites.planes("p")
)
AGED = sites.frozen(
    sites.workers("h", version="", lxd=True, hosted=("1.32.1",)), sites.planes("p")
)

PATCH = sites.frozen(
    sites.planes("a"),
    [inventory.Member("b", role="control-plane", version="1.34.2")],
    sites.workers("c"),
)
BEHIND = sites.frozen(sites.planes("a"), sites.workers("b"), sites.workers("z", version="1.31.1"))

SIZED = {
    "kubernetes": {
        "to": "1.35",
        "releases": {"1.35": {"revision": {"arm64": 135}, "mib": {"arm64": 100}}},
    }
}
OS = {"os": {"kind": "ab-image", "version": "26.04.1", "ref": "site/os@sha256:" + "1" * 64}}
ALONE = {"drain": {"single-node": "accept-downtime"}}
ALERTS = {"gates": [{"name": "alerts", "type": "alerts", "when": ["before", "after-wave"]}]}


def case(name, members, kinds, *, faults=1, times=LAZY, races_time=False, **changes):
    described = {
        "windows": search.WINDOW,
        "waves": [{"name": "rest"}],
        "canary": {"name": "canary", "size": "1"},
        "offline": {"grace": "60s"},
        **changes,
    }
    accepted = sites.make(**described)
    kinds = frozenset(kinds.split())
    return search.Case(name, members, accepted, times, faults, kinds, races_time)


CASES = {
    found.name: found
    for found in (
        case("two power cuts or kills", PLANES, "cut", faults=2),
        case("a failing effect or a cut", PLANES, "fail cut"),
        case("two nodes, any two faults", PAIR, "fail cut regress", faults=2),
        case("pods that do not yield", PAIR, "fail", faults=2, drain={"on-block": "skip-node"}),
        case("two that regress", PLANES, "regress fail", faults=2, times=LAZY[::2]),
        case("stale, foreign and tampered messages", PLANES, "late tampered second leader cut"),
        case("operators", PLANES, "pause abort retry fail"),
        case(
            "a cut, gates, clock and rivals", PLANES, "away gate clock foreign", faults=2, **ALERTS
        ),
        case("users and owners", PLANES, "user veto"),
        case("time may pass at any moment", PLANES, "", faults=0, times=RACE, races_time=True),
        case(
            "two at once, by domain",
            MIXED,
            "cut fail away",
            limits={"max-unavailable": 2},
            **ALONE,
        ),
        case(
            "slots",
            WORKERS,
            "cut fail regress",
            times=LAZY[::2],
            targets=OS,
            limits={"max-unavailable": 2},
        ),
        case(
            "a late node, two minors",
            LATE,
            "cut",
            targets=sites.kubernetes("1.34", "1.35"),
            **ALONE,
        ),
        case("lxd together", LXD, "cut fail away", targets={"lxd": {"revision": {"arm64": 5}}}),
        case("the coordinator's own node", HOME, "away fail"),
        case("nodes in LXD", HOSTS, "cut fail regress away leader pause abort retry", **ALONE),
    )
}
