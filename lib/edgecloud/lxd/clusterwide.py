"""Make a pool or network that every member has: announced on each, then made at once."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping

from edgecloud.lxd import client as lxd
from edgecloud.lxd import errors, fields, operations

_BROKEN = "Errored"


def ensure(
    client: lxd.Client,
    path: str,
    name: str,
    body: Mapping[str, object],
    own: Mapping[str, Mapping[str, str]],
    members: Iterable[str],
) -> bool:
    """Have a pool or network, on every member of a cluster. Return whether it was made now.

    An attempt that broke off is taken up where it stopped.

    Args:
        client: the daemon.
        path: of the collection.
        name: of the pool or network.
        body: what is the same on every member, ``config`` included.
        own: by member, the ``config`` that each has for itself, such as ``source``.
        members: the names of all members; none for a daemon by itself.
    """
    found = client.find(f"{path}/{lxd.segment(name)}") or {}
    if found and fields.text(found, "status") not in ("Pending", _BROKEN):
        return False
    everybody = sorted(members)
    if not everybody:
        config = {**fields.inner(dict(body), "config"), **own.get("", {})}
        operations.run(client, "POST", path, {"name": name, **body, "config": config})
        return True
    announced = fields.texts(found, "locations")
    for member in everybody:
        if member not in announced:
            _announce(client, path, member, {"name": name, **body, "config": own.get(member, {})})
    operations.run(client, "POST", path, {"name": name, **body})
    return True


def _announce(client: lxd.Client, path: str, member: str, body: Mapping[str, object]) -> None:
    with contextlib.suppress(errors.AlreadyExistsError):  # By an attempt that broke off.
        operations.run(client, "POST", path, body, query={"target": member})
