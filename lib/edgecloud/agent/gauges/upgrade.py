"""The upgrade of this machine: what the agent reports, and what its journal says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, cast

from edgecloud import host
from edgecloud.agent import paths, tally
from edgecloud.agent.gauges.source import Settings, stamp
from edgecloud.host import files
from edgecloud.metrics import node
from edgecloud.metrics.exposition import Sample

if TYPE_CHECKING:
    from edgecloud.agent import journal

JOURNALS = (paths.FORMER, paths.JOURNAL)
SHORT = 12
"""As many digits of a plan's digest as tell plans apart."""

_MOST_READS = 3


def vetoed(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield whether somebody vetoed upgrades here."""
    yield node.VETOED.at(machine.exists(paths.VETO))


def report_files(machine: host.Host, place: Settings) -> list[str]:
    """Return the file that says how an upgrade stands."""
    return [paths.OUTBOX]


def report(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield how this machine's upgrade stands; nothing before the agent's first report."""
    said = reported(machine)
    if not said:
        return
    from edgecloud.rollout import messages

    found = messages.read_report(said)
    yield from _plan(machine, found.digest, found.part)
    for status in messages.Status:
        yield node.STATE.at(found.status is status, state=status.value)


def journal_files(machine: host.Host, place: Settings) -> list[str]:
    """Return the files that say how it came to that."""
    return [paths.OUTBOX, *JOURNALS]


def history(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield what the journal says of the upgrade, and whether it can be believed."""
    said = reported(machine)
    if not said:
        return
    from edgecloud.rollout import audit, state

    entries = _entries(machine)
    last = entries[-1].node if entries else state.Node(place.name)
    yield node.CORDONED.at(last.cordon is state.Cordon.OURS)
    yield node.BURNT.at(len(last.burnt))
    since = _since(entries)
    if since is not None:
        yield node.STATE_SINCE.at(since)
    yield from _counts(entries)
    links = [entry.link for entry in entries if entry.link]
    if links:
        yield node.RECORDS.at(links[-1].seq)
    # The report was written after the link whose hash it carries: without it, the end is gone.
    head = said.get("head", "")
    is_whole = not head or any(link.hash == head for link in links)
    yield node.AUDIT.at(is_whole and audit.first_bad(links) is None)


def reported(machine: host.Host) -> dict[str, Any]:
    """Return the agent's last report, as it lies on the disk; empty before the first."""
    found = files.read_state(machine, paths.OUTBOX).get("report")
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _plan(machine: host.Host, digest: str, part: str) -> Iterator[Sample]:
    known: dict[str, Any] = files.read_state(machine, f"{paths.PLANS}/{digest}.json")
    if "id" in known:
        yield node.PLAN.at(1, plan=str(known["id"]), digest=digest[:SHORT], part=part)


def _entries(machine: host.Host) -> list[journal.Entry]:
    """Return the lines of the journal, all of one moment: it is turned over while it is read."""
    from edgecloud.agent import journal

    found = list[journal.Entry]()
    for _ in range(_MOST_READS):
        before = stamp(machine, JOURNALS)
        found = journal.history(machine)
        if stamp(machine, JOURNALS) == before:
            break
    return found


def _since(entries: list[journal.Entry]) -> int | None:
    """Return when the last status began, as far back as the journal reaches."""
    from edgecloud.rollout import state

    since, last = None, None
    for entry in entries:
        status = state.status(entry.node)
        if status is not last:
            since, last = entry.at, status
    return since


def _counts(entries: list[journal.Entry]) -> Iterator[Sample]:
    """Yield what the journal counted for good: times of steps, failures, ways back."""
    from edgecloud.rollout import chronicle

    known = next((entry.counts for entry in reversed(entries) if entry.counts), None)
    if known is None:
        return
    for step, spread in known.took.items():
        total_s = spread.total_s
        yield from node.STEP_TOOK.spread(chronicle.BOUNDS_S, spread.counts, total_s, step=step)
    for key, count in known.failed.items():
        step, _, reason = key.partition("/")
        yield node.FAILED.at(count, step=step, reason=reason)
    for key, count in known.back.items():
        kind, _, result = key.partition("/")
        yield node.ROLLED_BACK.at(count, kind=kind, result=result)


def counted(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield what the agent counted of its own work since the machine booted."""
    known = tally.read(machine)
    for what, size in tally.fetches(known).items():
        yield node.DOWNLOADED.at(size, what=what)
    found = tally.syncs(known)
    if found:
        count, total_s, longest_s = found
        yield node.SYNCS.at(count)
        yield node.SYNCED.at(total_s)
        yield node.SYNC_LONGEST.at(longest_s)


def boot_files(machine: host.Host, place: Settings) -> list[str]:
    """Return the file that says which system boots next."""
    return [f"{place.slots.get('boot', '')}/config.txt"]


def slots(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield which of two systems runs, and which boots next."""
    if not place.slots:
        return
    from edgecloud.agent import slot_boot

    found = {
        "running": slot_boot.running(machine),
        "default": slot_boot.default(machine, place.slots["boot"]),
    }
    for what, slot in found.items():
        for each in slot_boot.SLOTS if slot else ():
            yield node.SLOT.at(slot == each, slot=each, what=what)
