"""Where MicroK8s keeps things on a node: data, arguments, locks, credentials."""

from __future__ import annotations

import pathlib
import re
import typing

from edgelab.pi import files

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

DATA = "/var/snap/microk8s/current"
COMMON = "/var/snap/microk8s/common"
ARGS = f"{DATA}/args"
LOCKS = f"{DATA}/var/lock"
CERTS = f"{DATA}/certs"
CREDENTIALS = f"{DATA}/credentials"
BACKEND = f"{DATA}/var/kubernetes/backend"
PROVIDER = f"{ARGS}/traefik/provider.yaml"
ADMIN = f"{CREDENTIALS}/client.config"
KUBELET = f"{CREDENTIALS}/kubelet.config"
CLUSTER_TOKENS = f"{CREDENTIALS}/cluster-tokens.txt"
PERSISTENT_TOKENS = f"{CREDENTIALS}/persistent-cluster-tokens.txt"
CERT_TOKENS = f"{CREDENTIALS}/certs-request-tokens.txt"
LAUNCHER = f"{COMMON}/etc/launcher"

_SERVER = re.compile(r"address:\s*['\"]?([0-9.]+):\d+")


def locked(machine: machines.Machine, name: str) -> bool:
    """Return whether a lock is there."""
    return files.exists(machine, f"{LOCKS}/{name}")


def lock(machine: machines.Machine, name: str) -> None:
    """Set a lock."""
    files.write(machine, f"{LOCKS}/{name}", "")


def unlock(machine: machines.Machine, name: str) -> None:
    """Remove a lock."""
    files.remove(machine, f"{LOCKS}/{name}")


def is_worker(machine: machines.Machine) -> bool:
    """Return whether the node is a worker of a cluster."""
    return locked(machine, "clustered.lock")


def read_args(machine: machines.Machine, name: str) -> dict[str, str]:
    """Return the flags of an arguments file, without their dashes."""
    found: dict[str, str] = {}
    for line in files.read(machine, f"{ARGS}/{name}").splitlines():
        stripped = line.strip()
        if stripped and not stripped.startswith("#"):
            flag, _, value = stripped.partition("=")
            found[flag.lstrip("-").strip()] = value.strip().strip("'\"")
    return found


def write_arg(machine: machines.Machine, name: str, flag: str, value: str | None) -> bool:
    """Set or drop one flag, leaving the other lines as they are. Return whether it changed."""
    before = files.read(machine, f"{ARGS}/{name}")
    prefix = f"{flag}=" if name == "ha-conf" else f"--{flag}="
    lines = before.splitlines()
    kept = [line for line in lines if not line.strip().startswith((prefix, prefix[:-1] + " "))]
    if value is not None:
        place = next(
            (at for at, line in enumerate(lines) if line.strip().startswith(prefix)), None
        )
        kept.insert(len(kept) if place is None else min(place, len(kept)), f"{prefix}{value}")
    after = "".join(f"{line}\n" for line in kept)
    if after != before:
        files.write(machine, f"{ARGS}/{name}", after, 0o660)
    return after != before


def provider_servers(machine: machines.Machine) -> list[str]:
    """Return the API servers that a worker's proxy knows."""
    return _SERVER.findall(files.read(machine, PROVIDER))


def write_provider(machine: machines.Machine, addresses: list[str]) -> None:
    """Tell a worker's proxy its API servers."""
    servers = "".join(f"        - address: {address}:16443\n" for address in addresses)
    text = (
        f"tcp:\n  services:\n    kube-apiserver:\n      loadBalancer:\n        servers:\n{servers}"
    )
    files.write(machine, PROVIDER, text, 0o660)


def data_folder(machine: machines.Machine, revision: str) -> pathlib.Path:
    """Return where a revision keeps its data."""
    return machine.path(f"/var/snap/microk8s/{revision}")


def point_current(machine: machines.Machine, revision: str) -> None:
    """Let ``current`` mean this revision, of the snap and of its data."""
    for folder in ("/var/snap/microk8s", "/snap/microk8s"):
        link = machine.path(f"{folder}/current")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(revision)
