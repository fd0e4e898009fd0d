"""A node's certificates: issued at install, re-issued when addresses change, never in time."""

from __future__ import annotations

import math
import typing

from edgelab.pi import durations, files, paths, services, x509

if typing.TYPE_CHECKING:
    from edgelab.pi import cluster as clusters
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

CA_DAYS = 3650
SERVER_DAYS = 365
SHORT_LIVED = ("server.crt", "front-proxy-client.crt")

TEMPLATE = """[ req ]
default_bits = 2048
prompt = no
distinguished_name = dn
req_extensions = req_ext

[ req_ext ]
subjectAltName = @alt_names

[ dn ]
CN = 127.0.0.1

[ alt_names ]
DNS.1 = kubernetes
DNS.2 = kubernetes.default
DNS.3 = kubernetes.default.svc
DNS.4 = kubernetes.default.svc.cluster
DNS.5 = kubernetes.default.svc.cluster.local
IP.1 = 127.0.0.1
IP.2 = 10.152.183.1
#MOREIPS
"""


def render(machine: machines.Machine) -> str:
    """Return the request that the template and the machine's addresses call for now."""
    template = files.read(machine, f"{paths.CERTS}/csr.conf.template")
    more = "".join(f"IP.{100 + at} = {ip}\n" for at, ip in enumerate(machine.addresses()))
    return template.replace("#MOREIPS\n", more)


def make_authority(machine: machines.Machine, cluster: clusters.Cluster) -> None:
    """Make a cluster's certificate authority, and put it on the machine."""
    now = machine.world.clock.now()
    seed = machine.world.random_hex("ca", 32)
    cluster.ca = x509.pem(
        x509.make("10.152.183.1", "10.152.183.1", now, now + CA_DAYS * durations.DAY, [], seed)
    )
    install_authority(machine, cluster)


def install_authority(machine: machines.Machine, cluster: clusters.Cluster) -> None:
    """Put a cluster's authority and its keys where a control-plane node keeps them."""
    files.write(machine, f"{paths.CERTS}/ca.crt", cluster.ca, 0o660)
    files.write(machine, f"{paths.CERTS}/ca.key", _key(cluster.ca_key), 0o660)
    service_account = _key(cluster.service_account_key)
    files.write(machine, f"{paths.CERTS}/serviceaccount.key", service_account, 0o660)


def issue_all(machine: machines.Machine) -> None:
    """Issue every certificate of a control-plane node."""
    for name in ("client", "kubelet", "proxy", "controller", "scheduler"):
        issue(machine, f"{name}.crt", CA_DAYS)
    issue_server(machine)
    issue(machine, "front-proxy-client.crt", SERVER_DAYS)


def issue_server(machine: machines.Machine) -> None:
    """Issue ``server.crt`` for the names that its request holds now."""
    request = render(machine)
    for name in ("csr.conf", "csr.conf.rendered"):
        files.write(machine, f"{paths.CERTS}/{name}", request, 0o660)
    issue(machine, "server.crt", SERVER_DAYS, _requested(request))


def issue(machine: machines.Machine, name: str, days: int, names: list[str] | None = None) -> None:
    """Issue one certificate, valid from now on."""
    now = machine.world.clock.now()
    seed = machine.world.random_hex(name, 32)
    made = x509.make(
        f"system:{name.removesuffix('.crt')}",
        "10.152.183.1",
        now,
        now + days * durations.DAY,
        names or [],
        seed,
    )
    files.write(machine, f"{paths.CERTS}/{name}", x509.pem(made), 0o660)
    files.write(machine, f"{paths.CERTS}/{name.replace('.crt', '.key')}", _key(seed), 0o660)


def fingerprint(machine: machines.Machine) -> str:
    """Return the digits of the server's certificate that a join string ends in."""
    return x509.fingerprint(files.read(machine, f"{paths.CERTS}/server.crt"))[:12]


def background(world: worlds.World) -> float:
    """Let each kicker compare the request with the addresses, and re-issue on a difference."""
    for machine in world.machines.values():
        if not services.is_active(machine, "apiserver-kicker") or not _may_reissue(machine):
            continue
        if render(machine) != files.read(machine, f"{paths.CERTS}/csr.conf"):
            issue_server(machine)
            if not paths.locked(machine, "join-in-progress"):
                services.restart(machine, "cluster-agent", "containerd", "kubelite")
    return math.inf


def _may_reissue(machine: machines.Machine) -> bool:
    if paths.locked(machine, "no-cert-reissue"):
        return False
    flags = paths.read_args(machine, "kube-apiserver")
    return not flags.keys() & {"advertise-address", "bind-address"}


def _requested(request: str) -> list[str]:
    lines = (line.partition("=") for line in request.splitlines())
    return [value.strip() for key, _, value in lines if key.startswith(("DNS.", "IP."))]


def _key(secret: str) -> str:
    return x509.pem(bytes.fromhex(secret) * 19, "RSA PRIVATE KEY")
