"""Launch configurations: read at install, by ``init``, and from a folder every 5 s."""

from __future__ import annotations

import copy
import functools
import math
import re
import shlex
import typing
from typing import Any, cast

import yaml

from edgelab.pi import addons, durations, files, microk8s_join, paths, services
from edgelab.pi.process import Exit, Process

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

DEFAULT = """\
version: 0.1.0
addons:
  - name: dns
extraKubeletArgs:
  --cluster-domain: cluster.local
  --cluster-dns: 10.152.183.10
"""

Document = dict[str, Any]

_ARGUMENTS = {
    "extraKubeletArgs": ("kubelet", "kubelite"),
    "extraKubeAPIServerArgs": ("kube-apiserver", "kubelite"),
    "extraKubeProxyArgs": ("kube-proxy", "kubelite"),
    "extraKubeControllerManagerArgs": ("kube-controller-manager", "kubelite"),
    "extraKubeSchedulerArgs": ("kube-scheduler", "kubelite"),
    "extraContainerdArgs": ("containerd", "containerd"),
    "extraDqliteArgs": ("k8s-dqlite", "k8s-dqlite"),
    "extraMicroK8sClusterAgentArgs": ("cluster-agent", "cluster-agent"),
    "extraMicroK8sAPIServerProxyArgs": ("apiserver-proxy", "apiserver-proxy"),
    "extraEtcdArgs": ("etcd", "etcd"),
    "extraFlanneldArgs": ("flanneld", "flanneld"),
}
_ENVIRONMENTS = {
    "extraContainerdEnv": ("containerd-env", "containerd"),
    "extraDqliteEnv": ("k8s-dqlite-env", "k8s-dqlite"),
    "extraKubeliteEnv": ("kubelite-env", "kubelite"),
    "extraMicroK8sClusterAgentEnv": ("cluster-agent-env", "cluster-agent"),
    "extraMicroK8sAPIServerProxyEnv": ("apiserver-proxy-env", "apiserver-proxy"),
    "extraCNIEnv": ("cni-env", ""),
    "extraFIPSEnv": ("fips-env", ""),
    "extraEtcdEnv": ("etcd-env", "etcd"),
    "extraFlanneldEnv": ("flanneld-env", "flanneld"),
}
_VERSIONS = ("0.1.0", "0.2.0")


class Refused(Exception):  # noqa: N818 - the agent refuses a configuration
    """A launch configuration cannot be applied."""


def before_start(machine: machines.Machine, text: str) -> None:
    """Apply what must be in place before the services start, as the install hook does."""
    for document in parse(text):
        _write_files(machine, document)


def init(process: Process, text: str) -> int:
    """Apply a launch configuration at once, as ``cluster-agent init`` does."""
    try:
        _apply(process, parse(text))
    except Refused as error:
        process.fail(f"Error: failed to apply configuration: {error}")
    return 0


def background(world: worlds.World) -> float:
    """Let each agent read its folder; a file that fails is read again, for ever."""
    due = math.inf
    for machine in world.machines.values():
        if services.is_active(machine, "cluster-agent"):
            due = min(due, _scan(machine))
    return due


def parse(text: str) -> list[Document]:
    """Return the documents of a launch configuration. Raises :class:`Refused`."""
    try:
        found = copy.deepcopy(_read(text))
    except yaml.YAMLError as error:
        raise Refused(f"failed to parse config: {error}") from error
    documents: list[Document] = []
    for item in found:
        if not isinstance(item, dict):
            raise Refused("failed to parse config: not a mapping")
        document = cast("Document", item)
        version = str(document.get("version", ""))
        if re.fullmatch(r"\d+\.\d+\.\d+", version) is None or not _supported(version):
            raise Refused(f"unsupported configuration version {version!r}")
        documents.append(document)
    return documents


@functools.lru_cache(maxsize=64)
def _read(text: str) -> list[Any]:
    """Return what a text says. Every machine of a site reads much the same one, several times."""
    return [item for item in yaml.safe_load_all(text) if item]


def _supported(version: str) -> bool:
    low, high = (tuple(map(int, item.split("."))) for item in _VERSIONS)
    return low <= tuple(map(int, version.split("."))) <= high


def _mapping(document: Document, key: str) -> dict[str, Any]:
    return document.get(key) or {}


def _listing(document: Document, key: str) -> list[Any]:
    return document.get(key) or []


