"""Put what is known of a site into words: what is well, what is not, what nobody knows. Pure."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from site_facts import Alert, Node, Site

GOOD, WARN, BAD, UNKNOWN, PLAIN = "good", "warn", "bad", "unknown", "plain"
NOT_KNOWN = "not known"
DAY_S = 86400

_TONES = {"critical": BAD, "warning": WARN, "info": PLAIN, "none": PLAIN}
_RANK = {"critical": 0, "warning": 1, "info": 2, "none": 3}
BUSY = (
    *("granted", "disrupted", "uncommitted"),
    *("draining", "upgrading", "rebooting", "validating", "uncordoning", "going back"),
)
"""States, and a controller's words for what a node does in them, of one that is on its way."""
_STATES = {
    **dict.fromkeys(BUSY, WARN),
    "done": GOOD,
    "failed": BAD,
    "regressed": BAD,
    "rolled-back": BAD,
    "quarantined": BAD,
    "not heard": BAD,
}
UNDER_WAY = ("staging", "waiting", "disrupted", "uncommitted", "soaking")


@dataclass(frozen=True)
class Cell:
    """One thing about a node, with how it is to be taken."""

    text: str
    tone: str = PLAIN
    detail: str = ""


def verdict(site: Site) -> Cell:
    """Return the one line that says how a site is."""
    silent = [node.name for node in site.nodes if is_silent(node, site)]
    if site.alerts is None:
        return Cell("Alerts cannot be read", UNKNOWN, "What fires is not known. " + site.problem)
    bad = [alert for alert in site.alerts if alert.severity == "critical"]
    mild = [alert for alert in site.alerts if alert.severity == "warning"]
    parts = [f"{', '.join(silent)} silent"] if silent else []
    parts += [_count(bad, "critical alert")] if bad else []
    parts += [_count(mild, "warning")] if mild else []
    if bad or silent:
        return Cell("; ".join(parts), BAD, site.problem)
    if mild:
        return Cell("; ".join(parts), WARN, site.problem)
    if not site.nodes:
        return Cell("No node has reported yet", UNKNOWN, site.problem)
    if site.problem:
        return Cell("Not everything is known", UNKNOWN, site.problem)
    return Cell("All is well", GOOD)


def _count(found: list[Alert], word: str) -> str:
    return f"{len(found)} {word}" + ("s" if len(found) > 1 else "")


def ordered(alerts: Iterable[Alert]) -> list[Alert]:
    """Return alerts for people: the worst first, then the oldest."""
    shown = [alert for alert in alerts if alert.severity != "none"]
    return sorted(shown, key=lambda a: (_RANK.get(a.severity, 1), a.since or 0, a.name, a.node))


def tone(alert: Alert) -> str:
    """Return how an alert is to be taken."""
    return _TONES.get(alert.severity, WARN)


def is_silent(node: Node, site: Site) -> bool:
    """Return whether nothing was heard of a node for too long."""
    return node.heard is None or site.at - node.heard > site.silent_s


def cells(node: Node, site: Site) -> dict[str, Cell]:
    """Return the row of a node. What an old sample said of a silent node is not shown as true."""
    at = site.at
    if is_silent(node, site):
        shown = {column: Cell("–", UNKNOWN) for column in _COLUMNS}
        return {**shown, "State": _heard(node, at)}
    return {column: say(node, at) for column, say in _COLUMNS.items()}


def _heard(node: Node, at: float) -> Cell:
    if node.heard is None:
        return Cell("silent", BAD, "never heard")
    return Cell("silent", BAD, f"last heard {ago(at - node.heard)} ago")


def _state(node: Node, at: float) -> Cell:
    if node.ready is False:
        return Cell("not ready", BAD)
    if node.schedulable is False:
        return Cell("cordoned", WARN)
    return Cell("ready", GOOD) if node.ready else Cell("heard", GOOD, "without Kubernetes")


def _power(node: Node, at: float) -> Cell:
    if node.undervoltage is None:
        return Cell(NOT_KNOWN, UNKNOWN)
    if node.undervoltage:
        return Cell("sags now", BAD)
    if node.throttled:
        return Cell("slowed down", WARN)
    if node.undervoltage_before:
        return Cell("steady now", WARN, "sagged since boot")
    return Cell("steady", GOOD)


def _heat(node: Node, at: float) -> Cell:
    if node.celsius is None:
        return Cell(NOT_KNOWN, UNKNOWN)
    tones = BAD if node.celsius > 80 else WARN if node.celsius > 75 else GOOD
    return Cell(f"{node.celsius:.0f} °C", tones)


