"""The ``health_gate`` interface: a monitor says where the site's health can be asked.

Direction: the monitor (provider) publishes a :class:`GateSource` in its application databag. The
upgrade controller (requirer) asks that address in Prometheus' query language; it writes nothing
there. It says in :class:`Upheaval` which nodes it has let be disturbed, and until when, so that
nobody is called out for what such a disturbance is bound to cause.
A password never lies in the databag, only the id of the Juju secret that holds it.

Every field is optional on the wire; fields are added, never re-typed or reused (ADR 0004).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable

import ops

from edgecloud.interfaces import databag

SCHEMA = 1
CREDENTIALS_LABEL = "health-gate-credentials"
HEARTBEAT = "Watchdog"
"""An alert that always fires, so that silence can be told from health."""


@dataclasses.dataclass(frozen=True, order=True)
class Question:
    """A query that the monitor answers well; plans name it instead of spelling it."""

    name: str = ""
    query: str = ""


@dataclasses.dataclass(frozen=True)
class GateSource:
    """Application databag of the monitor: where and how its metrics can be asked."""

    schema: int | None = None
    url: str | None = None
    """Base address of the query interface; ``/api/v1/query`` is below it."""
    ca: str | None = None
    """The certificate authority to trust, as PEM."""
    credentials: str | None = None
    """Id of a Juju secret with ``username`` and ``password``."""
    questions: tuple[Question, ...] = ()


@dataclasses.dataclass(frozen=True, order=True)
class Disturbance:
    """A node that may be disturbed now; whoever reads it late takes ``until`` at its word."""

    node: str = ""
    until: int = 0
    """In seconds since 1970 UTC; said anew with a later time as long as it goes on."""
    plan: str = ""
    part: str = ""
    """The step of the plan, such as ``kubernetes/1.35``."""


@dataclasses.dataclass(frozen=True)
class Upheaval:
    """Application databag of the controller: what is disturbed on purpose."""

    schema: int | None = None
    disturbed: tuple[Disturbance, ...] = ()


@dataclasses.dataclass(frozen=True)
class Access:
    """A source that can be asked now, its password included. Never stored."""

    url: str
    ca: str = ""
    username: str = ""
    password: str = dataclasses.field(default="", repr=False)
    questions: tuple[Question, ...] = ()


class GateProvider:
    """The monitor's end."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "health-gate"):
        self._charm = charm
        self._endpoint = endpoint

    @property
    def related(self) -> bool:
        """Whether there is anybody to answer."""
        return bool(self._charm.model.relations[self._endpoint])

    def offered(self) -> tuple[Question, ...]:
        """Return the questions that were published before. Leader only."""
        for relation in self._charm.model.relations[self._endpoint]:
            return databag.load(GateSource, relation.data[self._charm.app]).questions
        return ()

    def offer(self, source: GateSource, *, username: str, password: str) -> bool:
        """Say where health can be asked, and in a secret, as whom. Leader only.

        Returns whether it is news.
        """
        content = {"username": username, "password": password}
        try:
            secret = self._charm.model.get_secret(label=CREDENTIALS_LABEL)
            if secret.peek_content() != content:
                secret.set_content(content)
        except ops.SecretNotFoundError:
            secret = self._charm.app.add_secret(content, label=CREDENTIALS_LABEL)
        self.share(secret)
        return self.publish(dataclasses.replace(source, credentials=secret.get_info().id))

    def publish(self, source: GateSource) -> bool:
        """Say where health can be asked. Leader only. Return whether it is news."""
        said = dataclasses.replace(
            source, schema=SCHEMA, questions=tuple(sorted(source.questions))
        )
        changes = [
            databag.save(said, relation.data[self._charm.app])
            for relation in self._charm.model.relations[self._endpoint]
        ]
        return any(changes)

    def disturbed(self) -> tuple[Disturbance, ...]:
        """Return what the controllers say is disturbed on purpose; nothing if not understood."""
        said = [
            databag.load(Upheaval, relation.data[relation.app])
            for relation in self._charm.model.relations[self._endpoint]
        ]
        known = [each for each in said if each.schema is not None and each.schema <= SCHEMA]
        return tuple(sorted(each for one in known for each in one.disturbed))

    def share(self, secret: ops.Secret) -> None:
        """Let every related controller read the credentials."""
        for relation in self._charm.model.relations[self._endpoint]:
            secret.grant(relation)


class GateRequirer:
    """The controller's end."""

    def __init__(self, charm: ops.CharmBase, endpoint: str = "health-gate"):
        self._charm = charm
        self._endpoint = endpoint

    @property
    def related(self) -> bool:
        """Whether there is a monitor."""
        return bool(self._charm.model.relations[self._endpoint])

    def source(self) -> GateSource:
        """Return what the monitor says."""
        for relation in self._charm.model.relations[self._endpoint]:
            return databag.load(GateSource, relation.data[relation.app])
        return GateSource()

    def access(self) -> Access | None:
        """Return how to ask now; None while the monitor is not ready or not understood."""
        said = self.source()
        if said.schema is None or said.schema > SCHEMA or not said.url:
            return None
        content = {"username": "", "password": ""}
        if said.credentials:
            try:
                secret = self._charm.model.get_secret(id=said.credentials)
                content.update(secret.get_content(refresh=True))
            except (ops.SecretNotFoundError, ops.ModelError):
                return None  # Not granted yet, or withdrawn.
        return Access(
            url=said.url,
            ca=said.ca or "",
            username=content["username"],
            password=content["password"],
            questions=said.questions,
        )

    def say(self, disturbed: Iterable[Disturbance]) -> bool:
        """Say which nodes are disturbed on purpose. Leader only. Return whether it is news."""
        said = Upheaval(SCHEMA, tuple(sorted(disturbed)))
        changes = [
            databag.save(said, relation.data[self._charm.app])
            for relation in self._charm.model.relations[self._endpoint]
        ]
        return any(changes)
