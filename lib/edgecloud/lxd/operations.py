"""What LXD does in the background: start it, wait for it with a deadline, cancel it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from edgecloud.lxd import client as lxd
from edgecloud.lxd import deadline, errors, fields

TIMEOUT_S = 120.0

_SUCCESS = 200
_TOKEN = "token"
# LXD forgets an ended operation after five seconds; asking in slices shorter than the deadline
# shows a daemon that died, and longer than those five seconds loses nothing.
_SLICE_S = 15
_MARGIN_S = 3


@dataclasses.dataclass(frozen=True)
class Operation:
    """Something LXD does, or has just done."""

    id: str
    kind: str
    """``task``, ``websocket`` or ``token``."""
    description: str
    status: str
    status_code: int
    error: str
    may_cancel: bool
    location: str
    metadata: fields.Json = dataclasses.field(repr=False, compare=False)
    """May hold the secret of a token."""
    resources: Mapping[str, tuple[str, ...]] = dataclasses.field(compare=False)

    @property
    def ended(self) -> bool:
        """Return whether it succeeded, failed or was cancelled."""
        return self.status_code >= _SUCCESS

    @property
    def is_token(self) -> bool:
        """Return whether it stands for a token that has not been used yet."""
        return self.kind == _TOKEN

    def checked(self) -> Operation:
        """Return this; raise if it failed or was cancelled."""
        if self.ended and self.status_code != _SUCCESS:
            raise errors.of_operation(self.status_code, self.error or self.status)
        return self


def parse(document: fields.Json) -> Operation:
    """Return an operation from LXD's document of it."""
    resources = fields.inner(document, "resources")
    return Operation(
        id=fields.text(document, "id"),
        kind=fields.text(document, "class"),
        description=fields.text(document, "description"),
        status=fields.text(document, "status"),
        status_code=fields.number(document, "status_code"),
        error=fields.text(document, "err"),
        may_cancel=fields.flag(document, "may_cancel"),
        location=fields.text(document, "location"),
        metadata=fields.inner(document, "metadata"),
        resources={kind: fields.texts(resources, kind) for kind in resources},
    )


def run(
    client: lxd.Client,
    method: str,
    path: str,
    body: lxd.Body = None,
    *,
    timeout_s: float = TIMEOUT_S,
    etag: str = "",
    query: lxd.Query | None = None,
) -> Any:
    """Make a call and see it through, whether LXD does it at once or in the background.

    Returns:
        The metadata of the answer, or of the operation. Releases differ in what they do at once.

    Raises:
        errors.UnfinishedError: the operation did not end in ``timeout_s``; it still runs.
        errors.EndlessOperationError: the call made a token; see :func:`token`.
    """
    limit = deadline.Deadline(timeout_s)
    # The body of an upload is part of the call, so the call may use the whole limit.
    call_s = timeout_s if isinstance(body, lxd.File) else min(client.timeout_s, timeout_s)
    answer = client.call(method, path, body, etag=etag, timeout_s=call_s, query=query)
    if not answer.operation:
        return answer.metadata
    return wait(client, _started(answer), timeout_s=limit.left_s()).metadata


def token(client: lxd.Client, path: str, body: Mapping[str, Any]) -> Operation:
    """Make a call that answers with a token; return at once."""
    operation = _started(client.call("POST", path, body))
    if not operation.is_token:
        raise errors.BadAnswerError(f"LXD started a {operation.kind} instead of making a token")
    return operation


def wait(client: lxd.Client, operation: Operation, *, timeout_s: float) -> Operation:
    """Return an operation that has succeeded; raise what it failed with.

    Raises:
        errors.UnfinishedError: it did not end in ``timeout_s``; it still runs.
        errors.LostOperationError: LXD was restarted or forgot it.
    """
    if operation.is_token:
        raise errors.EndlessOperationError(
            f"{operation.description or 'A token'} is not waited on"
        )
    limit = deadline.Deadline(timeout_s)
    while not operation.ended:
        left_s = limit.left_s()
        if left_s <= 0:
            what = operation.description or "The operation"
            raise errors.UnfinishedError(
                f"{what} still runs after {timeout_s:g} s", operation=operation.id
            )
        operation = _looked(client, operation, left_s)
    return operation.checked()


def find(client: lxd.Client, operation_id: str) -> Operation | None:
    """Return an operation; None if LXD does not know it, or no longer."""
    found = client.find(lxd.url("operations", operation_id))
    return None if found is None else parse(found)


def every(client: lxd.Client) -> tuple[Operation, ...]:
    """Return the operations of all members that LXD still knows, by id."""
    by_status = fields.as_object(client.get(lxd.url("operations"), {"recursion": 1}))
    found = [parse(one) for status in by_status for one in fields.inners(by_status, status)]
    return tuple(sorted(found, key=lambda operation: operation.id))


def cancel(client: lxd.Client, operation_id: str) -> None:
    """Cancel an operation; a token is revoked by that."""
    client.call("DELETE", lxd.url("operations", operation_id))


def _started(answer: lxd.Answer) -> Operation:
    operation = parse(fields.as_object(answer.metadata))
    return operation if operation.id else dataclasses.replace(operation, id=answer.operation)


def _looked(client: lxd.Client, operation: Operation, left_s: float) -> Operation:
    """Return an operation as it is after at most a slice of waiting."""
    slice_s = max(1, min(_SLICE_S, int(left_s)))
    path = f"{lxd.url('operations', operation.id)}/wait"
    try:
        found = client.get(path, {"timeout": slice_s}, timeout_s=min(slice_s + _MARGIN_S, left_s))
    except errors.TimedOutError:
        return operation
    except errors.NotFoundError as error:
        what = operation.description or operation.id
        raise errors.LostOperationError(f"LXD no longer knows the operation: {what}") from error
    return parse(fields.as_object(found))