def _memory(node: Node, at: float) -> Cell:
    return _left(node.memory_left, worry=0.1)


def _disk(node: Node, at: float) -> Cell:
    return _left(node.disk_left, worry=0.2, alarm=0.1)


def _left(ratio: float | None, *, worry: float, alarm: float = 0) -> Cell:
    if ratio is None:
        return Cell(NOT_KNOWN, UNKNOWN)
    tones = BAD if ratio < alarm else WARN if ratio < worry else GOOD
    return Cell(f"{ratio * 100:.0f} % free", tones)


def _wear(node: Node, at: float) -> Cell:
    written = "" if node.written_a_day is None else f"{size(node.written_a_day)} a day"
    if node.life_used is not None:
        tones = BAD if node.life_used >= 1 else WARN if node.life_used >= 0.8 else GOOD
        return Cell(f"{min(node.life_used, 1) * 100:.0f} % used", tones, written)
    if node.written_a_day is None:
        return Cell(NOT_KNOWN, UNKNOWN)
    return Cell(written, WARN if node.written_a_day > 10e9 else GOOD, "written")


def _versions(node: Node, at: float) -> Cell:
    known = [f"Kubernetes {node.kubernetes}"] if node.kubernetes else []
    known += [f"LXD {node.lxd}"] if node.lxd else []
    known += [f"boot loader {day(node.boot_loader)}"] if node.boot_loader is not None else []
    return Cell(known[0], PLAIN, ", ".join(known[1:])) if known else Cell(NOT_KNOWN, UNKNOWN)


def _certificates(node: Node, at: float) -> Cell:
    if node.certificate_ends is None:
        return Cell(NOT_KNOWN, UNKNOWN)
    days = int((node.certificate_ends - at) // DAY_S)
    tones = BAD if days < 7 else WARN if days < 30 else GOOD
    return Cell("ended" if days < 0 else f"{days} days", tones)


def _upgrade(node: Node, at: float) -> Cell:
    if not node.state:
        return Cell(NOT_KNOWN, UNKNOWN)
    since = "" if node.state_since is None else f"for {ago(at - node.state_since)}"
    return Cell(node.state, state_tone(node.state), since)


_COLUMNS: dict[str, Callable[[Node, float], Cell]] = {
    "State": _state,
    "Upgrade": _upgrade,
    "Power": _power,
    "Heat": _heat,
    "Memory": _memory,
    "Disk": _disk,
    "Wear": _wear,
    "Certificates": _certificates,
    "Versions": _versions,
}
COLUMNS = tuple(_COLUMNS)


def state_tone(state: str) -> str:
    """Return how a state of an upgrade is to be taken."""
    return _STATES.get(state, PLAIN)


def progress(site: Site) -> list[tuple[str, str, int]]:
    """Return how many nodes are in which state of the upgrade: state, tone, number."""
    if site.rollout is not None and site.rollout.members:
        states = [member.state for member in site.rollout.members]
    else:
        states = [node.state for node in site.nodes if node.plan and not is_silent(node, site)]
    order = ("done", "soaking", *UNDER_WAY[:4], *sorted(set(states)))
    seen = [state for state in dict.fromkeys(order) if state in states]
    return [(state, state_tone(state), states.count(state)) for state in seen]


def plan(site: Site) -> str:
    """Return the plan that an upgrade is under way for, by what the nodes say; empty if none."""
    busy = [node for node in site.nodes if node.state in UNDER_WAY and node.plan]
    return busy[0].plan if busy else ""


# --- numbers for people ------------------------------------------------------------------------


def ago(seconds: float) -> str:
    """Return a length of time, in its largest unit but never less than two of them."""
    for unit, name in ((DAY_S, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * unit:
            return f"{seconds // unit:.0f} {name}"
    return f"{max(seconds, 0):.0f} s"


def size(number: float) -> str:
    """Return a number of bytes."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if number >= unit:
            return f"{number / unit:.1f} {name}"
    return f"{number / 1e3:.0f} kB"


def day(at: float) -> str:
    """Return a date."""
    return f"{datetime.datetime.fromtimestamp(at, datetime.timezone.utc):%Y-%m-%d}"


def moment(at: float) -> str:
    """Return a date and a time."""
    return f"{datetime.datetime.fromtimestamp(at, datetime.timezone.utc):%Y-%m-%d %H:%M:%S} UTC"
