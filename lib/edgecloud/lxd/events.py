"""Hear what happens in LXD as it happens."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import urllib.parse
from collections.abc import Generator, Iterator, Sequence

from edgecloud.lxd import client as lxd
from edgecloud.lxd import deadline, errors, fields, websocket

LIFECYCLE = "lifecycle"
OPERATION = "operation"
LOGGING = "logging"


@dataclasses.dataclass(frozen=True)
class Event:
    """Something that has happened."""

    kind: str
    at: str
    member: str
    project: str
    content: fields.Json = dataclasses.field(compare=False)

    @property
    def action(self) -> str:
        """Return what was done, such as ``instance-started``; empty if not of a lifecycle."""
        return fields.text(self.content, "action")

    @property
    def source(self) -> str:
        """Return the path of what it was done to."""
        return fields.text(self.content, "source").partition("?")[0]


class Stream:
    """Events from the moment it was opened on."""

    def __init__(self, listener: websocket.Listener):
        self._listener = listener

    def next(self, timeout_s: float) -> Event | None:
        """Return the next event; None if none comes in time."""
        message = self._listener.receive(timeout_s)
        return None if message is None else parse(message)

    def until(self, timeout_s: float) -> Iterator[Event]:
        """Yield the events of the next seconds."""
        limit = deadline.Deadline(timeout_s)
        while (event := self.next(limit.left_s())) is not None:
            yield event


@contextlib.contextmanager
def listen(client: lxd.Client, kinds: Sequence[str] = (LIFECYCLE, OPERATION)) -> Generator[Stream]:
    """Open a stream of events of the client's project and close it in the end.

    Nothing that happens inside the ``with`` block is missed, even if it is read later.
    """
    query = {"type": ",".join(kinds), **({"project": client.project} if client.project else {})}
    connection = client.endpoint.open(client.timeout_s)
    try:
        listener = websocket.upgrade(connection, f"/1.0/events?{urllib.parse.urlencode(query)}")
    except TimeoutError as error:
        connection.close()
        raise errors.TimedOutError(f"No events after {client.timeout_s:g} s") from error
    except OSError as error:
        connection.close()
        raise errors.UnreachableError(f"The connection broke: {error}") from error
    except errors.LxdError:
        connection.close()
        raise
    with contextlib.closing(listener):
        yield Stream(listener)


def parse(message: bytes) -> Event:
    """Return an event from a message of LXD."""
    try:
        found = fields.as_object(json.loads(message))
    except ValueError as error:
        raise errors.BadAnswerError("This is not an event") from error
    return Event(
        kind=fields.text(found, "type"),
        at=fields.text(found, "timestamp"),
        member=fields.text(found, "location"),
        project=fields.text(found, "project"),
        content=fields.inner(found, "metadata"),
    )
