"""What this node says in ``juju status``, judged afresh from what is known. Pure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import relay
from edgecloud.rollout import messages

ACTIVE, WAITING, MAINTENANCE, BLOCKED = "active", "waiting", "maintenance", "blocked"

Status = messages.Status


@dataclasses.dataclass(frozen=True)
class Line:
    """A status and its message."""

    status: str
    message: str


@dataclasses.dataclass(frozen=True)
class Facts:
    """All that the status depends on."""

    problems: tuple[str, ...] = ()
    rival: str = ""
    name: str = ""
    """Empty while no principal has said what runs here."""
    installed: bool = True
    spoke: bool = True
    report: messages.Report = dataclasses.field(default_factory=messages.Report)
    state: str = ""
    awaits: str = ""
    """What the agent waits for in that state, in more words than its name."""
    agent_problem: str = ""
    waits_for: str = ""
    veto: str = ""
    troubles: tuple[str, ...] = ()
    uncollected: str = ""
    """Why no metrics are delivered although there is a monitor."""
    is_scraped: bool = False
    """Whether a monitor fetches them, and nothing keeps them while it is away."""


def judge(facts: Facts) -> Line:
    """Return the one line that matters most."""
    line = _trouble(facts) or _of_upgrade(facts)
    if facts.uncollected and line.status == ACTIVE:
        return Line(WAITING, f"{line.message}; no metrics, trying again: {facts.uncollected}")
    if facts.is_scraped and line.status == ACTIVE:
        return Line(ACTIVE, f"{line.message}; metrics without a buffer, by forwarder")
    return line


def _trouble(facts: Facts) -> Line | None:
    """Return what keeps this charm from its work, the worst first."""
    nobody = "" if facts.name else "the principal to say what runs here"
    late = "" if facts.installed else "the agent to end its work before it is replaced"
    silent = "" if facts.spoke else "the agent's first report"
    found = (
        (BLOCKED, facts.rival, f"{facts.rival} has this machine: take this unit's relation away"),
        (BLOCKED, facts.problems, "; ".join(facts.problems)),
        (WAITING, nobody, f"waiting for {nobody}"),
        (WAITING, late, f"waiting for {late}"),
        (BLOCKED, facts.agent_problem, facts.agent_problem),
        (WAITING, facts.troubles, f"trying again: {'; '.join(facts.troubles[:1])}"),
        (WAITING, silent, f"waiting for {silent}"),
    )
    return next((Line(status, message) for status, is_so, message in found if is_so), None)


def _of_upgrade(facts: Facts) -> Line:
    """Return how far an upgrade is, or that there is none."""
    report = facts.report
    why = f": {report.reason}" if report.reason else ""
    if facts.waits_for and report.status not in messages.DISRUPTED:
        return Line(WAITING, f"waiting for {facts.waits_for}")
    if facts.veto and report.status in (Status.WAITING, Status.IDLE, Status.DONE):
        return Line(ACTIVE, f"vetoed: {facts.veto}")
    status, words = _WORDS.get(report.status, (ACTIVE, "ready"))
    if report.status is Status.ROLLED_BACK and relay.is_hosted(report.part):
        words = "{part} ended early{why}"  # What was replaced stays: nothing was taken back.
    state = facts.awaits or facts.state or report.status.value
    return Line(status, words.format(part=report.part, state=state, why=why))


_WORDS: Mapping[Status, tuple[str, str]] = {
    Status.STAGING: (MAINTENANCE, "{part}: {state}"),
    Status.WAITING: (ACTIVE, "{part} is ready and waits for its turn{why}"),
    Status.DISRUPTED: (MAINTENANCE, "{part}: {state}"),
    Status.UNCOMMITTED: (MAINTENANCE, "{part}: {state}"),
    Status.SOAKING: (ACTIVE, "{part} is watched"),
    Status.SKIPPED: (ACTIVE, "{part} was not done{why}"),
    Status.FAILED: (ACTIVE, "{part} was not done{why}"),
    Status.REGRESSED: (WAITING, "{part} made this node ill; waiting for leave to go back{why}"),
    Status.ROLLED_BACK: (ACTIVE, "{part} was taken back{why}"),
    Status.QUARANTINED: (BLOCKED, "{part} failed and could not be taken back{why}"),
}