def _scan(machine: machines.Machine) -> float:
    node = machine.node
    assert node is not None
    now = machine.world.clock.now()
    names = sorted(files.names(machine, paths.LAUNCHER))
    waiting = [
        machine.path(f"{paths.LAUNCHER}/{name}") for name in names if name.endswith(".yaml")
    ]
    if not waiting:
        node.launcher_due = math.inf
        return math.inf
    if math.isinf(node.launcher_due):
        node.launcher_due = now + durations.LAUNCHER_EVERY
    # What it runs for an add-on waits for the API server by itself.
    due = max(node.launcher_due, 0.0 if paths.is_worker(machine) else node.api_at)
    if due > now:
        return due
    node.launcher_due = now + durations.LAUNCHER_EVERY
    for path in waiting:
        process = Process.of_daemon(machine, "cluster-agent")
        try:
            _apply(process, parse(path.read_text(encoding="utf-8")))
        except (Refused, Exit) as error:
            machine.log(
                "snap.microk8s.daemon-cluster-agent", f"failed to apply {path.name}: {error}"
            )
            return node.launcher_due
        path.replace(path.with_name(f"{path.name}.applied"))
    node.launcher_due = math.inf
    return math.inf


def _apply(process: Process, documents: list[Document]) -> None:
    machine = process.machine
    restart: set[str] = set()
    for document in documents:
        addons.add_repositories(machine, _listing(document, "addonRepositories"))
        for entry in _listing(document, "addons"):
            _switch_addon(process, entry)
        restart |= _write_files(machine, document)
        join = _mapping(document, "join")
        if join:
            _join(process, str(join.get("url", "")), bool(join.get("worker")))
    for daemon in sorted(restart - {""}):
        if services.is_active(machine, daemon):
            services.restart(machine, daemon)


def _switch_addon(process: Process, entry: dict[str, Any]) -> None:
    arguments = [str(item) for item in _listing(entry, "args")]
    name, verb = str(entry.get("name", "")), "disable" if entry.get("disable") else "enable"
    code = addons.switch(process, verb, [name, *arguments])
    if code:
        raise Refused(f"failed to {verb} addon {name!r}: exit status {code}")


def _join(process: Process, url: str, worker: bool) -> None:
    words = [url, "--worker"] if worker else [url]
    try:
        code = microk8s_join.join(process, words)
    except Exit as end:
        code = end.code
    if code:
        raise Refused(f"failed to join cluster: exit status {code}")


def _write_files(machine: machines.Machine, document: Document) -> set[str]:
    """Write arguments, environments, files, names and mirrors. Return what must restart."""
    restart: set[str] = set()
    token = document.get("persistentClusterToken")
    if token:
        files.write(machine, paths.PERSISTENT_TOKENS, f"{token}\n", 0o660)
    for name, text in _mapping(document, "extraConfigFiles").items():
        files.write(machine, f"{paths.ARGS}/{_safe(name)}", str(text), 0o660)
    for key, (name, daemon) in _ARGUMENTS.items():
        if _set_arguments(machine, name, _mapping(document, key)):
            restart.add(daemon)
    for key, (name, daemon) in _ENVIRONMENTS.items():
        if _set_environment(machine, name, _mapping(document, key)):
            restart.add(daemon)
    _add_names(machine, [str(item) for item in _listing(document, "extraSANs")])
    for registry, text in _mapping(document, "containerdRegistryConfigs").items():
        files.write(
            machine, f"{paths.ARGS}/certs.d/{_safe(registry)}/hosts.toml", str(text), 0o660
        )
    return restart


def _set_arguments(machine: machines.Machine, name: str, values: dict[str, Any]) -> bool:
    changed = False
    for flag, value in values.items():
        text = None if value is None else str(value)
        changed |= paths.write_arg(machine, name, flag.lstrip("-"), text)
    return changed


def _set_environment(machine: machines.Machine, name: str, values: dict[str, Any]) -> bool:
    before = files.read(machine, f"{paths.ARGS}/{name}")
    lines = before.splitlines()
    for key, value in values.items():
        lines = [line for line in lines if not line.startswith(f"{key}=")]
        if value is not None:
            lines.append(f"{key}={shlex.quote(str(value)) if ' ' in str(value) else value}")
    after = "".join(f"{line}\n" for line in lines)
    if values and after != before:
        files.write(machine, f"{paths.ARGS}/{name}", after, 0o660)
        return True
    return False


def _add_names(machine: machines.Machine, names: list[str]) -> None:
    """Put extra names into the request's template; the certificate follows when re-issued."""
    path = f"{paths.CERTS}/csr.conf.template"
    text = files.read(machine, path)
    for name in names:
        kind = "IP" if re.fullmatch(r"[0-9.]+|[0-9a-fA-F:]+", name) else "DNS"
        if f"= {name}\n" not in text:
            number = 1000 + text.count(f"{kind}.1")
            text = text.replace("#MOREIPS\n", f"{kind}.{number} = {name}\n#MOREIPS\n")
    if names:
        files.write(machine, path, text, 0o660)


def _safe(name: str) -> str:
    if ".." in name.split("/") or name.startswith("/"):
        raise Refused(f"{name!r} is not a plain file name")
    return name
