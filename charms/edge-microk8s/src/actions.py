"""What an operator can ask of a node: each action is a function that returns its results."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import access
import addon_state
import backup
import certificates
import cluster_view
import membership
import microk8s
import node_args
import node_status
import preflight
import quorum
import recovery
from edgecloud import host as machines
from edgecloud.host import failures, kubectl
from edgecloud.interfaces import cluster_join
from node_config import NodeConfig

Results = dict[str, str]


class ActionError(failures.WorkloadError):
    """The action was refused or failed; the message says why and what to do."""


@dataclasses.dataclass(frozen=True)
class Context:
    """What the actions act on."""

    host: machines.Host
    config: NodeConfig | None
    """The options; None while they are wrong: what needs none of them goes on then."""
    params: Mapping[str, Any]
    role: str
    address: str
    record: cluster_join.ClusterRecord
    blockers: Sequence[str] = ()
    """What the operator has to set differently."""

    @property
    def options(self) -> NodeConfig:
        """The options, for an action that cannot do without. Raises :class:`ActionError`."""
        if self.config is None:
            raise ActionError("; ".join(self.blockers))
        return self.config

    @property
    def node(self) -> str:
        """This machine's node."""
        return microk8s.node_name(self.host)

    @property
    def meant(self) -> str:
        """The node that the operator named, or else this machine's."""
        return str(self.params.get("node") or self.node)

    @property
    def kubeconfig(self) -> str:
        """Path of this node's credentials."""
        return microk8s.kubeconfig(self.host)


def _backup(context: Context) -> Results:
    _need_control_plane(context)
    options = context.options
    return backup.take(context.host, keep=options.backup_keep, datastore=options.datastore)


def _list_backups(context: Context) -> Results:
    return backup.listing(context.host, datastore=context.options.datastore)


def _restore(context: Context) -> Results:
    _need_control_plane(context)
    return backup.restore(
        context.host,
        str(context.params["backup"]),
        datastore=context.options.datastore,
        dry_run=bool(context.params["dry-run"]),
    )


def _restore_quorum(context: Context) -> Results:
    _need_control_plane(context)
    names = ("survivors", "archive", "confirm")
    options = {name: str(context.params[name]) for name in names}
    return recovery.take(context.host, str(context.params["step"]), **options)


def _get_kubeconfig(context: Context) -> Results:
    _need_control_plane(context)
    if context.params["admin"]:
        return access.admin_kubeconfig(context.host, address=context.address)
    grant = access.Grant(
        str(context.params["scope"]),
        str(context.params["namespace"]),
        int(context.params["hours"]),
    )
    return access.kubeconfig(context.host, grant, address=context.address)


def _drain(context: Context) -> Results:
    _need_control_plane(context)
    timeout_s = int(context.params["timeout"])
    kubectl.drain(context.host, context.kubeconfig, context.meant, timeout_s)
    return {"node": context.meant, "result": "drained; it stays cordoned until uncordon"}


def _uncordon(context: Context) -> Results:
    _need_control_plane(context)
    kubectl.uncordon(context.host, context.kubeconfig, context.meant)
    return {"node": context.meant, "result": "pods can be scheduled on it again"}


def _preflight(context: Context) -> Results:
    installed = microk8s.info(context.host) is not None
    facts = preflight.gather(context.host, installed=installed)
    profile = context.config.profile if context.config else "auto"
    findings = preflight.judge(facts, role=context.role, profile=profile)
    count = len(findings) + len(context.blockers)
    result = f"{count} to mend" if count else "this machine is fit"
    options = [f"FAIL  option: {blocker}" for blocker in context.blockers]
    return {"result": result, "report": "\n".join([*options, preflight.report(findings)])}


def _refresh_certificates(context: Context) -> Results:
    _need_control_plane(context)
    wanted = certificates.wanted_names(node_args.sans(context.options), [context.address])
    force = bool(context.params["force"])
    return certificates.refresh(context.host, wanted, force=force)


def _remove_stale_node(context: Context) -> Results:
    """Remove a node without a machine, if nobody is harmed by it."""
    _need_control_plane(context)
    view = cluster_view.look(context.host, live=True)
    name, address = _find_stale(view, str(context.params["node"]))
    reason = _reason_to_keep(context, view, name, address)
    if reason:
        raise ActionError(reason)
    what = f"{name or 'no node'} ({address or 'no datastore member'})"
    if context.params["dry-run"]:
        return {"result": f"would remove {what}; run again with dry-run=false"}
    microk8s.remove_node(context.host, name=name, address=address)
    return {"result": f"removed {what}"}


def _restart_kubelite(context: Context) -> Results:
    """Restart what may hold a wrong belief of a node, on this machine only."""
    _need_microk8s(context)
    reason = "" if context.params["force"] else _reason_not_to_restart(context)
    if reason:
        raise ActionError(f"{reason}: mend that first, or give force=true")
    microk8s.restart(context.host, ["kubelite"])
    result = "kubelite restarted; wait a minute before the next unit, its API is away until then"
    return {"node": context.node, "result": result}


