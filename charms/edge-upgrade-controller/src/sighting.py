"""What the coordinator sees of its site: who is there, and what the nodes say right now. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from dataclasses import replace

from edgecloud.interfaces import node_upgrade
from edgecloud.rollout import inventory, ledger, skew

FRESH_S = 600
"""For how long a control plane's view of its cluster counts."""
BUDGETS_FRESH_S = 7200
"""The same for disruption budgets, at which control planes look once an hour."""
CLOCK_SLACK_S = 120

Reports = Mapping[str, node_upgrade.NodeReport]


def named(reports: Reports) -> dict[str, node_upgrade.NodeReport]:
    """Return the reports that can be understood, by the name of the node."""
    return {said.node: said for said in reports.values() if said.node and said.is_understood}


def doing(reports: Reports) -> dict[str, str]:
    """Return what each disturbed node last said that it does, in a word for people."""
    return {name: said.doing for name, said in named(reports).items() if said.doing}


def problems(reports: Reports) -> list[str]:
    """Return what is wrong with the nodes as a set, with the remedy."""
    counts = Counter(said.node for said in reports.values() if said.node)
    found = [f"{name} is the name of {n} nodes" for name, n in sorted(counts.items()) if n > 1]
    newer = [unit for unit, said in reports.items() if said.schema and not said.is_understood]
    if newer:
        found.append(f"{', '.join(sorted(newer)[:3])} speak a newer schema: refresh this charm")
    return found


def members(reports: Reports, coordinators: Set[str]) -> inventory.Inventory:
    """Return the inventory of the site: every node that says what it is.

    Args:
        reports: what the nodes say.
        coordinators: addresses of the machines on which this charm runs.
    """
    found = list[inventory.Member]()
    for name, said in named(reports).items():
        if said.machine is not None:
            member = node_upgrade.member_of(name, said.machine)
            is_ours = said.address in coordinators
            found.append(replace(member, coordinator=True) if is_ours else member)
    return inventory.freeze(found)


def look(
    reports: Reports,
    rollout: ledger.Rollout,
    gates: Mapping[str, ledger.Verdict],
    now: int,
) -> ledger.Sight:
    """Return what is seen of the nodes of a rollout."""
    said = named(reports)
    heard = {name: node_upgrade.report_of(each) for name, each in said.items()}
    view = freshest(said, now)
    missing = {each.node: each for each in view.missing} if view else {}
    # Whoever of the plan is not heard at all is counted by the plan's own rule for absence.
    unready = {name for name, each in missing.items() if each.heard or name not in rollout.entries}
    foreign = [f"{name}: {each.foreign}" for name, each in sorted(said.items()) if each.foreign]
    return ledger.Sight(
        reports={name: report for name, report in heard.items() if report},
        unready=frozenset(unready),
        blind=view is None and any(member.version for member in rollout.members.values()),
        silent={name: each.since for name, each in missing.items() if not each.heard},
        voters=frozenset(view.voters if view else ()),
        answering=frozenset(view.answering if view else ()),
        leader=view.leader if view else "",
        gates=gates,
        clock_trusted=is_clock_trusted(said, rollout, now),
        foreign=foreign[0] if foreign else "",
    )


def freshest(
    said: Mapping[str, node_upgrade.NodeReport], now: int
) -> node_upgrade.ClusterView | None:
    """Return the newest view of the cluster that a control plane has; None if all are old."""
    views = [
        each.cluster
        for each in said.values()
        if each.cluster and each.machine and each.machine.role == skew.CONTROL_PLANE
    ]
    newest = max(views, key=lambda view: view.at, default=None)
    return newest if newest and abs(now - newest.at) <= FRESH_S else None


def budgets(reports: Reports, now: int) -> dict[str, tuple[str, ...]] | None:
    """Return which disruption budgets hold the pods of each node; None if nobody lately looked."""
    views = [
        each.budgets
        for each in named(reports).values()
        if each.budgets and each.machine and each.machine.role == skew.CONTROL_PLANE
    ]
    newest = max(views, key=lambda view: view.at, default=None)
    if newest is None or abs(now - newest.at) > BUDGETS_FRESH_S:
        return None
    return {each.node: each.budgets for each in newest.blocked}


def is_clock_trusted(
    said: Mapping[str, node_upgrade.NodeReport], rollout: ledger.Rollout, now: int
) -> bool:
    """Return whether this machine's clock agrees with what others wrote before."""
    latest = max((each.cluster.at for each in said.values() if each.cluster), default=0)
    return now >= rollout.accepted_at and now >= latest - CLOCK_SLACK_S
