"""Add-ons: which are offered here, and what ``enable`` and ``disable`` do and answer."""

from __future__ import annotations

import typing
from typing import Any

from edgelab.pi import (
    addon_catalogue,
    datastore,
    files,
    kube_api,
    kube_seed,
    paths,
    services,
    store,
)
from edgelab.pi.addon_catalogue import Addon
from edgelab.pi.process import Process

if typing.TYPE_CHECKING:
    from edgelab.pi import cluster as clusters
    from edgelab.pi import machine as machines

REPOSITORIES = f"{paths.COMMON}/addons"
_SOURCES = {
    "core": "https://github.com/canonical/microk8s-core-addons",
    "community": "https://github.com/canonical/microk8s-community-addons",
}


def ship(machine: machines.Machine, revision: str, version: str) -> None:
    """Put the add-ons of a revision into its snap."""
    for name in _SOURCES:
        text = _listing(name, store.minor_of(version))
        files.write(machine, f"/snap/microk8s/{revision}/addons/{name}/addons.yaml", text)


def clone_core(machine: machines.Machine, version: str) -> None:
    """Clone the core repository, once: no refresh of the snap brings a newer one."""
    add_repository(machine, "core", store.minor_of(version))


def add_repository(machine: machines.Machine, name: str, minor: int) -> None:
    """Put a repository beside the others."""
    folder = f"{REPOSITORIES}/{name}"
    files.write(machine, f"{folder}/addons.yaml", _listing(name, minor))
    files.write(machine, f"{folder}/.revision", f"{minor}\n")


def add_repositories(machine: machines.Machine, wanted: list[dict[str, Any]]) -> None:
    """Add the repositories that a launch configuration names."""
    for entry in wanted:
        add_repository(machine, str(entry.get("name")), minor_of(machine))


def minor_of(machine: machines.Machine) -> int:
    """Return the Kubernetes minor of the machine's snap."""
    snap = machine.snaps.get("microk8s")
    return store.minor_of(snap.version) if snap is not None else 0


def offered(machine: machines.Machine) -> list[Addon]:
    """Return the add-ons of the cloned repositories, for this architecture."""
    found: list[Addon] = []
    for name in repositories(machine):
        minor = int(files.read(machine, f"{REPOSITORIES}/{name}/.revision").strip() or 0)
        found += [
            item
            for item in addon_catalogue.ALL
            if item.repository == name and item.offered(minor, machine.arch)
        ]
    return found


def repositories(machine: machines.Machine) -> list[str]:
    """Return the repositories that the machine has."""
    folder = machine.path(REPOSITORIES)
    return sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []


def switch(process: Process, verb: str, words: list[str]) -> int:
    """Enable or disable one or more add-ons, and return the exit code."""
    machine = process.machine
    names = [word for word in words if not word.startswith("-")]
    several = len(names) > 1 and all(_find(machine, _split(word)[0]) for word in names)
    if several:
        process.complain("WARNING: Do not enable or disable multiple addons in one command.")
        code = 0
        for name in names:
            code = _switch_one(process, verb, name, []) or code
        return code
    return _switch_one(process, verb, words[0], words[1:])


def _switch_one(process: Process, verb: str, word: str, arguments: list[str]) -> int:
    name, inline = _split(word)
    prefix, slash, plain = name.rpartition("/")
    machine = process.machine
    addon = _find(machine, name)
    if addon is None and slash:
        process.say(f"Addon {name} not found")  # and the exit code says that all is well
        return 0
    if addon is None:
        process.complain(f"Addon {plain} was not found in any repository")
        if plain in addon_catalogue.BY_NAME and "community" not in repositories(machine):
            process.complain(
                "To use the community maintained flavor enable the respective repository:\n\n"
                "    microk8s enable community\n"
            )
        return 1
    if not prefix:
        process.complain(f"Infer repository {addon.repository} for addon {addon.name}")
    cluster = _await_api(process)
    enabled = cluster is not None and addon.name in cluster.addons
    if enabled == (verb == "enable"):
        process.say(f"Addon {addon.repository}/{addon.name} is already {verb}d")
        return 0
    if cluster is None:
        process.complain("The connection to the server 127.0.0.1:16443 was refused")
        return 1
    act = _enable if verb == "enable" else _disable
    return act(process, cluster, addon, [*inline, *arguments])


