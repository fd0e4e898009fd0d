"""Slips: messages of an application to single units, each in a Juju secret of its own.

New content of a secret wakes only the unit that reads it, where a change of a databag wakes every
unit of the relation. The ids lie in the databag and stay the same as long as the units do. Nothing
in a slip need be secret: a secret is used because it is the one thing in Juju with an address.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Set

import ops


@dataclasses.dataclass(frozen=True, order=True)
class Slip:
    """Where one node finds what is meant for it."""

    node: str = ""
    unit: str = ""
    """As the writer calls it; the one unit that may read the secret."""
    secret: str = ""


Content = dict[str, str]


def deliver(
    charm: ops.CharmBase,
    relation: ops.Relation,
    kept: Iterable[Slip],
    readers: Mapping[str, ops.Unit],
    contents: Mapping[str, Content],
    news: Set[str],
) -> tuple[tuple[Slip, ...], bool]:
    """Write the slips of a relation. Leader only.

    Args:
        charm: the writer, whose application owns the secrets.
        relation: over which the units may read them.
        kept: the slips that are there.
        readers: the unit that each node is.
        contents: what to tell each node.
        news: the nodes that are told something else than before.

    Returns the slips as they are now, and whether anybody was told anything by them.
    """
    slips = {slip.node: slip for slip in _still_good(charm.model, relation, kept, readers)}
    told = set(readers) & set(contents)
    for node in sorted(told - set(slips)):
        secret = charm.app.add_secret(contents[node])
        secret.grant(relation, unit=readers[node])
        slips[node] = Slip(node, readers[node].name, secret.id or "")
        news = news - {node}
    for node in sorted(told & news):
        charm.model.get_secret(id=slips[node].secret).set_content(contents[node])
    return tuple(sorted(slips.values())), bool(told & news)


def read(model: ops.Model, slip: Slip) -> Content | None:
    """Return what a slip says; None while Juju does not hand it out."""
    try:
        return model.get_secret(id=slip.secret).get_content(refresh=True)
    except (ops.SecretNotFoundError, ops.ModelError):
        return None


def forget_revision(event: ops.SecretRemoveEvent, kept: Iterable[Slip]) -> None:
    """Drop a revision that its reader has read past."""
    # Juju tells the same of a secret that is gone; to remove that again would fail the hook.
    if any(slip.secret.endswith(event.secret.unique_identifier or ":") for slip in kept):
        event.remove_revision()


def _still_good(
    model: ops.Model,
    relation: ops.Relation,
    kept: Iterable[Slip],
    readers: Mapping[str, ops.Unit],
) -> Iterator[Slip]:
    """Yield the slips whose units are there; remove the secrets of the others."""
    there = {unit.name for unit in relation.units}
    for slip in kept:
        reader = readers.get(slip.node)
        if slip.unit in there and (reader is None or reader.name == slip.unit):
            yield slip
            continue
        try:
            model.get_secret(id=slip.secret).remove_all_revisions()
        except ops.SecretNotFoundError:
            continue
