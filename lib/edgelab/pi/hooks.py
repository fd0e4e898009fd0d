"""The MicroK8s snap's own hooks, and what snapd does to its data around them."""

from __future__ import annotations

import copy
import shutil
import typing

from edgelab.pi import (
    addons,
    certificates,
    cluster,
    codec,
    datastore,
    defaults,
    durations,
    files,
    kube_pods,
    kube_seed,
    launcher,
    paths,
    services,
    state,
    store,
)

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

_SEEDS = (
    "/etc/microk8s.yaml",
    "/root/snap/microk8s/common/.microk8s.yaml",
    f"{paths.COMMON}/.microk8s.yaml",
)
_GUARD_KB = 524288


class HookFailed(Exception):  # noqa: N818 - it is what snapd calls it
    """A hook exited with an error; the text is what snapd reports."""


def install(machine: machines.Machine, revision: str, version: str) -> None:
    """Set a node up: data, arguments, certificates, a cluster of one, the launch configuration."""
    if machine.container_of is not None and not files.exists(machine, "/dev/kmsg"):
        raise HookFailed(_failed("install", "/dev/kmsg does not exist"))
    machine.node = state.Node(services={name: state.Service() for name in services.DAEMONS})
    _lay_out_snap(machine, revision, version)
    defaults.write_data(machine, version)
    _lock_all(machine)
    found = datastore.found(machine)
    certificates.make_authority(machine, found)
    defaults.write_credentials(machine, found)
    files.write(machine, f"{paths.CERTS}/csr.conf.template", certificates.TEMPLATE, 0o660)
    certificates.issue_all(machine)
    _read_launch_configuration(machine)
    kube_seed.plant(machine, found)
    configure(machine, version, first=True)
    services.start_all(machine, durations.NODE_READY_AFTER_INSTALL)


def configure(
    machine: machines.Machine, version: str, config: str | None = None, *, first: bool = False
) -> None:
    """Run the configure hook, as install, refresh and every ``snap set`` do."""
    if config is not None:
        applied = files.read(machine, f"{paths.LAUNCHER}/snap-set.yaml.applied")
        if applied != config:
            files.write(machine, f"{paths.LAUNCHER}/snap-set.yaml", config)
    if not files.exists(machine, f"{paths.COMMON}/addons/core"):
        addons.clone_core(machine, version)
    if first:
        return
    if paths.is_worker(machine):
        services.restart(machine, "apiserver-proxy")
        return
    paths.lock(machine, "snapdata-mounts-need-reload")
    if store.minor_of(version) >= 34:
        services.restart(machine, "kubelite")
    kube_pods.restart_calico(machine)


def refresh(
    machine: machines.Machine, before: str, after: str, version: str, *, fails: bool
) -> None:
    """Move to another revision: stop, copy the data, start. An undo drops the new data."""
    node = _node(machine)
    services.stop_all(machine)
    node.saved[before] = _identity(machine)
    _copy_data(machine, before, after)
    _lay_out_snap(machine, after, version)
    node.sick = _sickness(machine, after)
    services.start_all(machine)
    if fails:
        services.stop_all(machine)
        _note_regression(machine)
        _lay_out_snap(machine, before, "")
        shutil.rmtree(paths.data_folder(machine, after))
        node.sick = _sickness(machine, before)
        services.start_all(machine)
        raise HookFailed(_failed("configure", "exit status 1"))
    node.refreshed_at = machine.world.clock.now()
    configure(machine, version)


def revert(machine: machines.Machine, before: str, after: str, version: str) -> None:
    """Go back to another revision and to its data as they were when it was left."""
    node = _node(machine)
    services.stop_all(machine)
    left = _identity(machine)
    _lay_out_snap(machine, after, version)
    node.sick = _sickness(machine, after)
    saved = node.saved.get(after, left)
    node.saved[before] = left
    _take_up(machine, saved)
    services.start_all(machine)


def remove(machine: machines.Machine) -> None:
    """Remove the node's data. Its cluster is not asked, and remembers the node as a ghost."""
    services.stop_all(machine)
    node = machine.node
    machine.node = None
    for folder in ("/var/snap/microk8s", "/snap/microk8s"):
        shutil.rmtree(machine.path(folder), ignore_errors=True)
    files.remove(machine, "/snap/bin/microk8s")
    if node is not None:
        datastore.forget_lone(machine.world, node.cluster)
    machine.world.touch()


