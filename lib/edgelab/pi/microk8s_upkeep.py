"""``microk8s`` start, stop, reset, addons, images, ctr and helm."""

from __future__ import annotations

import json

from edgelab.pi import addons, datastore, files, kube_api, kube_seed, paths, services
from edgelab.pi.process import Process


def start(process: Process, words: list[str]) -> int:
    """Start all services; waits a minute for a ready node, and is content either way."""
    machine = process.machine
    if paths.locked(machine, "low-memory-guard.lock"):
        if "--disable-low-memory-guard" not in words:
            process.quit("This node does not have enough RAM to host the control plane services")
        paths.unlock(machine, "low-memory-guard.lock")
    assert machine.node is not None
    for service in machine.node.services.values():
        service.enabled = True
    paths.unlock(machine, "stopped.lock")
    services.start_all(machine)
    process.take("start")
    process.say("Started.")
    return 0


def stop(process: Process, words: list[str]) -> int:
    """Stop and disable all services, which outlives a reboot, and kill the containers."""
    machine = process.machine
    assert machine.node is not None
    services.stop_all(machine)
    for service in machine.node.services.values():
        service.enabled = False
    paths.lock(machine, "stopped.lock")
    process.take("stop")
    process.say("Stopped.")
    return 0


def reset(process: Process, words: list[str]) -> int:
    """Make a lone node as good as new; on a cluster, say a sentence and do nothing."""
    machine = process.machine
    found = kube_api.at(machine)
    if isinstance(found, str):
        process.fail("Unable to connect to the server")
    if len(found.nodes) > 1:
        process.quit(
            "This node is part of a multi-node cluster. Please, run 'microk8s leave' first", 0
        )
    for kind in ("deployments", "pods", "secrets", "configmaps", "namespaces"):
        found.kind(kind).clear()
    found.addons.clear()
    kube_seed.plant(machine, found)
    process.take("stop")
    return 0


def addons_command(process: Process, words: list[str]) -> int:
    """List, add, update and remove repositories of add-ons."""
    if words[:1] != ["repo"] or len(words) < 2:
        process.fail("Error: No such command.", 2)
    verb, names = words[1], [word for word in words[2:] if not word.startswith("-")]
    machine = process.machine
    if verb == "list":
        _list_repositories(process, words[2:])
    elif verb in ("add", "update"):
        if verb == "update" and names[0] not in addons.repositories(machine):
            process.fail(f"Error: repository '{names[0]}' does not exist")
        if not machine.uplink and names[0] != "core":
            process.fail("fatal: unable to access: Could not resolve host", 128)
        addons.add_repository(machine, names[0], addons.minor_of(machine))
    elif verb == "remove":
        files.remove(machine, f"{addons.REPOSITORIES}/{names[0]}/addons.yaml")
        files.remove(machine, f"{addons.REPOSITORIES}/{names[0]}/.revision")
        machine.path(f"{addons.REPOSITORIES}/{names[0]}").rmdir()
    else:
        process.fail(f"Error: No such command '{verb}'.", 2)
    return 0


def _list_repositories(process: Process, options: list[str]) -> None:
    rows = [
        {
            "name": name,
            "addons": sum(item.repository == name for item in addons.offered(process.machine)),
            "source": f"https://github.com/canonical/microk8s-{name}-addons@abc123",
            "description": "",
        }
        for name in addons.repositories(process.machine)
    ]
    if "json" in " ".join(options):
        process.say(json.dumps(rows))
        return
    for row in rows:
        process.say(f"{row['name']}  {row['addons']}  {row['source']}")


def ctr(process: Process, words: list[str]) -> int:
    """Talk to containerd; images that were imported are kept in a list."""
    machine = process.machine
    if not services.is_active(machine, "containerd"):
        process.fail("ctr: failed to dial containerd.sock: connection refused")
    shelf = f"{paths.COMMON}/var/lib/containerd/images"
    if "import" in words:
        text = files.read(machine, words[-1])
        if not text and words[-1] != "-":
            process.fail(f"ctr: open {words[-1]}: no such file or directory")
        files.append(machine, shelf, words[-1])
    elif words[-1:] == ["ls"] or "list" in words:
        process.put("REF TYPE DIGEST SIZE PLATFORMS LABELS\n" + files.read(machine, shelf))
    return 0


def images(process: Process, words: list[str]) -> int:
    """Import images on all nodes. A node that fails is only printed; the exit code is 0."""
    machine = process.machine
    if words[:1] != ["import"]:
        return 0
    if paths.is_worker(machine):
        process.fail("Traceback (most recent call last):\njson.decoder.JSONDecodeError")
    found = kube_api.at(machine)
    if isinstance(found, str):
        process.take("addon-wait")
        process.fail("Could not query for nodes")
    name = words[1] if len(words) > 1 else "-"
    for node in found.nodes.values():
        other = machine.world.machines.get(node.machine)
        if other is None or not machine.world.reaches(machine, other):
            process.say(f"Failed to import image on {node.address}")
            continue
        files.append(other, f"{paths.COMMON}/var/lib/containerd/images", name)
    return 0


def helm(process: Process, words: list[str]) -> int:
    """Answer as a helm without releases."""
    if datastore.cluster_of(process.machine) is None:
        process.fail("Error: Kubernetes cluster unreachable")
    process.say("NAME\tNAMESPACE\tREVISION\tUPDATED\tSTATUS\tCHART\tAPP VERSION")
    return 0
