"""What a unit remembers of its nodes on the machine's disk: joins tried, a replacement begun."""

from __future__ import annotations

import dataclasses

import replacement
from edgecloud import host as machines
from edgecloud.host import files
from edgecloud.lxd_member import renewal
from hosting import Attempt
from replacement import Replacement

STATE = "/var/lib/edge-lxd"


@dataclasses.dataclass(frozen=True)
class Memory:
    """The journals of a unit's pool: each is written before what it tells of is done."""

    host: machines.Host
    unit: str

    def attempts(self) -> dict[str, Attempt]:
        """Return the last attempt of each node to join, by instance."""
        known = files.read_state(self.host, self._joins)
        return {name: Attempt(**one) for name, one in known.items()}

    def note(self, name: str, attempt: Attempt | None) -> None:
        """Remember an attempt of a node to join, or forget the node."""
        known = files.read_state(self.host, self._joins)
        known.pop(name, None)
        if attempt is not None:
            known[name] = dataclasses.asdict(attempt)
        files.write_state(self.host, self._joins, known)

    def replacement(self) -> Replacement | None:
        """Return the replacement that is under way."""
        return replacement.decode(files.read_state(self.host, self._replacing))

    def save(self, under_way: Replacement | None) -> None:
        """Remember how far a replacement is, or that there is none any more."""
        document = replacement.encode(under_way) if under_way else {}
        files.write_state(self.host, self._replacing, document)

    def forget(self) -> None:
        """Forget all that was remembered of the nodes, and what a plan was answered."""
        for path in (self._joins, self._replacing, renewal.ANSWER):
            self.host.remove(path)

    @property
    def _joins(self) -> str:
        return f"{STATE}/joins-{self.unit.replace('/', '-')}.json"

    @property
    def _replacing(self) -> str:
        return f"{STATE}/replacing-{self.unit.replace('/', '-')}.json"
