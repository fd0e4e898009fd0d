"""What agent and charm say to each other of the nodes that live here and are to be replaced.

The agent wishes, the unit of ``edge-lxd`` answers. Each writes a file of its own that only root
may read, and each is a whole state: read late, twice or after a power cut, it means the same.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import cast

from edgecloud import host as machines
from edgecloud.host import files

WISH = "/var/lib/edge-agent/hosted-wish.json"
ANSWER = "/var/lib/edge-lxd/hosted.json"
KIND = "hosted"


@dataclass(frozen=True)
class Wish:
    """What all nodes that live here shall run."""

    id: str = ""
    """Another one for each attempt."""
    version: str = ""
    """The minor of Kubernetes, such as ``1.36``."""
    revision: str = ""
    """The exact build; what the channel holds if empty."""

    @property
    def target(self) -> str:
        """What a plan's step calls it."""
        return ":".join(filter(None, (KIND, self.version, self.revision)))

    @property
    def channel(self) -> str:
        """Where a node gets it."""
        return f"{self.version}/stable"


@dataclass(frozen=True)
class Answer:
    """How far the unit is with it."""

    wish: Wish = Wish()
    """The last one that it took up."""
    since: float = 0.0
    """Since when the pool is not whole, and so none is replaced; in seconds since 1970 UTC."""
    reached: str = ""
    """The target of the last wish that was fulfilled to the end."""
    failed: str = ""
    """Why the one at hand was given up."""
    hindrance: str = ""
    """Why none could be fulfilled now."""
    replaced: tuple[str, ...] = ()
    """The new nodes that took another's place for the wish at hand."""


def wish(host: machines.Host) -> Wish:
    """Return what the agent last wished."""
    return _wish(files.read_state(host, WISH))


def want(host: machines.Host, wanted: Wish) -> bool:
    """Leave a wish for the charm of this machine's agent. Return whether it is another."""
    return files.write_state(host, WISH, asdict(wanted))


def answer(host: machines.Host) -> Answer | None:
    """Return what the unit says; None if it never said anything."""
    found = files.read_state(host, ANSWER)
    if not found:
        return None
    texts = {name: str(found.get(name, "")) for name in ("reached", "failed", "hindrance")}
    return Answer(
        wish=_wish(cast("dict[str, object]", found.get("wish") or {})),
        since=float(found.get("since", 0)),
        replaced=tuple(found.get("replaced") or ()),
        **texts,
    )


def say(host: machines.Host, said: Answer) -> bool:
    """Answer the agent. Return whether that is news."""
    return files.write_state(host, ANSWER, asdict(said))


def _wish(document: dict[str, object]) -> Wish:
    return Wish(**{each.name: str(document.get(each.name, "")) for each in fields(Wish)})
