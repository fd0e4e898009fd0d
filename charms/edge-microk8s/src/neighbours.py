"""What this node tells the charms beside it: what runs here, and where its metrics are."""

from __future__ import annotations

import microk8s
import quorum
import stewardship
from cluster_view import ClusterView
from edgecloud import host as machines
from edgecloud.interfaces import cos_agent, edge_component
from node_config import NodeConfig

DRAIN_TIMEOUT_S = 300

KUBELET_PORT = 10250
CONTAINERD_PORT = 1338


def component(
    host: machines.Host, config: NodeConfig, view: ClusterView, domain: str, address: str
) -> edge_component.Component:
    """Return what the edge-node charm on this machine has to know."""
    node = microk8s.node_name(host)
    member = view.member(address)
    return edge_component.Component(
        kind=edge_component.MICROK8S,
        snap=microk8s.SNAP,
        channel=config.full_channel,
        node=node,
        role=config.role,
        voter=member is not None and member.role is quorum.Role.VOTER,
        failure_domain=domain,
        kubeconfig=microk8s.kubeconfig(host),
        drain_timeout_s=DRAIN_TIMEOUT_S,
        ready=view.is_ready(node),
    )


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
