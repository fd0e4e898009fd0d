"""The ``node_metrics`` interface: machines send their metrics to the monitor of their site.

Direction: a unit of the monitor (provider) says in its unit databag where samples are taken in,
and hands each related unit a password of its own in a Juju secret that no other may read. The
machine (requirer) says in its unit databag what it is called and whether it sends. A unit that
leaves takes nothing along that still opens the door.

A machine that is too short of memory to deliver shows its page instead, over TLS, and to nobody
but the holder of the key whose certificate the monitor published. No secret is needed for that.

Every field is optional on the wire; fields are added, never re-typed or reused (ADR 0004).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping

import ops

from edgecloud.interfaces import databag, handouts

SCHEMA = 1
USERNAME, PASSWORD = "username", "password"
SHOWN_AS = "edge-node"
"""The name in the certificate of a machine that shows its page, whatever its address is."""


@dataclasses.dataclass(frozen=True)
class Sink:
    """Unit databag of a monitor: where samples are taken in, and how often they are wanted."""

    schema: int | None = None
    url: str | None = None
    """Takes Prometheus' remote-write protocol; the whole address."""
    ca: str | None = None
    """The certificate authority to trust, as PEM."""
    interval_s: int | None = None
    writers: tuple[handouts.Handout, ...] = ()
    """Unit → id of the Juju secret with its ``username`` and ``password``."""
    scraper: str | None = None
    """The certificate, as PEM, by which the monitor is known where it scrapes; the key stays."""


@dataclasses.dataclass(frozen=True)
class Sender:
    """Unit databag of a machine."""

    schema: int | None = None
    hostname: str | None = None
    """Tells the monitor whether it is on the same machine."""
    sends: bool | None = None
    """Whether exporter and forwarder run; a machine without their packages does not send."""
    page: str | None = None
    """Address and port where it shows its metrics, if it does not send them."""
    certificate: str | None = None
    """What it shows there, as PEM: of its own making, for :data:`SHOWN_AS`."""
    node: str | None = None
    """What the labels of what it shows are; one that sends puts them on itself."""
    role: str | None = None


@dataclasses.dataclass(frozen=True)
class Machine:
    """A related unit, as the monitor knows it."""

    unit: str
    application: str
    hostname: str = ""
    sends: bool = False
    page: str = ""
    certificate: str = ""
    node: str = ""
    role: str = ""


@dataclasses.dataclass(frozen=True, order=True)
class Access:
    """A monitor that takes samples now, the password included. Never stored as it is."""

    unit: str
    url: str
    ca: str = ""
    interval_s: int = 60
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)


class MetricsProvider:
    """The monitor's end."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "nodes"):
        self._charm = charm
        self._endpoint = endpoint

    def machines(self) -> list[Machine]:
        """Return the machines that Juju knows, by the names of their units."""
        found = {
            unit.name: _machine(unit, databag.load(Sender, relation.data[unit]))
            for relation in self._relations
            for unit in relation.units
        }
        return [found[name] for name in sorted(found)]

    def offer(self, sink: Sink, writers: Mapping[str, Mapping[str, str]]) -> bool:
        """Say where samples are taken in, and hand each unit what lets it in.

        Args:
            sink: where; its ``writers`` are filled in here.
            writers: unit → content of its secret.

        Returns:
            Whether anything is news.
        """
        given = [handouts.Handout(unit, self._hand(unit, writers[unit])) for unit in writers]
        changes = [
            databag.save(
                dataclasses.replace(
                    sink,
                    schema=SCHEMA,
                    writers=tuple(sorted(_of(relation, given))),
                ),
                relation.data[self._charm.unit],
            )
            for relation in self._relations
        ]
        return any(changes)

    def withdraw(self, units: Collection[str]) -> None:
        """Take back the secrets of units that are not related any more."""
        for unit in units:
            handouts.take_back(self._charm, _label(unit))

    @property
    def _relations(self) -> list[ops.Relation]:
        return [each for each in self._charm.model.relations[self._endpoint] if each.active]

    def _hand(self, unit: str, content: Mapping[str, str]) -> str:
        try:
            secret = self._charm.model.get_secret(label=_label(unit))
            if secret.peek_content() == content:
                return secret.id or secret.get_info().id
        except ops.SecretNotFoundError:
            pass
        description = "Lets one machine deliver its metrics"
        given = handouts.give(
            self._charm,
            self._relations,
            unit,
            content,
            label=_label(unit),
            description=description,
        )
        return given or ""


class MetricsRequirer:
    """A machine's end."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "monitor"):
        self._charm = charm
        self._endpoint = endpoint

    @property
    def related(self) -> bool:
        """Whether there is a monitor."""
        return bool(self._relations)

    def accesses(self) -> tuple[Access, ...]:
        """Return the monitors that let this unit in now."""
        found = [
            self._access(unit.name, databag.load(Sink, relation.data[unit]))
            for relation in self._relations
            for unit in relation.units
        ]
        return tuple(sorted(each for each in found if each is not None))

    def scrapers(self) -> tuple[str, ...]:
        """Return the certificates by which the monitors that would scrape this unit are known."""
        found = [
            databag.load(Sink, relation.data[unit])
            for relation in self._relations
            for unit in relation.units
        ]
        known = {said.scraper for said in found if said.scraper and _is_spoken(said)}
        return tuple(sorted(known))

    def publish(self, sender: Sender) -> bool:
        """Say what this machine is called and whether it sends. Return whether it is news."""
        said = dataclasses.replace(sender, schema=SCHEMA)
        changes = [databag.save(said, each.data[self._charm.unit]) for each in self._relations]
        return any(changes)

    @property
    def _relations(self) -> list[ops.Relation]:
        return [each for each in self._charm.model.relations[self._endpoint] if each.active]

    def _access(self, unit: str, said: Sink) -> Access | None:
        mine = {each.unit: each.secret for each in said.writers}.get(self._charm.unit.name)
        if not _is_spoken(said) or not said.url or not mine:
            return None
        content = handouts.read(self._charm, mine)
        if content is None:
            return None  # Not granted yet, or withdrawn.
        return Access(
            unit,
            said.url,
            said.ca or "",
            said.interval_s or Access.interval_s,
            content.get(USERNAME, ""),
            content.get(PASSWORD, ""),
        )


def _is_spoken(said: Sink) -> bool:
    return said.schema is not None and said.schema <= SCHEMA


def _machine(unit: ops.Unit, said: Sender) -> Machine:
    return Machine(
        unit.name,
        unit.app.name,
        said.hostname or "",
        bool(said.sends),
        said.page or "",
        said.certificate or "",
        said.node or "",
        said.role or "",
    )


def _of(relation: ops.Relation, given: list[handouts.Handout]) -> list[handouts.Handout]:
    names = {unit.name for unit in relation.units}
    return [each for each in given if each.unit in names]


def _label(unit: str) -> str:
    return f"metrics-writer-{unit.replace('/', '-')}"
