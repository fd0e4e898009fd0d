"""``kubectl``: reaching an API, being allowed to, and the verbs."""

from __future__ import annotations

import dataclasses
import re
import typing

from edgelab.pi import files, kube_access, kube_api, kube_verbs, paths, timers
from edgelab.pi.cluster import Cluster
from edgelab.pi.kube_request import Request
from edgelab.pi.process import Process

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

_SERVER = re.compile(r"server:\s*['\"]?https?://([^\s:'\"]+)")
_TOKEN = re.compile(r"token:\s*['\"]?(\S+?)['\"]?\s*$", re.MULTILINE)
_FLAGS = frozenset(
    [
        "A",
        "all",
        "all-namespaces",
        "delete-emptydir-data",
        "disable-eviction",
        "force",
        "force-conflicts",
        "ignore-daemonsets",
        "ignore-not-found",
        "list",
        "no-headers",
        "overwrite",
        "recursive",
        "server-side",
        "show-labels",
        "wait",
        "watch",
    ]
)
_SHORT = {"n": "namespace", "l": "selector", "o": "output", "f": "filename", "A": "all-namespaces",
          "p": "patch", "R": "recursive"}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Identity:
    """Who a kubeconfig says one is."""

    user: str
    node: str = ""

    @property
    def is_admin(self) -> bool:
        """Whether everything is allowed."""
        return self.user == "admin"


def run(process: Process) -> int:
    """Run ``kubectl``."""
    options, words = _parse(process.argv[1:])
    if not words:
        process.say("kubectl controls the Kubernetes cluster manager.")
        return 0
    verb = words[0]
    if verb == "version" and options.get("client") == "true":
        process.say(f"Client Version: {process.machine.snaps['microk8s'].version}")
        return 0
    path = options.get("kubeconfig", paths.ADMIN)
    text = files.read(process.machine, path)
    if not text:
        process.fail(f"error: stat {path}: no such file or directory")
    cluster = _connect(process, text, options)
    if verb not in kube_verbs.VERBS:
        process.fail(f'error: unknown command "{verb}" for "kubectl"')
    identity = _identify(process, cluster, path, text)
    request = Request(process, cluster, verb, words[1:], options)
    _authorize(process, cluster, identity, request)
    process.take("kubectl")
    return kube_verbs.VERBS[verb](request)


def _parse(words: list[str]) -> tuple[dict[str, str], list[str]]:
    options: dict[str, str] = {}
    plain: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            return options, [*plain, *rest]
        if not word.startswith("-") or word == "-":
            plain.append(word)
            continue
        name, equals, value = word.lstrip("-").partition("=")
        name = _SHORT.get(name, name)
        if (
            not equals
            and name not in _FLAGS
            and rest
            and (not rest[0].startswith("-") or rest[0] == "-")
        ):
            value = rest.pop(0)
        options[name] = value
    return options, plain


def _connect(process: Process, text: str, options: dict[str, str]) -> Cluster:
    """Reach the API server of the kubeconfig, or fail as the network does."""
    found = _SERVER.search(text)
    address = found[1] if found else "127.0.0.1"
    answer = kube_api.through(process.machine, address)
    if isinstance(answer, Cluster):
        return answer
    if answer == kube_api.REFUSED:
        process.spend(0.5)
        process.fail(
            f"The connection to the server {address}:16443 was refused - did you specify the right"
            " host or port?"
        )
    limit = timers.span(options.get("request-timeout", "0") or "0")
    if limit:
        process.spend(limit)
    else:
        process.take("api-timeout")
    process.fail(
        f'Unable to connect to the server: Get "https://{address}:16443/api": net/http: request'
        " canceled (Client.Timeout exceeded while awaiting headers)"
    )


def _identify(process: Process, cluster: Cluster, path: str, text: str) -> Identity:
    token = _TOKEN.search(text)
    if token is not None:
        user, _, expiry = cluster.tokens.get(token[1], "").partition("|")
        if not user or float(expiry) <= process.world.clock.now():
            process.fail("error: You must be logged in to the server (Unauthorized)")
        return Identity(user)
    if path == paths.KUBELET or "system:node:" in text:
        name = process.machine.hostname
        return Identity(f"system:node:{name}", name)
    return Identity("admin")


def _authorize(process: Process, cluster: Cluster, identity: Identity, request: Request) -> None:
    """Refuse what a role does not allow, once RBAC is on."""
    if identity.is_admin or not has_rbac(process.machine, cluster):
        return
    if identity.node:
        if not _node_may(identity, request):
            verb = "list" if request.verb == "get" else request.verb
            _forbid(process, identity, verb, request.plural)
        return
    missing = kube_access.refused(cluster, identity.user, request)
    if missing is not None:
        _forbid(process, identity, missing.verb, missing.resource)


def has_rbac(machine: machines.Machine, cluster: Cluster) -> bool:
    """Return whether the API servers of a cluster ask for roles."""
    for other in machine.world.machines.values():
        if (
            other.node is not None
            and other.node.cluster == cluster.id
            and not paths.is_worker(other)
        ):
            mode = paths.read_args(other, "kube-apiserver").get("authorization-mode", "")
            return "RBAC" in mode
    return False


def _node_may(identity: Identity, request: Request) -> bool:
    """Return what the node authorizer lets a kubelet do."""
    if request.verb == "get" and request.plural == "leases":
        return request.words[1:] == [identity.node]
    if request.verb == "get":
        return request.plural in ("nodes", "pods", "services", "endpointslices", "")
    if request.verb in ("cordon", "uncordon", "label", "annotate", "patch"):
        own = identity.node in request.words
        return own and (request.plural == "nodes" or request.verb in ("cordon", "uncordon"))
    return request.verb in ("auth", "version")


def _forbid(process: Process, identity: Identity, verb: str, resource: str) -> typing.NoReturn:
    process.take("kubectl")
    process.fail(
        f"Error from server (Forbidden): {resource or 'resource'} is forbidden: User"
        f' "{identity.user}" cannot {verb} resource "{resource}" in API group ""'
    )
