"""What this node tells the charms beside it: what runs here, and where its metrics are."""

from __future__ import annotations

from collections.abc import Sequence

import microk8s
import quorum
import stewardship
import worker_access
from cluster_view import ClusterView
from edgecloud import host as machines
from edgecloud.host import rejoin_offer
from edgecloud.interfaces import cluster_join, cos_agent, edge_component
from node_config import NodeConfig

DRAIN_TIMEOUT_S = 300

KUBELET_PORT = 10250
CONTAINERD_PORT = 1338


def component(
    host: machines.Host,
    before: edge_component.Component,
    *,
    config: NodeConfig | None,
    view: ClusterView | None,
    role: str,
    domain: str,
    address: str,
) -> edge_component.Component:
    """Return what the edge-node charm on this machine has to know.

    Args:
        host: this machine.
        before: what it was told last; holds for what cannot be known now.
        config: the options; None if they are wrong.
        view: the cluster as seen now; None if it does not answer, and then the node is not ready.
        role: what this node is.
        domain: what fails together with it.
        address: its address in the datastore.
    """
    node, worker = microk8s.node_name(host), role == cluster_join.WORKER
    offer = rejoin_offer.read(host)
    if config is None:
        channel, domain = before.channel or "", before.failure_domain or ""
    else:
        channel = config.full_channel
    return edge_component.Component(
        kind=edge_component.MICROK8S,
        snap=microk8s.SNAP,
        channel=channel,
        node=node,
        role=role,
        voter=not worker and is_voter(microk8s.members(host), address),
        failure_domain=domain,
        kubeconfig=worker_access.kubeconfig(host) if worker else microk8s.ADMIN,
        drain_timeout_s=DRAIN_TIMEOUT_S,
        ready=view is not None and view.is_ready(node),
        way_back_until=int(offer.expires) if offer.urls else None,
    )


def is_voter(members: Sequence[microk8s.Member], address: str) -> bool:
    """Return whether a node counts for the datastore's majority, as far as it heard itself.

    The address of a datastore that nobody joined yet is the loopback's.
    """
    own = [m for m in members if m.address == address or len(members) == 1]
    return any(member.role is quorum.Role.VOTER for member in own)


def scrape_jobs(
    host: machines.Host, config: NodeConfig, *, token: str | None
) -> list[cos_agent.ScrapeJob]:
    """Return where an agent on this machine finds metrics, each process once.

    The kubelite process holds the kubelet, the proxy and, on a control plane, the API server, the
    scheduler and the controllers: its one page has the metrics of all of them.

    Args:
        host: this machine.
        config: the options.
        token: what a worker was given for reading metrics; a control plane makes its own. It
            lies in a file that only root may read; the job names the file.

    Raises access.AccessError on a control plane whose cluster does not answer.
    """
    if config.is_worker:
        if token is None:
            return []
        host.write(stewardship.METRICS_TOKEN, token + "\n", mode=0o600)
    else:
        stewardship.ensure_metrics_token(host)
    authority = "ca.remote.crt" if config.is_worker else "ca.crt"
    tls = {"ca_file": f"{microk8s.CERTS}/{authority}", "server_name": microk8s.node_name(host)}
    authorization = {"type": "Bearer", "credentials_file": stewardship.METRICS_TOKEN}
    labels = {"node": microk8s.node_name(host), "role": config.role}
    kubelite = [
        cos_agent.ScrapeJob(
            name=name,
            port=KUBELET_PORT,
            path=path,
            scheme="https",
            labels=labels,
            tls=tls,
            authorization=authorization,
            drop_series=("apiserver_request_duration_seconds_bucket", "etcd_request_.*_bucket"),
        )
        for name, path in (("kubelite", "/metrics"), ("kubelite-cadvisor", "/metrics/cadvisor"))
    ]
    containerd = cos_agent.ScrapeJob(
        name="containerd", port=CONTAINERD_PORT, path="/v1/metrics", labels=labels
    )
    return [*kubelite, containerd]
