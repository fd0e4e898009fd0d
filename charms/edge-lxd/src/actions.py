"""What an operator can ask of a member: each action is a function that returns its results."""

from __future__ import annotations

import dataclasses
import datetime
import json
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import backup
import cluster_setup
import lxd_status
import membership
import node_image
import old_disk
import preflight
import recovery
import second_storey
import upkeep
from edgecloud import host as machines
from edgecloud.host import failures
from edgecloud.interfaces import lxd_cluster
from edgecloud.lxd import (
    client,
    cluster,
    daemon,
    errors,
    images,
    instances,
    notices,
    snapshots,
    storage,
)
from edgecloud.lxd_member import evacuation
from view import View, connect

Results = dict[str, str]

EXPIRY_DAYS = 3
FULLEST = 0.9
"""A pool fuller than this takes no snapshot."""


class ActionError(failures.WorkloadError):
    """The action was refused or failed; the message says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Context:
    """What the actions act on."""

    host: machines.Host
    view: View | None
    params: Mapping[str, Any]
    record: lxd_cluster.ClusterRecord
    wish: Callable[[], cluster_setup.Wish]
    resource: Callable[[str], pathlib.Path | None]
    lost: Sequence[str]
    """Members of a cluster of which no unit is left."""
    give_up: Callable[[str], object]
    """Notes which cluster an operator gave up."""

    @property
    def lxd(self) -> client.Client:
        """A client of this machine's daemon."""
        found = connect(self.host)
        if found is None:
            raise ActionError("LXD does not answer on this machine")
        return found

    @property
    def seen(self) -> View:
        """The cluster; refused without one that answers."""
        if self.view is None or not self.view.clustered:
            raise ActionError("this machine is in no cluster yet")
        if not self.view.quorate:
            raise ActionError("the cluster has lost its majority: see recover-quorum")
        return self.view

    @property
    def member(self) -> str:
        """The member that the operator named, or else this machine's."""
        name = str(self.params.get("member") or self.seen.name)
        if self.seen.member(name) is None:
            known = ", ".join(one.name for one in self.seen.members)
            raise ActionError(f"there is no member {name}; there are {known}")
        return name


def _cluster_status(context: Context) -> Results:
    found = _describe(context)
    if context.params["format"] == "json":
        return {"status": json.dumps(found, sort_keys=True)}
    lines = [f"cluster   {found['cluster']}", f"summary   {found['summary']}", ""]
    for one in found["members"]:
        roles = ", ".join(one["roles"]) or "no role"
        lines.append(f"member    {one['name']:<16} {one['status']}, {roles}, {one['address']}")
    lines += [
        f"pool      {one['name']:<16} {one['driver']}, {one['fill']} full here"
        for one in found["pools"]
    ]
    lines += [f"away      {name:<16} belongs on {home}" for name, home in found["away"].items()]
    lines += [f"warning   {text}" for text in found["warnings"]]
    return {"status": "\n".join(lines)}


def _describe(context: Context) -> dict[str, Any]:
    lxd, view = context.lxd, context.seen
    away: dict[str, str] = {}
    for one in instances.of_all_projects(lxd):
        home = one.config.get("volatile.evacuate.origin")
        away.update({one.name: home} if home else {})
    return {
        "cluster": view.fingerprint[:12],
        "summary": lxd_status.summary(view),
        "steward": context.record.steward or "",
        "members": [
            {
                "name": one.name,
                "status": one.status.value.lower(),
                "roles": list(one.roles),
                "address": one.address,
                "message": one.message,
            }
            for one in view.members
        ],
        "pools": [
            {
                "name": pool.name,
                "driver": pool.driver,
                "fill": f"{storage.space(lxd, pool.name, view.name).fill:.0%}",
            }
            for pool in storage.every(lxd)
        ],
        "away": away,
        "warnings": [
            f"{one.member or 'cluster'}: {one.kind}: {one.message}" for one in notices.every(lxd)
        ],
    }


def _evacuate(context: Context) -> Results:
    view, name = context.seen, context.member
    others = [one.name for one in view.members if one.name != name]
    unwell = [o for o in others if view.member_status(o) is not cluster.Status.ONLINE]
    if unwell and not context.params["force"]:
        raise ActionError(
            f"{', '.join(unwell)} not in service: one member at a time, or give force=true"
        )
    done = evacuation.evacuate(context.lxd, name, mode=str(context.params["mode"]))
    result = "evacuated" if done else "was evacuated already"
    return {"member": name, "result": f"{result}; it stays so until restore"}


def _restore(context: Context) -> Results:
    name = context.member
    done = evacuation.restore(context.lxd, name)
    return {"member": name, "result": "in service again" if done else "was in service already"}


def _instance(context: Context) -> tuple[client.Client, instances.Instance]:
    """Return the instance that the operator named, and a client in its project."""
    name = str(context.params["instance"])
    lxd = context.lxd
    found = [one for one in instances.of_all_projects(lxd) if one.name == name]
    project = str(context.params["project"])
    found = [one for one in found if project in ("", one.project)]
    if len(found) != 1:
        raise ActionError(f"{len(found)} instances are called {name}: give instance and project")
    return lxd.in_project(found[0].project), found[0]


