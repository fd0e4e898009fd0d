"""Change an object of LXD without undoing what somebody else has changed."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

from edgecloud.lxd import client as lxd
from edgecloud.lxd import errors, fields, operations

_ATTEMPTS = 5


def edit(
    client: lxd.Client,
    path: str,
    change: Callable[[fields.Json], None],
    *,
    timeout_s: float = operations.TIMEOUT_S,
    query: lxd.Query | None = None,
) -> bool:
    """Read an object, change it, write it back if it changed. Return whether it did.

    The write carries the version that was read. If somebody else was faster, all is done again on
    what they left; after a few defeats :class:`~edgecloud.lxd.errors.StaleError` is raised.

    Args:
        client: the daemon.
        path: the object, as :func:`edgecloud.lxd.client.url` returns it.
        change: changes the document that it is given. May be called more than once.
        timeout_s: for the write.
        query: parameters of both read and write, such as ``target``.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        answer = client.call("GET", path, query=query)
        before = fields.as_object(answer.metadata)
        after = copy.deepcopy(before)
        change(after)
        if after == before:
            return False
        try:
            operations.run(
                client, "PUT", path, after, etag=answer.etag, timeout_s=timeout_s, query=query
            )
        except errors.StaleError:
            if attempt == _ATTEMPTS:
                raise
            continue
        return True
    raise AssertionError("unreachable")


def set_keys(document: fields.Json, key: str, wanted: Mapping[str, object]) -> None:
    """Set keys within an object such as ``config``; those that are None are taken away."""
    kept = dict(fields.inner(document, key))
    for name, value in wanted.items():
        if value is None:
            kept.pop(name, None)
        else:
            kept[name] = value
    document[key] = kept


def edit_config(
    client: lxd.Client,
    path: str,
    wanted: Mapping[str, str | None],
    *,
    query: lxd.Query | None = None,
) -> bool:
    """Set keys of an object's ``config``; take away those that are None. Return if it changed."""

    def change(document: fields.Json) -> None:
        set_keys(document, "config", wanted)

    return edit(client, path, change, query=query)
