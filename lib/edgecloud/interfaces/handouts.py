"""Juju secrets that a unit makes for one other unit, and where that unit finds them.

Only the id of a secret is ever in a databag. A secret that is not granted yet, was withdrawn or
went with its owner reads as None: whoever needs it looks again when Juju says that it changed.
"""

from __future__ import annotations

import dataclasses
import datetime
from collections.abc import Iterable, Mapping

import ops


@dataclasses.dataclass(frozen=True, order=True)
class Handout:
    """What was made for one unit, and until when it is good."""

    unit: str = ""
    secret: str = ""
    until: float = 0.0
    """In seconds since 1970 UTC."""


def give(
    charm: ops.CharmBase,
    relations: Iterable[ops.Relation],
    unit: str,
    content: Mapping[str, str],
    *,
    label: str,
    description: str,
    expire: datetime.datetime | None = None,
) -> str | None:
    """Put something into a secret of this unit that one other may read. Return the secret's id.

    A secret with this label gets new content. None if the other unit is not related any more.
    """
    for relation in relations:
        for candidate in relation.units:
            if candidate.name == unit:
                secret = _present(charm, label)
                if secret is None:
                    secret = charm.unit.add_secret(
                        dict(content), label=label, description=description, expire=expire
                    )
                else:
                    secret.set_content(dict(content))
                secret.grant(relation, unit=candidate)
                return secret.id or secret.get_info().id
    return None


def take_back(charm: ops.CharmBase, label: str) -> dict[str, str] | None:
    """Remove a secret of this unit. Return what was in it; None if it is gone already."""
    secret = _present(charm, label)
    if secret is None:
        return None
    content = secret.peek_content()
    secret.remove_all_revisions()
    return content


def read(charm: ops.CharmBase, id: str) -> dict[str, str] | None:
    """Return the latest content of a secret; None while Juju does not hand it out."""
    try:
        return charm.model.get_secret(id=id).get_content(refresh=True)
    except (ops.SecretNotFoundError, ops.ModelError):
        return None


def _present(charm: ops.CharmBase, label: str) -> ops.Secret | None:
    try:
        secret = charm.model.get_secret(label=label)
        secret.peek_content()
    except ops.SecretNotFoundError:
        return None
    return secret
