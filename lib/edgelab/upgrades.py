"""What the agents' own journals tell of a run: for each machine, when its upgrade did what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgecloud.agent import journal
from edgecloud.rollout import audit, messages, state
from edgelab.model import engine
from edgelab.timeline import Lane, Span, Timeline, offset

KINDS: Mapping[str, str] = {
    "prepared": "fetched and waiting for its turn",
    "disturbed": "disturbed",
    "watched": "upgraded and watched",
    "back": "going back",
}
"""Kind of a span → what it means."""

_BACK = frozenset({state.State.ROLLING_BACK, state.State.ROLLBACK_VALIDATING})
_STATUS: Mapping[messages.Status, str] = {
    messages.Status.STAGING: "prepared",
    messages.Status.WAITING: "prepared",
    messages.Status.DISRUPTED: "disturbed",
    messages.Status.UNCOMMITTED: "disturbed",
    messages.Status.SOAKING: "watched",
}


def lanes(juju: engine.Engine, run: Timeline) -> tuple[Lane, ...]:
    """Return a lane for each machine whose agent did anything, beside those of the units."""
    found: list[Lane] = []
    for name, machine in sorted(juju.world.machines.items(), key=lambda item: item[1].hostname):
        links = journal.chain(machine.host()) if machine.powered else []
        spans = tuple(_spans(links, run))
        if spans:
            found.append(Lane(f"upgrade of {machine.hostname}", name, spans))
    return tuple(found)


def _spans(links: list[audit.Record], run: Timeline) -> Iterator[Span]:
    """Yield the spans between two changes of state that are worth a colour."""
    length = run.end - run.start
    ends = [float(link.entry["at"]) for link in links[1:]]
    for link, end in zip(links, [*ends, run.end], strict=False):
        into = state.State(link.entry["to"])
        kind = "back" if into in _BACK else _STATUS.get(state.status(state.Node("", into)), "")
        began = float(link.entry["at"])
        if kind and end >= run.start:
            title = f"{into.value} at {offset(began - run.start)}, {end - began:.0f} s"
            yield Span((began - run.start) / length, (end - began) / length, kind, title)
