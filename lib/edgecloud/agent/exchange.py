"""The inbox and the outbox: whole states in files that are replaced in one step, never streams."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, cast

from edgecloud import host
from edgecloud.agent import paths, signing
from edgecloud.agent import settings as machine_settings
from edgecloud.host import files
from edgecloud.rollout import inventory, messages, plan, route

SCHEMA = 1


class ExchangeError(Exception):
    """The inbox does not say anything that may be acted on."""


@dataclass(frozen=True)
class Inbox:
    """What the coordinator says to this node now."""

    order: messages.Order
    plan: plan.Plan
    member: inventory.Member
    signature: str = ""

    @property
    def work(self) -> route.Work:
        """What the order's step means for this node."""
        return route.work(self.plan, self.order.part, self.order.wave, self.member)


def write_inbox(machine: host.Host, inbox: Inbox) -> bool:
    """Hand an order to the agent. Return whether it is another than before."""
    document = {
        "schema": SCHEMA,
        "order": messages.write(inbox.order),
        "plan": plan.canonical(inbox.plan),
        "signature": inbox.signature,
        "member": inventory.write({inbox.member.name: inbox.member})[0],
    }
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    return machine.write(paths.INBOX, text, mode=0o600)


def read_inbox(machine: host.Host) -> Inbox | None:
    """Return what the inbox says; None if there is none. Raise if it cannot be read."""
    try:
        text = machine.read(paths.INBOX)
    except FileNotFoundError:
        return None
    try:
        document = cast("dict[str, Any]", json.loads(text))
        if document["schema"] != SCHEMA:
            raise ExchangeError(f"the inbox speaks schema {document['schema']}, not {SCHEMA}")
        order = messages.read_order(document["order"])
        accepted = plan.parse(document["plan"])
        member = next(iter(inventory.read([document["member"]]).values()))
    except (ValueError, KeyError, TypeError, plan.PlanError) as e:
        raise ExchangeError(f"the inbox cannot be read: {e}") from e
    if order.digest and order.digest != accepted.digest:
        raise ExchangeError("the order is bound to another plan than it came with")
    return Inbox(order, accepted, member, str(document.get("signature", "")))


def admit(machine: host.Host, settings: machine_settings.Settings, inbox: Inbox) -> None:
    """Take a plan in, if somebody signed it whom this machine trusts, and keep it."""
    try:
        if settings.sign == "required":
            signing.verify(machine, plan.canonical(inbox.plan), inbox.signature)
    except signing.SignatureError as e:
        raise ExchangeError(str(e)) from e
    path = f"{paths.PLANS}/{inbox.plan.digest}.json"
    machine.write(path, plan.canonical(inbox.plan), mode=0o600)


def kept_plan(machine: host.Host, digest: str) -> plan.Plan | None:
    """Return a plan that was kept; None if it is not there or not what its name says."""
    text = files.read(machine, f"{paths.PLANS}/{digest}.json")
    try:
        found = plan.parse(text) if text else None
    except plan.PlanError:
        return None
    return found if found and found.digest == digest else None


def forget_plans(machine: host.Host, but: str) -> None:
    """Forget the plans that no work belongs to."""
    for path in machine.glob(f"{paths.PLANS}/*.json"):
        if path != f"{paths.PLANS}/{but}.json":
            machine.remove(path)


def write_outbox(
    machine: host.Host,
    report: messages.Report,
    *,
    state: str,
    problem: str = "",
    awaits: str = "",
) -> bool:
    """Publish what the node says of itself. Return whether it is news."""
    document: dict[str, Any] = {"schema": SCHEMA, "report": messages.write(report)}
    document.update(state=state, problem=problem, awaits=awaits)
    text = json.dumps(document, indent=1, sort_keys=True) + "\n"
    return machine.write(paths.OUTBOX, text)


def read_outbox(machine: host.Host) -> messages.Report | None:
    """Return what the agent last said; None if it said nothing yet."""
    document = files.read_state(machine, paths.OUTBOX)
    return messages.read_report(document["report"]) if "report" in document else None


def described(report: messages.Report) -> dict[str, Any]:
    """Return a report with every field written out."""
    return asdict(report)
