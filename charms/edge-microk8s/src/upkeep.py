"""Keep this node, and through the steward the cluster, as the configuration asks for.

Everything here compares before it acts, so a hook with nothing to do starts no process. What
needs a restart is only noted; it happens in this node's turn.
"""

from __future__ import annotations

import pathlib
from collections.abc import Callable, Collection, Iterable, Sequence

import addon_catalogue
import addon_state
import addons
import backup
import certificates
import firewall
import footprint
import heartbeats
import microk8s
import node_args
import node_labels
import preflight
import registries
import worker_access
from cluster_view import ClusterView
from edgecloud import host as machines
from edgecloud.host import failures, files, kubectl, rejoin_offer, snap
from node_config import NodeConfig

STATE = f"{microk8s.STATE}/upkeep.json"
DPKG = "/usr/bin/dpkg"
CHECK_CERTIFICATES_S = 86400
LAUNCH_S = 600
"""How long MicroK8s may take to apply its launch configuration before that is a trouble."""


class NotFitError(Exception):
    """This machine lacks something; the message lists every remedy."""


def install(
    host: machines.Host,
    config: NodeConfig,
    failure_domain: node_args.Domain,
    *,
    archive: pathlib.Path | None,
) -> bool:
    """Install MicroK8s, the launch configuration first, if the machine is fit for it.

    Raises:
        NotFitError: it is not; nothing was touched.
        microk8s.MicroK8sError: the installation failed.
    """
    import snap_archive  # Needed once in a node's life; costs every hook if imported above.

    installed = microk8s.info(host) is not None
    facts = preflight.gather(host, installed=installed)
    findings = preflight.judge(facts, role=config.role, profile=config.profile)
    if findings and not installed:
        raise NotFitError("; ".join(map(str, findings)))
    profile = footprint.choose(config.profile, facts.memory_kb)
    launch = node_args.launch(config, profile, failure_domain)
    snaps = snap_archive.unpack(host, archive, arch=_arch(host)) if archive else []
    changed = microk8s.install(host, channel=config.full_channel, launch=launch, snaps=snaps)
    snap_archive.clear(host)
    if not config.is_worker:
        addons.adopt(host, _launched_with(config))
    return changed


def expect_images(host: machines.Host) -> None:
    """Note that another archive may have been attached, which only Juju can tell."""
    files.write_state(host, STATE, {**files.read_state(host, STATE), "archive": True})


def ensure_images(host: machines.Host, archive: Callable[[], pathlib.Path | None]) -> None:
    """Ensure that this node has the images of an archive that was attached to it since.

    Raises microk8s.MicroK8sError and snap_archive.ArchiveError.
    """
    known = files.read_state(host, STATE)
    if not known.get("archive"):
        return
    import snap_archive  # Needed when another archive comes.

    attached = archive()
    if attached is not None:
        snap_archive.bring_images(host, attached, arch=_arch(host))
    files.write_state(host, STATE, {k: v for k, v in known.items() if k != "archive"})


def ensure_files(
    host: machines.Host,
    config: NodeConfig,
    failure_domain: node_args.Domain,
    credentials: Collection[registries.Credential],
) -> bool:
    """Ensure the files that MicroK8s reads. Return whether this node has to restart for them."""
    profile = footprint.choose(config.profile, preflight.memory_kb(host))
    due = node_args.ensure(host, config, profile, failure_domain, credentials)
    node_args.ensure_journald(host, profile, config.datastore)
    if not config.is_worker and certificates.ensure_names(host, node_args.sans(config)):
        _forget_check(host)
    return bool(due)


def ensure_guards(host: machines.Host, config: NodeConfig, members: Iterable[str]) -> None:
    """Ensure what stands around the node: the packet filter, and the backups of a control plane.

    Raises backup.BackupError and firewall.FirewallError.
    """
    firewall.ensure(host, members)
    _ensure_held(host)
    if not config.is_worker:
        backup.ensure_schedule(
            host, config.backup_schedule, keep=config.backup_keep, datastore=config.datastore
        )
        _note_schedule(host, config.backup_schedule.strip())


