"""The cluster agent on port 25000: tokens, joining, and in which order it checks."""

from __future__ import annotations

import dataclasses
import re
import typing

from edgelab.pi import (
    certificates,
    datastore,
    files,
    firewall,
    paths,
    services,
)
from edgelab.pi import cluster as clusters

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

PORT = 25000


class Unreachable(Exception):  # noqa: N818 - it describes the network, not a mistake
    """Nothing answers; ``refused`` says whether at once or never."""

    def __init__(self, refused: bool):
        super().__init__(refused)
        self.refused = refused


class AgentError(Exception):
    """The agent refuses a request."""

    def __init__(self, status: int, text: str):
        super().__init__(text)
        self.status = status
        self.text = text


@dataclasses.dataclass(frozen=True)
class Welcome:
    """What a node gets that may join."""

    cluster: clusters.Cluster
    seed: machines.Machine
    address: str


def connect(client: machines.Machine, address: str) -> machines.Machine:
    """Return the machine whose agent answers at an address. Raises :class:`Unreachable`."""
    server = client.world.machine_at(address)
    if server is None or not client.world.reaches(client, server):
        raise Unreachable(refused=False)
    if server is not client and not firewall.admits(server, client.address, PORT):
        raise Unreachable(refused=False)
    if not services.is_active(server, "cluster-agent"):
        raise Unreachable(refused=True)
    return server


def join(
    client: machines.Machine, address: str, token: str, *, port: int, worker: bool
) -> Welcome:
    """Ask to join. The token is used up first, whatever is found wrong afterwards."""
    server = connect(client, address)
    if not take_token(server, token):
        raise AgentError(500, "Invalid token")
    if not paths.locked(server, "ha-cluster"):
        raise AgentError(501, "Not possible to join. This is not an HA MicroK8s cluster")
    own = paths.read_args(server, "cluster-agent").get("bind", f":{PORT}")
    if str(port) != own.rpartition(":")[2]:
        raise AgentError(502, f"The port of the cluster agent port has to be set to {PORT}")
    if client.address in server.addresses():
        raise AgentError(
            503, f"The joining node has the same IP ({client.address}) as the node we contact"
        )
    _check_name(server, client)
    return _admit(server, client, address, worker=worker)


def take_token(server: machines.Machine, token: str) -> bool:
    """Return whether a token is good; a single-use one is good once."""
    if token in files.read(server, paths.PERSISTENT_TOKENS).split():
        return True
    now = server.now()
    for line in tokens(server):
        text, _, expiry = line.partition("|")
        if text != token:
            continue
        if not expiry:
            remove_token(server, token)
            return True
        return float(expiry) > now
    return False


def tokens(server: machines.Machine) -> list[str]:
    """Return the lines of the token file, the expired ones among them: nobody prunes it."""
    return [line for line in files.read(server, paths.CLUSTER_TOKENS).splitlines() if line]


def remove_token(server: machines.Machine, token: str) -> None:
    """Remove the first line that begins with a token."""
    lines = tokens(server)
    gone = next((line for line in lines if line.startswith(token)), None)
    kept = [line for line in lines if line is not gone]
    files.write(server, paths.CLUSTER_TOKENS, "".join(f"{line}\n" for line in kept), 0o660)


def _check_name(server: machines.Machine, client: machines.Machine) -> None:
    """Refuse a name that does not resolve here, unless the API server goes by address."""
    flags = paths.read_args(server, "kube-apiserver")
    if flags.get("kubelet-preferred-address-types", "").startswith("InternalIP"):
        return
    for line in files.read(server, "/etc/hosts").splitlines():
        words = line.split("#")[0].split()
        if client.hostname in words[1:] and words[0] == client.address:
            return
    raise AgentError(
        400,
        f"The hostname ({client.hostname}) of the joining node does not resolve to the IP"
        f' "{client.address}". Refusing join',
    )


def _admit(
    server: machines.Machine, client: machines.Machine, address: str, *, worker: bool
) -> Welcome:
    cluster = datastore.cluster_of(server)
    try:
        datastore.leader_seen_by(server)
    except datastore.NoLeader:
        raise AgentError(
            500, "Failed to retrieve dqlite cluster nodes: no available dqlite leader server found"
        ) from None
    assert cluster is not None
    known = next((item for item in cluster.members if item.ip.startswith(client.address)), None)
    if known is not None:
        raise AgentError(
            500,
            "Failed to retrieve dqlite cluster nodes: the joining node"
            f" ({client.address}) is already known to dqlite",
        )
    _bind(server, cluster, address)
    paths.lock(server, "no-cert-reissue")
    _point_calico(server, client.address)
    return Welcome(cluster, server, address)


def _bind(server: machines.Machine, cluster: clusters.Cluster, address: str) -> None:
    """Move a lone member from loopback to the address in the join string, for good."""
    lone = cluster.members[0]
    if len(cluster.members) > 1 or not lone.ip.startswith("127."):
        return
    if address not in server.addresses():
        raise AgentError(
            500,
            f"Failed to update dqlite address: address {address} was not found in any host"
            " interface. refuse to update dqlite bind address",
        )
    lone.address = f"{address}:{datastore.PORT}"
    certificates.install_authority(server, cluster)
    services.restart(server, "k8s-dqlite")
    datastore.write_info(server, lone)
    datastore.refresh_files(server.world, cluster)


def _point_calico(server: machines.Machine, address: str) -> None:
    path = f"{paths.ARGS}/cni-network/cni.yaml"
    text = files.read(server, path)
    files.write(server, path, re.sub(r'"first-found"', f'"can-reach={address}"', text), 0o660)
