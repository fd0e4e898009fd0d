"""What LXD warns of."""

from __future__ import annotations

import dataclasses
import enum

from edgecloud.lxd import client as lxd
from edgecloud.lxd import documents, fields


class Severity(enum.IntEnum):
    """How bad it is, in order."""

    LOW = 1
    MODERATE = 2
    HIGH = 3


@dataclasses.dataclass(frozen=True)
class Notice:
    """Something that LXD warns of."""

    id: str
    kind: str
    message: str
    severity: Severity
    status: str
    """``new``, ``acknowledged`` or ``resolved``."""
    member: str
    count: int
    last_seen: str


def every(client: lxd.Client, *, at_least: Severity = Severity.LOW) -> tuple[Notice, ...]:
    """Return what is neither acknowledged nor resolved, the worst first."""
    found = map(_parse, client.every(lxd.url("warnings")))
    open_ones = (one for one in found if one.status == "new" and one.severity >= at_least)
    return tuple(sorted(open_ones, key=lambda one: (-one.severity, one.kind, one.member, one.id)))


def acknowledge(client: lxd.Client, notice_id: str) -> bool:
    """Have a warning no longer shown. Return whether it was."""

    def change(document: fields.Json) -> None:
        if document.get("status") == "new":
            document["status"] = "acknowledged"

    return documents.edit(client, lxd.url("warnings", notice_id), change)


def _parse(found: fields.Json) -> Notice:
    name = fields.text(found, "severity").upper()
    return Notice(
        id=fields.text(found, "uuid"),
        kind=fields.text(found, "type"),
        message=fields.text(found, "last_message"),
        # One that this package does not know is not to be overlooked.
        severity=Severity[name] if name in Severity.__members__ else Severity.HIGH,
        status=fields.text(found, "status"),
        member=fields.text(found, "location"),
        count=fields.number(found, "count"),
        last_seen=fields.text(found, "last_seen_at"),
    )