def ensure_marks(
    host: machines.Host, config: NodeConfig, domain: str, view: ClusterView | None
) -> bool:
    """Ensure this node's labels and taints. Return whether anything changed."""
    node = view.node(microk8s.node_name(host)) if view else None
    if node is None:
        return False
    labels = {**config.labels, "topology.kubernetes.io/zone": domain}
    # A kubelet may label its own node, but not taint it.
    kubeconfig = worker_access.kubeconfig(host) or microk8s.kubeconfig(host)
    return node_labels.ensure(host, kubeconfig, node, labels=labels, taints=config.taints)


def wants_turn(host: machines.Host, config: NodeConfig, addresses: Sequence[str]) -> bool:
    """Return whether this node has to restart something, or to issue a certificate anew.

    Looks at the certificates of a control plane once a day.

    Raises certificates.CertificatesError.
    """
    if config.is_worker:
        return False
    known = files.read_state(host, STATE)
    if host.now() - float(known.get("checked", 0)) >= CHECK_CERTIFICATES_S:
        present = certificates.read(host)
        wanted = certificates.wanted_names(node_args.sans(config), addresses)
        tried, now = certificates.tried(host), host.now()
        decision = certificates.decide(present, wanted, tried=tried, now=now)
        known.update(
            checked=now,
            renew=list(decision.renew),
            warnings=list(certificates.warnings(present, now)),
        )
        files.write_state(host, STATE, known)
    return bool(known.get("renew")) or bool(node_args.pending(host))


def use_turn(host: machines.Host) -> None:
    """Restart and issue what is due, now that this node may.

    Raises microk8s.MicroK8sError and certificates.CertificatesError.
    """
    known = files.read_state(host, STATE)
    names = known.pop("renew", [])
    if names:
        files.write_state(host, STATE, known)
        certificates.renew(host, names)
    node_args.restart(host)


def ensure_cluster(host: machines.Host, config: NodeConfig, view: ClusterView) -> bool:
    """As the steward, make the next change that the whole cluster needs. Return if one was made.

    Raises addons.AddonsError and kubectl.KubectlError.
    """
    version = view.nodes[0].kubelet_version if view.nodes else ""
    if not version:
        return False
    track = addon_catalogue.track_of(version.lstrip("v"))
    arch = view.nodes[0].labels.get("kubernetes.io/arch", "arm64")
    if addons.ensure_next(host, wishes(config), arch=arch, track=track):
        return True
    return _ensure_dns_replicas(host, config, view)


def wishes(config: NodeConfig) -> tuple[addons.Wish, ...]:
    """Return the add-ons that the options ask for."""
    return addons.wanted(config.addons, rbac=config.rbac)


def waits_until(host: machines.Host) -> float | None:
    """Return when an add-on that failed is to be tried again; None if nothing waits."""
    failed = addon_state.load(host).failures
    return min((failure.not_before for failure in failed), default=None)


def missing_addons(host: machines.Host, config: NodeConfig, *, steward: bool) -> tuple[str, ...]:
    """Return why add-ons in the list cannot come, where the operator wants to be stopped by it."""
    if not (config.strict_addons and steward):
        return ()
    return tuple(f"addons: {text}" for text in addon_state.load(host).missing)


def notes(host: machines.Host, config: NodeConfig, *, steward: bool) -> tuple[str, ...]:
    """Return what the operator should know of add-ons, certificates and backups."""
    found = list(addon_state.load(host).notes) if steward else []
    found += files.read_state(host, STATE).get("warnings", [])
    if not config.is_worker:
        since = float(files.read_state(host, STATE).get("scheduled", {}).get("since", host.now()))
        late = backup.warning(backup.last(host), config.backup_schedule, host.now(), since=since)
        found += [late] if late else []
    return tuple(found)


def remove(host: machines.Host) -> None:
    """Take back everything that the charm put on this machine, MicroK8s included."""
    rejoin_offer.write(host, rejoin_offer.Offer())
    backup.remove_schedule(host)
    firewall.remove(host)
    host.remove(heartbeats.STATE)
    microk8s.purge(host)
    node_args.remove_journald(host)
    node_args.forget_birth(host)
    for path in host.glob(f"{microk8s.STATE}/*"):
        if host.path(path).is_file():
            host.remove(path)


