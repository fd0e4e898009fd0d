"""Between the words of ``node_upgrade`` and those of the core: orders, reports, members."""

from __future__ import annotations

from collections.abc import Iterable

from edgecloud.interfaces import databag
from edgecloud.interfaces.node_upgrade_data import (
    SCHEMA,
    Label,
    Machine,
    NodeOrder,
    NodeReport,
    SlipContent,
)
from edgecloud.rollout import inventory, messages


def written(name: str, order: messages.Order, member: inventory.Member) -> NodeOrder:
    """Return an order as the databag holds it."""
    epoch, serial = order.stamp
    return NodeOrder(
        node=name,
        epoch=epoch,
        serial=serial,
        verb=order.verb.value,
        part=order.part,
        wave=order.wave,
        expires=order.expires,
        token=order.token,
        machine=machine_of(member),
        digest=order.digest,
    )


def content(order: NodeOrder) -> dict[str, str]:
    """Return the content of the secret that holds an order."""
    found = dict[str, str]()
    databag.save(SlipContent(order), found)
    return found


def read_order(entry: NodeOrder, digest: str) -> messages.Order | None:
    """Return the order that a databag holds; None if its verb is none that this end knows."""
    if entry.verb not in {verb.value for verb in messages.Verb}:
        return None
    return messages.Order(
        stamp=(entry.epoch, entry.serial),
        verb=messages.Verb(entry.verb),
        digest=digest,
        part=entry.part,
        wave=entry.wave,
        expires=entry.expires,
        token=entry.token,
    )


def report_of(said: NodeReport) -> messages.Report | None:
    """Return what a node says in the words of the core; None if it cannot be understood."""
    statuses = {status.value for status in messages.Status}
    if not said.is_understood or said.status not in statuses:
        return None
    return messages.Report(
        status=messages.Status(said.status),
        digest=said.digest or "",
        part=said.part or "",
        seen=(said.epoch or 0, said.serial or 0),
        ready=bool(said.ready),
        version=said.version or "",
        vetoed=bool(said.vetoed),
        reason=said.reason or "",
        aborts=bool(said.aborts),
        head=said.head or "",
    )


def describe(
    report: messages.Report, node: str, machine: Machine, *, address: str = ""
) -> NodeReport:
    """Return a report of the core as the databag holds it."""
    epoch, serial = report.seen
    return NodeReport(
        schema=SCHEMA,
        node=node,
        address=address,
        machine=machine,
        status=report.status.value,
        digest=report.digest,
        part=report.part,
        epoch=epoch,
        serial=serial,
        ready=report.ready,
        version=report.version,
        vetoed=report.vetoed,
        reason=report.reason,
        aborts=report.aborts or None,
        head=report.head,
    )


def machine_of(member: inventory.Member) -> Machine:
    """Return a member of an inventory as the databag holds it."""
    return Machine(
        role=member.role,
        voter=member.voter,
        domain=member.domain,
        arch=member.arch,
        version=member.version,
        lxd=member.lxd,
        coordinator=member.coordinator,
        duration_s=member.duration_s,
        labels=_labels(member.labels),
        hosted=member.hosted,
    )


def member_of(name: str, machine: Machine) -> inventory.Member:
    """Return the member of an inventory that a databag describes."""
    plain = inventory.Member(name)
    return inventory.Member(
        name,
        role=machine.role or plain.role,
        voter=machine.voter,
        domain=machine.domain,
        arch=machine.arch or plain.arch,
        version=machine.version,
        lxd=machine.lxd,
        coordinator=machine.coordinator,
        duration_s=machine.duration_s,
        labels=tuple((label.key, label.value) for label in machine.labels),
        hosted=machine.hosted,
    )


def _labels(pairs: Iterable[tuple[str, str]]) -> tuple[Label, ...]:
    return tuple(sorted(Label(key, value) for key, value in pairs))
