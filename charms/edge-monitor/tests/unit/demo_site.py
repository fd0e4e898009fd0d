"""Sites to look at: one that is well, one in which everything happens at once."""

import dataclasses

from site_facts import Alert, Gate, Member, Node, Rollout, Site

NOW = 1_795_615_200.0
DAY = 86400

PI_1 = Node(
    name="pi-1",
    role="control-plane",
    heard=NOW - 20,
    ready=True,
    schedulable=True,
    undervoltage=False,
    undervoltage_before=False,
    throttled=False,
    celsius=52.3,
    heat=(47, 48, 48.5, 49, 51, 55, 58, 56, 54, 53, 52, 52.3),
    memory_left=0.41,
    disk_left=0.63,
    written_a_day=2.4e9,
    kubernetes="1.35.0",
    boot_loader=NOW - 90 * DAY,
    certificate_ends=NOW + 211 * DAY,
    state="done",
    state_since=NOW - 3 * DAY,
)
PI_2 = dataclasses.replace(
    PI_1,
    name="pi-2",
    celsius=61.0,
    heat=(55, 56, 57, 57, 58, 60, 63, 66, 64, 62, 61, 61),
    life_used=0.2,
    written_a_day=3.1e9,
)
PI_3 = dataclasses.replace(PI_1, name="pi-3", role="worker", certificate_ends=None, lxd="5.21.3")

PASSED, FAILED, UNANSWERED, UNASKED = 1.0, 0.0, -1.0, None
HOLDS = "gate calm: fail"
WINTER = Rollout(
    "winter-2026",
    phase="active",
    part="kubernetes/1.35",
    wave=1,
    waves=3,
    window_open=True,
    window_left=7500,
    unavailable=2,
    budget=2,
    changed=NOW - 420,
    members=(
        Member("pi-1", 0, "done"),
        Member("pi-2", 1, "disrupted"),
        Member("pi-3", 1, "waiting", (HOLDS,)),
        Member("pi-4", 2, "not heard", (HOLDS, "it is not heard")),
        Member("pi-5", 2, "waiting", (HOLDS, "vetoed on the node")),
    ),
    gates=(
        Gate(
            "calm",
            "alerts",
            'severity="critical"',
            "before, continuous",
            FAILED,
            (*[UNASKED] * 9, *[PASSED] * 19, UNANSWERED, UNANSWERED, *[PASSED] * 4, *[FAILED] * 3),
            ("NodeSilent on pi-4", "UnderVoltage on pi-2"),
        ),
        Gate("units-up", "promql", "", "before", PASSED, (*[UNASKED] * 9, *[PASSED] * 28)),
    ),
)
"""A plan that goes on at one node while a gate holds the others."""

WELL = Site("lighthouse", NOW, (PI_1, PI_2, PI_3), alerts=())

TROUBLED = Site(
    "lighthouse",
    NOW,
    (
        dataclasses.replace(PI_1, plan="winter-2026", state="done", state_since=NOW - 1500),
        dataclasses.replace(
            PI_2,
            undervoltage=True,
            celsius=83.4,
            heat=(60, 61, 62, 66, 70, 74, 77, 79, 81, 82, 83, 83.4),
            memory_left=0.08,
            disk_left=0.07,
            life_used=0.9,
            certificate_ends=NOW + 5 * DAY,
            plan="winter-2026",
            state="disrupted",
            state_since=NOW - 420,
            schedulable=False,
        ),
        dataclasses.replace(PI_3, plan="winter-2026", state="waiting", written_a_day=14e9),
        Node("pi-4", role="worker", heard=NOW - 1860),
        Node("pi-5", heard=NOW - 12, celsius=44.0),
    ),
    alerts=(
        Alert("Watchdog", "none", summary="Alert rules are evaluated.", since=NOW - 9 * DAY),
        Alert(
            "CardWearsFast",
            "warning",
            node="pi-3",
            summary="14GB a day are written to the card of pi-3.",
            description="At more than 10 GB a day a common card lasts less than three years.",
            since=NOW - 5 * 3600,
        ),
        Alert(
            "UnderVoltage",
            "critical",
            node="pi-2",
            summary="The supply of pi-2 sags below 4.63 V.",
            description="Writes may be torn, and the board slows itself down. Change nothing on "
            "this node before its supply is well: try the official power supply, a shorter cable.",
            since=NOW - 660,
            holds_upgrades=True,
        ),
        Alert(
            "NodeSilent",
            "critical",
            node="pi-4",
            summary="Nothing is heard of pi-4.",
            description="No metric of pi-4 has arrived for 5 minutes. Look whether it answers.",
            since=NOW - 1500,
            holds_upgrades=True,
        ),
        Alert(
            "BootLoaderOutdated",
            "info",
            node="pi-1",
            summary="A newer boot loader lies ready on pi-1.",
            since=NOW - 2 * DAY,
        ),
    ),
    rollout=WINTER,
)
UNSURE = Site("lighthouse", NOW, (PI_1,), problem="The evaluator of rules does not answer.")
HELD_UP = dataclasses.replace(
    TROUBLED,
    rollout=dataclasses.replace(
        WINTER,
        members=tuple(
            Member(each.name, each.wave, "waiting", (HOLDS,)) for each in WINTER.members
        ),
        wave=0,
    ),
)
ENDED = dataclasses.replace(
    WELL,
    rollout=dataclasses.replace(
        WINTER, phase="held", gates=(), members=(Member("pi-1", 0, "rolled-back"),)
    ),
)