def keep_snapshot(machine: machines.Machine) -> None:
    """Keep what ``snap remove`` without ``--purge`` keeps: a copy of the data, keys and all."""
    text = files.read(machine, f"{paths.CERTS}/ca.key")
    files.write(machine, "/var/lib/snapd/snapshots/1_microk8s.zip", text, 0o600)


def drop_revision(machine: machines.Machine, revision: str) -> None:
    """Forget an old revision and its data."""
    shutil.rmtree(paths.data_folder(machine, revision), ignore_errors=True)
    _node(machine).saved.pop(revision, None)


def data_size(machine: machines.Machine) -> int:
    """Return the bytes that a refresh copies."""
    folder = machine.path(paths.DATA).resolve()
    return 50 * 1000**2 + sum(item.stat().st_size for item in folder.rglob("*") if item.is_file())


def _lay_out_snap(machine: machines.Machine, revision: str, version: str) -> None:
    machine.path(f"/var/snap/microk8s/{revision}").mkdir(parents=True, exist_ok=True)
    paths.point_current(machine, revision)
    for program in ("kubectl", "bin/dqlite"):
        files.write(machine, f"/snap/microk8s/{revision}/{program}", "", 0o755)
    if version:
        addons.ship(machine, revision, version)
        facts = f"name: microk8s\nversion: {version}\nconfinement: classic\n"
        files.write(machine, f"/snap/microk8s/{revision}/meta/snap.yaml", facts)
    files.write(machine, "/snap/bin/microk8s", "", 0o755)


def _lock_all(machine: machines.Machine) -> None:
    names = ["ha-cluster", "lite.lock", "installed.lock", "no-etcd", "no-flanneld"]
    names += ["no-apiserver-proxy", "no-traefik", "cni-loaded"]
    if machine.mem_kb <= _GUARD_KB:
        names.append("low-memory-guard.lock")
    for name in names:
        paths.lock(machine, name)


def _read_launch_configuration(machine: machines.Machine) -> None:
    """Take the first launch configuration there is; it replaces the default."""
    texts = (files.read(machine, path) for path in _SEEDS)
    text = next((text for text in texts if text), launcher.DEFAULT)
    files.write(machine, f"{paths.LAUNCHER}/install.yaml", text, 0o600)
    try:
        launcher.before_start(machine, text)
    except launcher.Refused as error:
        raise HookFailed(_failed("install", str(error))) from error
    _node(machine).launcher_due = machine.world.clock.now() + durations.LAUNCHER_EVERY


def _copy_data(machine: machines.Machine, before: str, after: str) -> None:
    if before == after:
        return
    target = paths.data_folder(machine, after)
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(paths.data_folder(machine, before), target, symlinks=True)


def _identity(machine: machines.Machine) -> state.Identity:
    node = _node(machine)
    found = datastore.cluster_of(machine)
    alone = found is not None and len(found.voters()) == 1 and node.member == found.voters()[0].id
    content = codec.encode(found.content()) if found is not None and alone else None
    return state.Identity(node.cluster, node.member, copy.deepcopy(content))


def _take_up(machine: machines.Machine, saved: state.Identity) -> None:
    """Be the member again that the old data say, with the database as it was then."""
    node = _node(machine)
    node.cluster, node.member = saved.cluster, saved.member
    found = machine.world.clusters.get(saved.cluster)
    if found is None:
        found = datastore.revive(machine, saved.cluster, saved.member)
    _note_regression(machine)
    if saved.content is not None and len(found.voters()) == 1:
        found.objects = copy.deepcopy(saved.content["objects"])
        found.addons = copy.deepcopy(saved.content["addons"])
        found.nodes = codec.decode(dict[str, cluster.KubeNode], saved.content["nodes"])


def _note_regression(machine: machines.Machine) -> None:
    """Note that a member's data went back, which raft does not expect of a member."""
    found = datastore.cluster_of(machine)
    if found is not None and datastore.own_member(machine) is not None:
        found.regressions.append(f"{machine.id}@{machine.world.clock.now():.0f}")


def _sickness(machine: machines.Machine, revision: str) -> str:
    bad = machine.world.bad_revisions
    found = bad.get(f"{machine.id}/{revision}", bad.get(revision, ""))
    return "" if found in ("fails", "hangs") else found


def _failed(hook: str, why: str) -> str:
    return (
        "cannot perform the following tasks:\n"
        f'- Run {hook} hook of "microk8s" snap (run hook "{hook}": {why})'
    )


def _node(machine: machines.Machine) -> state.Node:
    assert machine.node is not None
    return machine.node