def _reason_not_to_restart(context: Context) -> str:
    """Return who is away already, but for those because of whom one restarts."""
    try:
        view = cluster_view.look(context.host)
    except (kubectl.KubectlError, microk8s.MicroK8sError) as e:
        return f"the cluster does not answer ({e})"
    expected = {context.node, *view.remarks}
    away = [n.name for n in view.nodes if n.name not in expected and not view.is_ready(n.name)]
    return f"{', '.join(away)} not ready" if away else ""


def _find_stale(view: cluster_view.ClusterView, wanted: str) -> tuple[str, str]:
    """Return the name and the address of what is to be removed, empty where there is none."""
    node = view.node(wanted)
    if node is not None:
        return node.name, next(iter(node.addresses), "")
    if view.member(wanted) is None:
        raise ActionError(f"neither Kubernetes nor the datastore knows {wanted}")
    owner = [other.name for other in view.nodes if wanted in other.addresses]
    return (owner[0] if owner else ""), wanted


def _reason_to_keep(
    context: Context, view: cluster_view.ClusterView, name: str, address: str
) -> str:
    for member in context.record.members:
        if member.state != membership.LEAVING and name == member.node:
            return f"{name} belongs to {member.unit}: use 'juju remove-unit {member.unit}'"
    if name and view.is_ready(name):
        return f"{name} is ready: it is not stale"
    if not quorum.survives_without(view.members, address):
        return f"removing {address} would cost the datastore its majority: see restore-quorum"
    return ""


def _cluster_status(context: Context) -> Results:
    """Show everything that this machine knows of the cluster, also when the cluster is down."""
    _need_microk8s(context)
    try:
        view = cluster_view.look(context.host)
        found = _describe(context, view)
    except (kubectl.KubectlError, microk8s.MicroK8sError) as e:
        found = _describe(context, cluster_view.remembered(context.host))
        found["summary"] = f"the cluster does not answer: {e}"
    if context.params["format"] == "json":
        return {"status": json.dumps(found, sort_keys=True)}
    lines = [f"cluster   {found['cluster']}", f"summary   {found['summary']}", ""]
    for node in found["nodes"]:
        cordoned = ", cordoned" if node["cordoned"] else ""
        lines.append(
            f"node      {node['name']:<16} {node['readiness']}{cordoned}, {node['version']}"
        )
    for member in found["members"]:
        alive = "answers" if member["alive"] else "does not answer"
        lines.append(f"member    {member['address']:<16} {member['role']}, {alive}")
    lines += [f"mind      {remark}" for remark in found["remarks"]]
    lines += [f"add-on    {name}" for name in found["addons"]]
    for name, days in found["certificates"].items():
        lines.append(f"cert      {name.removesuffix('.crt'):<16} {days} days left")
    lines.append(f"backup    {found['backup'] or 'none yet'}")
    return {"status": "\n".join(lines)}


def _describe(context: Context, view: cluster_view.ClusterView) -> dict[str, Any]:
    last = backup.last(context.host)
    enabled = addon_state.load(context.host).enabled
    if context.record.addons:
        enabled = addon_state.decode(context.record.addons).enabled
    return {
        "cluster": recovery.cluster_id(context.record.cluster or ""),
        "summary": node_status.summary(context.record, view),
        "steward": context.record.steward or "",
        "nodes": [
            {
                "name": node.name,
                "readiness": node.readiness.value,
                "cordoned": node.cordoned,
                "version": node.kubelet_version,
            }
            for node in view.nodes
        ],
        "members": [
            {"address": m.address, "role": m.role.name.lower(), "alive": m.alive}
            for m in view.members
        ],
        "remarks": list(view.remarks.values()),
        "addons": [wish.name for wish in enabled],
        "certificates": {
            name: certificate.days_left(context.host.now())
            for name, certificate in certificates.read(context.host).items()
        },
        "backup": str(last.get("name", "") or last.get("error", "")),
    }


def _need_microk8s(context: Context) -> None:
    if microk8s.authority(context.host) is None:
        raise ActionError(
            "MicroK8s is not installed here yet: the action preflight says what is missing"
        )


def _need_control_plane(context: Context) -> None:
    if context.role != cluster_join.CONTROL_PLANE:
        raise ActionError(
            f"{context.node} is a worker: run the action on a control plane, such as "
            "edge-microk8s/leader"
        )
    _need_microk8s(context)


ACTIONS: Mapping[str, Callable[[Context], Results]] = {
    "backup": _backup,
    "cluster-status": _cluster_status,
    "drain": _drain,
    "get-kubeconfig": _get_kubeconfig,
    "list-backups": _list_backups,
    "preflight": _preflight,
    "refresh-certificates": _refresh_certificates,
    "remove-stale-node": _remove_stale_node,
    "restart-kubelite": _restart_kubelite,
    "restore": _restore,
    "restore-quorum": _restore_quorum,
    "uncordon": _uncordon,
}
