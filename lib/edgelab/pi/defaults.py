"""What a fresh MicroK8s writes into its data folder: arguments, credentials, templates."""

from __future__ import annotations

import typing

from edgelab.pi import files, paths, store

if typing.TYPE_CHECKING:
    from edgelab.pi import cluster as clusters
    from edgelab.pi import machine as machines

CONTROL_PLANE = "node.kubernetes.io/microk8s-controlplane=microk8s-controlplane"
WORKER = "node.kubernetes.io/microk8s-worker=microk8s-worker"

_ARGS = {
    "kube-apiserver": """\
--cert-dir=${SNAP_DATA}/certs
--service-cluster-ip-range=10.152.183.0/24
--authorization-mode=AlwaysAllow
--service-account-key-file=${SNAP_DATA}/certs/serviceaccount.key
--client-ca-file=${SNAP_DATA}/certs/ca.crt
--tls-cert-file=${SNAP_DATA}/certs/server.crt
--tls-private-key-file=${SNAP_DATA}/certs/server.key
--secure-port=16443
--etcd-servers="unix://${SNAP_DATA}/var/kubernetes/backend/kine.sock:12379"
--allow-privileged=true
--event-ttl=5m
--profiling=false
--kubelet-preferred-address-types=InternalIP,Hostname,InternalDNS,ExternalDNS,ExternalIP
""",
    "kube-proxy": "--cluster-cidr=10.1.0.0/16\n--healthz-bind-address=127.0.0.1\n",
    "kube-scheduler": "--leader-elect-lease-duration=60s\n--leader-elect-renew-deadline=30s\n",
    "kube-controller-manager": """\
--cluster-cidr=10.1.0.0/16
--leader-elect-lease-duration=60s
--leader-elect-renew-deadline=30s
--use-service-account-credentials
""",
    "kubelite": "--start-control-plane=true\n",
    "containerd": "--config=${SNAP_DATA}/args/containerd.toml\n",
    "containerd-env": "# HTTPS_PROXY=http://proxy:3128\nulimit -n 65536 || true\n",
    "containerd-template.toml": (
        "version = 2\noom_score = 0\n\n[plugins]\n"
        '  [plugins."io.containerd.grpc.v1.cri".registry]\n'
        '    config_path = "${SNAP_DATA}/args/certs.d"\n'
    ),
    "k8s-dqlite": "--storage-dir=${SNAP_DATA}/var/kubernetes/backend/\n",
    "k8s-dqlite-env": "",
    "cluster-agent": '--bind=0.0.0.0:25000\n--keyfile="${SNAP_DATA}/certs/server.key"\n',
    "cluster-agent-env": "",
    "apiserver-proxy": "--refresh-interval=30s\n",
    "apiserver-proxy-env": "",
    "ha-conf": "failure-domain=1\n",
    "cni-env": "IPv4_SUPPORT=true\nIPv4_CLUSTER_CIDR=10.1.0.0/16\n",
    "kubectl": "",
    "kubectl-env": "export KUBECONFIG=${SNAP_DATA}/credentials/client.config\n",
    "ctr": "--address=${SNAP_COMMON}/run/containerd.sock\n--namespace k8s.io\n",
    "etcd": "",
    "flanneld": "",
    "certs.d/docker.io/hosts.toml": 'server = "https://docker.io"\n',
    "certs.d/localhost:32000/hosts.toml": 'server = "http://localhost:32000"\n',
    "cni-network/cni.yaml": (
        '            - name: IP_AUTODETECTION_METHOD\n              value: "first-found"\n'
    ),
}

_KUBECONFIG = """\
apiVersion: v1
clusters:
- cluster:
    certificate-authority: /var/snap/microk8s/current/certs/ca.crt
    server: https://127.0.0.1:16443
  name: microk8s-cluster
contexts:
- context:
    cluster: microk8s-cluster
    user: {user}
  name: microk8s
current-context: microk8s
kind: Config
preferences: {{}}
users:
- name: {user}
  user:
    client-certificate: /var/snap/microk8s/current/certs/{stem}.crt
    client-key: /var/snap/microk8s/current/certs/{stem}.key
"""


def write_data(machine: machines.Machine, version: str) -> None:
    """Write the default arguments of a version."""
    for name, text in _ARGS.items():
        files.write(machine, f"{paths.ARGS}/{name}", text, 0o660)
    files.write(machine, f"{paths.ARGS}/kubelet", kubelet(version), 0o660)
    machine.path(paths.LAUNCHER).mkdir(parents=True, exist_ok=True)
    machine.path(paths.LOCKS).mkdir(parents=True, exist_ok=True)
    for at, target in (("kubelet", f"{paths.COMMON}/var/lib/kubelet"), ("calico", paths.DATA)):
        machine.path(f"/var/lib/{at}").mkdir(parents=True, exist_ok=True)
        machine.path(target).mkdir(parents=True, exist_ok=True)


def kubelet(version: str) -> str:
    """Return the default arguments of the kubelet, as a control-plane node has them."""
    pause = (
        ""
        if store.minor_of(version) >= 35
        else "--pod-infra-container-image=registry.k8s.io/pause:3.10\n"
    )
    return (
        "--kubeconfig=${SNAP_DATA}/credentials/kubelet.config\n"
        "--cert-dir=${SNAP_DATA}/certs\n"
        "--client-ca-file=${SNAP_DATA}/certs/ca.crt\n"
        "--anonymous-auth=false\n"
        "--root-dir=${SNAP_COMMON}/var/lib/kubelet\n"
        "--fail-swap-on=false\n"
        "--feature-gates=DevicePlugins=true\n"
        '--eviction-hard="memory.available<100Mi,nodefs.available<1Gi,imagefs.available<1Gi"\n'
        "--container-runtime-endpoint=${SNAP_COMMON}/run/containerd.sock\n"
        f'--node-labels="microk8s.io/cluster=true,{CONTROL_PLANE}"\n'
        "--authentication-token-webhook=true\n"
        "--read-only-port=0\n" + pause
    )  # fmt: skip


def default_kube_proxy() -> str:
    """Return the default arguments of kube-proxy."""
    return _ARGS["kube-proxy"]


def write_credentials(machine: machines.Machine, cluster: clusters.Cluster) -> None:
    """Write the kubeconfigs and tokens of a control-plane node."""
    for name, user, stem in (
        ("client", "admin", "client"),
        ("kubelet", f"system:node:{machine.hostname}", "kubelet"),
        ("proxy", "kubeproxy", "proxy"),
        ("controller", "controller", "controller"),
        ("scheduler", "scheduler", "scheduler"),
    ):
        text = _KUBECONFIG.format(user=user, stem=stem)
        files.write(machine, f"{paths.CREDENTIALS}/{name}.config", text, 0o660)
    files.write(
        machine, f"{paths.CREDENTIALS}/callback-token.txt", cluster.callback_token + "\n", 0o660
    )
    for path in (paths.CLUSTER_TOKENS, paths.CERT_TOKENS, paths.PERSISTENT_TOKENS):
        if not files.exists(machine, path):
            files.write(machine, path, "", 0o660)
    cluster.cluster_cert = cluster.cluster_cert or cluster.ca
    files.write(machine, f"{paths.BACKEND}/cluster.crt", cluster.cluster_cert, 0o660)
    files.write(machine, f"{paths.BACKEND}/cluster.key", cluster.cluster_key + "\n", 0o660)
    files.write(machine, f"{paths.BACKEND}/cluster.yaml", "", 0o660)