def _ensure_dns_replicas(host: machines.Host, config: NodeConfig, view: ClusterView) -> bool:
    """Ensure as many replicas of the cluster's DNS as its nodes are worth."""
    if not any(wish.name == "dns" for wish in wishes(config)):
        return False
    wanted = 1
    if len(view.nodes) > 1:
        profile = footprint.choose(config.profile, preflight.memory_kb(host))
        wanted = footprint.dns_replicas(profile, len(view.nodes))
    known = files.read_state(host, STATE)
    if known.get("dns", 1) == wanted:
        return False
    kubectl.run(
        host,
        microk8s.kubeconfig(host),
        *("scale", "deployment/coredns", "--namespace=kube-system", f"--replicas={wanted}"),
    )
    files.write_state(host, STATE, {**known, "dns": wanted})
    return True


def note_launch(host: machines.Host) -> None:
    """Remember since when MicroK8s has been applying its launch configuration."""
    known = files.read_state(host, STATE)
    if microk8s.is_launched(host):
        if known.pop("launching", None) is not None:
            files.write_state(host, STATE, known)
    elif "launching" not in known:
        files.write_state(host, STATE, {**known, "launching": host.now()})


def launch_problem(host: machines.Host) -> str:
    """Return what to say of a launch configuration that was not applied in time, or nothing.

    MicroK8s reads it again every five seconds for as long as it fails, and tells only its log.
    """
    since = files.read_state(host, STATE).get("launching")
    if since is None or host.now() - float(since) < LAUNCH_S:
        return ""
    minutes = round((host.now() - float(since)) / 60)
    return (
        f"MicroK8s has not applied its launch configuration for {minutes} minutes: see"
        " 'snap logs microk8s.daemon-cluster-agent' on this machine"
    )


def accept_channel(host: machines.Host, channel: str) -> None:
    """Remember a channel that was right when it was set."""
    known = files.read_state(host, STATE)
    if known.get("channel") != channel:
        files.write_state(host, STATE, {**known, "channel": channel})


def accepted_channel(host: machines.Host) -> str:
    """Return the channel that was right when it was set; empty if there was none."""
    return str(files.read_state(host, STATE).get("channel", ""))


def forget_checks(host: machines.Host) -> None:
    """Have all that is looked at once a day looked at again: somebody else is at work here."""
    known = files.read_state(host, STATE)
    kept = {key: value for key, value in known.items() if key not in ("checked", "held")}
    if kept != known:
        files.write_state(host, STATE, kept)


def _note_schedule(host: machines.Host, schedule: str) -> None:
    """Remember since when backups are taken by this schedule."""
    known = files.read_state(host, STATE)
    if known.get("scheduled", {}).get("as") != schedule:
        scheduled = {"as": schedule, "since": host.now()}
        files.write_state(host, STATE, {**known, "scheduled": scheduled})


def _ensure_held(host: machines.Host) -> None:
    """Keep the snap held. An old snapd puts refreshes off for some weeks only, so look daily."""
    known, revision = files.read_state(host, STATE), microk8s.revision(host)
    late = host.now() - float(known.get("held", 0)) >= CHECK_CERTIFICATES_S
    if late or known.get("revision") != revision:
        snap.hold(host, microk8s.SNAP)
        files.write_state(host, STATE, {**known, "held": host.now(), "revision": revision})


def _forget_check(host: machines.Host) -> None:
    """Have the certificates looked at again, as what they should hold has changed."""
    known = files.read_state(host, STATE)
    known.pop("checked", None)
    files.write_state(host, STATE, known)


def _launched_with(config: NodeConfig) -> tuple[addons.Wish, ...]:
    """Return the add-ons that the launch configuration enables."""
    return tuple(wish for wish in wishes(config) if wish.name in ("rbac", "dns"))


def _arch(host: machines.Host) -> str:
    """Return this machine's architecture, as snaps name it, before there is a node to ask.

    Raises microk8s.MicroK8sError.
    """
    try:
        return host.run((DPKG, "--print-architecture"), timeout_s=30).stdout.strip()
    except failures.FAILURES as e:
        raise microk8s.MicroK8sError(failures.explain(e, "dpkg --print-architecture")) from e