def _enable(
    process: Process, cluster: clusters.Cluster, addon: Addon, arguments: list[str]
) -> int:
    minor = minor_of(process.machine)
    if addon.needs_argument and not arguments:
        process.say("Enter each IP address range delimited by comma:")
        if not process.stdin:
            return 1
        arguments = [process.stdin.strip()]
    process.take("addon")
    if addon.is_online(minor) and not process.machine.uplink:
        process.complain("Error: failed to download: Temporary failure in name resolution")
        return 1
    if addon.name == "registry" and "hostpath-storage" not in cluster.addons:
        _enable(process, cluster, addon_catalogue.BY_NAME["hostpath-storage"], [])
    if addon.name == "community":
        add_repository(process.machine, "community", minor)
    cluster.addons[addon.name] = arguments
    kube_seed.plant_addon(process.world, cluster, addon)
    _reconfigure(process, cluster, addon.name, enabled=True, arguments=arguments)
    process.say(f"{addon.name} is enabled")
    return 0


def _disable(
    process: Process, cluster: clusters.Cluster, addon: Addon, arguments: list[str]
) -> int:
    if addon.name == "hostpath-storage" and "destroy-storage" not in arguments:
        process.say("Remove PVC storage at /var/snap/microk8s/common/default-storage ? (Y/N): ")
        if not process.stdin:
            return 1
    process.take("addon")
    del cluster.addons[addon.name]
    kube_seed.uproot_addon(cluster, addon)
    _reconfigure(process, cluster, addon.name, enabled=False, arguments=[])
    process.say(f"{addon.name} is disabled")
    return 0


def _reconfigure(
    process: Process,
    cluster: clusters.Cluster,
    name: str,
    *,
    enabled: bool,
    arguments: list[str],
) -> None:
    """Change the arguments of all nodes that can be reached, and restart what must be."""
    for machine in process.world.machines.values():
        if datastore.cluster_of(machine) is not cluster or not machine.powered:
            continue
        if not process.world.reaches(process.machine, machine):
            continue
        if _reconfigure_one(machine, name, enabled=enabled):
            services.restart(machine, "kubelite")


def _reconfigure_one(machine: machines.Machine, name: str, *, enabled: bool) -> bool:
    if name == "rbac" and not paths.is_worker(machine):
        mode = "RBAC,Node" if enabled else "AlwaysAllow"
        return paths.write_arg(machine, "kube-apiserver", "authorization-mode", mode)
    if name == "dns":
        changed = paths.write_arg(
            machine, "kubelet", "cluster-dns", "10.152.183.10" if enabled else None
        )
        domain = "cluster.local" if enabled else None
        return paths.write_arg(machine, "kubelet", "cluster-domain", domain) or changed
    return False


def _await_api(process: Process) -> clusters.Cluster | None:
    """Wait up to 30 s for the API, then go on regardless."""
    for _ in range(15):
        found = kube_api.at(process.machine)
        if not isinstance(found, str):
            return found
        process.take("status-poll")
    return None


def _split(word: str) -> tuple[str, list[str]]:
    """Split the old style ``name:argument:argument``."""
    name, *arguments = word.split(":")
    return name, arguments


def _find(machine: machines.Machine, name: str) -> Addon | None:
    repository, _, plain = name.rpartition("/")
    plain = addon_catalogue.ALIASES.get(plain, plain)
    for addon in offered(machine):
        if addon.name == plain and repository in ("", addon.repository):
            return addon
    return None


def _listing(repository: str, minor: int) -> str:
    lines = ["microk8s-addons:", f'  description: "{repository} addons"', "  addons:"]
    for addon in addon_catalogue.ALL:
        if addon.repository == repository and addon.first <= minor <= addon.last:
            lines += [
                f'    - name: "{addon.name}"',
                f'      description: "{addon.description}"',
                f'      version: "{addon.version}"',
                f'      check_status: "{addon.workload or addon.name}"',
                "      supported_architectures:",
                *(f"        - {arch}" for arch in addon.architectures),
            ]
    return "\n".join(lines) + "\n"
