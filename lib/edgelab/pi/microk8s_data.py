"""``microk8s dbctl``: a backup holds every object; a restore merges, if it finds any."""

from __future__ import annotations

import copy
import io
import json
import pathlib
import tarfile
import time

from edgelab.pi import cluster as clusters
from edgelab.pi import codec, datastore, paths, services
from edgelab.pi.process import Process


def dbctl(process: Process, words: list[str]) -> int:
    """Back the datastore up, or restore it."""
    plain = [word for word in words if word not in ("--debug", "-d")]
    if not plain or plain[0] not in ("backup", "restore"):
        process.fail("usage: microk8s dbctl [-h] [--debug] {restore,backup} ...", 2)
    machine = process.machine
    if not services.is_active(machine, "k8s-dqlite") or not paths.locked(machine, "ha-cluster"):
        process.quit("Please ensure the kubernetes apiserver is running and HA is enabled.", 10)
    try:
        datastore.leader_seen_by(machine)
    except datastore.NoLeader:
        process.hang()
    return (_backup if plain[0] == "backup" else _restore)(process, plain[1:])


def _backup(process: Process, words: list[str]) -> int:
    machine = process.machine
    found = datastore.cluster_of(machine)
    assert found is not None
    process.say("Backing up the datastore")
    process.take("backup")
    if machine.free_bytes() == 0:
        process.fail("tar: write error: No space left on device", 2)
    target = _named(words) or time.strftime("backup-%Y-%m-%d-%H-%M-%S", time.gmtime(machine.now()))
    name = target if target.endswith(".tar.gz") else f"{target}.tar.gz"
    folder = process.env.get("PWD", "/root")
    path = machine.path(name if name.startswith("/") else f"{folder}/{name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = pathlib.PurePosixPath(name).name.removesuffix(".tar.gz")
    with tarfile.open(path, "w:gz") as archive:
        for number, (key, value) in enumerate(_entries(found)):
            for suffix, text in (("key", key), ("data", value)):
                _put(archive, f"{stem}/{number}.{suffix}", text, machine.now())
    process.complain("time=now level=info msg=migration")
    process.say(f"The backup is: {name}")
    return 0


def _restore(process: Process, words: list[str]) -> int:
    """Put back what the archive holds under its own name; keys that are newer stay."""
    machine = process.machine
    name = words[0] if words else ""
    path = machine.path(
        name if name.startswith("/") else f"{process.env.get('PWD', '/root')}/{name}"
    )
    if not path.is_file():
        process.fail(f"Error: {name} does not exist", 1)
    found = datastore.cluster_of(machine)
    assert found is not None
    process.take("backup")
    stem = path.name.removesuffix(".tar.gz")
    count = 0
    try:
        with tarfile.open(path) as archive:
            held = {item.name: item for item in archive.getmembers()}
            while f"{stem}/{count}.key" in held:
                key = _get(archive, held[f"{stem}/{count}.key"])
                _merge(found, key, _get(archive, held[f"{stem}/{count}.data"]))
                count += 1
    except (tarfile.TarError, EOFError, OSError) as error:
        process.fail(f"tar: {error}", 2)
    process.complain(f"time=now level=info msg=completed entries={count}")
    found.next_version()
    process.world.touch()
    return 0


def _entries(cluster: clusters.Cluster) -> list[tuple[str, str]]:
    """Return every key and value of the database."""
    found = [
        (f"/registry/{plural}/{name}", json.dumps(item))
        for plural, items in sorted(cluster.objects.items())
        for name, item in sorted(items.items())
    ]
    nodes = [
        (f"/registry/minions/{name}", codec.dumps(node)) for name, node in cluster.nodes.items()
    ]
    return [*found, *nodes, ("/registry/microk8s/addons", json.dumps(cluster.addons))]


def _merge(cluster: clusters.Cluster, key: str, value: str) -> None:
    _, _, plural, name = key.split("/", 3)
    item = json.loads(value)
    if plural == "minions":
        cluster.nodes[name] = codec.decode(clusters.KubeNode, item)
    elif plural == "microk8s":
        cluster.addons.update(item)
    else:
        cluster.kind(plural)[name] = copy.deepcopy(item)


def _named(words: list[str]) -> str:
    for at, word in enumerate(words):
        if word in ("-o", "--output", "--fname"):
            return words[at + 1]
        if not word.startswith("-"):
            return word
    return ""


def _put(archive: tarfile.TarFile, name: str, text: str, moment: float) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mtime = len(text.encode()), moment
    archive.addfile(entry, io.BytesIO(text.encode()))


def _get(archive: tarfile.TarFile, entry: tarfile.TarInfo) -> str:
    opened = archive.extractfile(entry)
    return "" if opened is None else opened.read().decode()