def _snapshot_node(context: Context) -> Results:
    lxd, instance = _instance(context)
    _check_pool(lxd, instance)
    name = str(context.params["snapshot"])
    moment = datetime.datetime.fromtimestamp(context.host.now(), datetime.timezone.utc)
    expires = moment + datetime.timedelta(days=EXPIRY_DAYS)
    made = snapshots.ensure(
        lxd, instance.name, name, expires_at=expires.strftime("%Y-%m-%dT%H:%M:%SZ")
    )
    result = f"taken; kept for {EXPIRY_DAYS} days" if made else "was there already"
    return {"instance": instance.name, "snapshot": name, "result": result}


def _check_pool(lxd: client.Client, instance: instances.Instance) -> None:
    devices = instance.expanded_devices.values()
    name = next((one.get("pool", "") for one in devices if one.get("path") == "/"), "")
    pool = storage.find(lxd, name) if name else None
    if pool is None:
        raise ActionError(f"{instance.name} has no disk of its own")
    if pool.freezes:
        raise ActionError(
            f"pool {name} is {pool.driver}, on which {instance.name} would stand still meanwhile:"
            " use btrfs"
        )
    if storage.space(lxd, name, instance.member).fill > FULLEST:
        raise ActionError(f"pool {name} is nearly full: free some of it first")


def _restore_node(context: Context) -> Results:
    lxd, instance = _instance(context)
    name = str(context.params["snapshot"])
    known = [one.name for one in snapshots.every(lxd, instance.name)]
    if name not in known:
        shown = ", ".join(known) or "none"
        raise ActionError(f"{instance.name} has no snapshot {name}; there is {shown}")
    snapshots.restore(lxd, instance.name, name)
    return {
        "instance": instance.name,
        "result": f"back at {name}; a MicroK8s node has to join its cluster anew",
    }


def _backup(context: Context) -> Results:
    at = daemon.find(context.host)
    if at is None:
        raise ActionError("LXD does not answer on this machine")
    return backup.take(context.host, at, context.lxd)


def _recover_quorum(context: Context) -> Results:
    confirm = str(context.params["confirm"])
    return recovery.quorum(context.host, context.view, context.record, confirm)


def _begin_anew(context: Context) -> Results:
    confirm = str(context.params["confirm"])
    return recovery.anew(context.view, context.record, context.lost, confirm, context.give_up)


def _recover_disk(context: Context) -> Results:
    return old_disk.recover(context.host, context.view, str(context.params["disk"]))


def _remove_member(context: Context) -> Results:
    view, name = context.seen, context.member
    for member in membership.joined(context.record):
        if member.name == name:
            raise ActionError(f"{name} belongs to {member.unit}: use 'juju remove-unit'")
    if view.is_online(name):
        raise ActionError(f"{name} answers: it is not lost")
    if not view.survives_without(name):
        raise ActionError(f"without {name} the cluster has no majority: see recover-quorum")
    if context.params["dry-run"]:
        held = [one.name for one in instances.of_all_projects(context.lxd) if one.member == name]
        shown = f", and with it {', '.join(held)}" if held else ""
        return {"result": f"would remove {name}{shown}; run again with dry-run=false"}
    cluster.remove(context.lxd, name, force=True)
    return {"result": f"removed {name}; wipe its machine before it starts again"}


def _get_cloud(context: Context) -> Results:
    return second_storey.offer(
        context.lxd,
        context.seen,
        context.wish(),
        name=str(context.params["name"]),
        project=str(context.params["project"]),
    )


def _import_image(context: Context) -> Results:
    metadata = context.resource("image-metadata")
    rootfs = context.resource("image-rootfs")
    if metadata is None:
        raise ActionError(
            "attach the image first, each file by a command of its own: juju attach-resource …"
            " image-metadata=…, and image-rootfs=…"
        )
    alias = str(context.params["alias"]) or node_image.default(
        upkeep.architecture(context.host), is_vm=False
    )
    fingerprint, new = images.ensure(context.lxd, metadata, rootfs)
    moved = images.ensure_alias(context.lxd, alias, fingerprint)
    result = "imported" if new else "was there already"
    return {
        "fingerprint": fingerprint,
        "alias": alias,
        "result": result + ("" if moved or new else ", and so was its alias"),
    }


def _preflight(context: Context) -> Results:
    facts = preflight.gather(context.host)
    if context.view is not None:
        facts = dataclasses.replace(facts, taken_ports=())  # They are LXD's own by now.
    findings = preflight.judge(facts)
    result = f"{len(findings)} to mend" if findings else "this machine is fit"
    return {"result": result, "report": "\n".join(map(str, findings))}


ACTIONS: Mapping[str, Callable[[Context], Results]] = {
    "backup": _backup,
    "begin-anew": _begin_anew,
    "cluster-status": _cluster_status,
    "evacuate": _evacuate,
    "get-cloud": _get_cloud,
    "import-image": _import_image,
    "preflight": _preflight,
    "recover-disk": _recover_disk,
    "recover-quorum": _recover_quorum,
    "remove-member": _remove_member,
    "restore": _restore,
    "restore-node": _restore_node,
    "snapshot-node": _snapshot_node,
}

EXPECTED = (failures.WorkloadError, errors.LxdError, cluster_setup.SetupError, OSError)
