"""Run the node exporter, trimmed to what a small machine's operator looks at."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from edgecloud.metrics import node
from edgecloud.telemetry import daemons, packages

PACKAGE = "prometheus-node-exporter"
PROGRAM = packages.PROGRAMS[PACKAGE]
NAME = "edge-node-exporter"
PORT = 19100
"""Not 9100, which the snaps of LXD and of the node exporter, and MicroK8s' add-ons, want too."""

TEXTFILES = node.FOLDER
"""Where whoever has something to say puts ``*.prom`` files: written whole, then renamed."""

USER = "prometheus"
"""Made by the package."""

COLLECTORS = (
    "cpu",
    "cpufreq",
    "diskstats",
    "filesystem",
    "hwmon",
    "loadavg",
    "meminfo",
    "netdev",
    "pressure",
    "stat",
    "textfile",
    "thermal_zone",
    "time",
    "timex",
    "uname",
    "vmstat",
    "watchdog",
)
_DEVICES = "^(veth|cali|vxlan|lxc|tap|fan|docker|cni|flannel).*"
_MOUNTS = "^/(dev|proc|run|sys|snap)($|/)|^/var/(lib/(kubelet|snapd|lxd|docker|containers)|snap)/"
_KINDS = (
    "^(autofs|bpf|cgroup2?|configfs|debugfs|devpts|devtmpfs|efivarfs|fusectl|hugetlbfs|mqueue|"
    "nsfs|overlay|proc|pstore|ramfs|securityfs|squashfs|sysfs|tmpfs|tracefs)$"
)


GUARD_OPTION = "web.config.file"
GUARD = "web.yml"
CERTIFICATE, KEY, CALLERS = "server.crt", "server.key", "callers.crt"
"""Names of the credentials that a guarded page needs besides :data:`GUARD`."""


def guard() -> str:
    """Return what makes a page answer over TLS, and only who proves to be one of its callers.

    JSON, which is YAML too; the files are looked for beside it.
    """
    wanted = {
        "cert_file": CERTIFICATE,
        "key_file": KEY,
        "client_auth_type": "RequireAndVerifyClientCert",
        "client_ca_file": CALLERS,
        "min_version": "TLS12",
    }
    return json.dumps({"tls_server_config": wanted}, indent=1) + "\n"


def daemon(
    known: Collection[str],
    *,
    name: str = NAME,
    port: int = PORT,
    address: str = "127.0.0.1",
    secrets: Mapping[str, str] | None = None,
) -> daemons.Daemon:
    """Return the exporter as this version of it can be run.

    Args:
        known: the options that the program has.
        name: of the unit.
        port: on that address.
        address: one of this machine. Beyond the loopback address it needs :data:`GUARD`.
        secrets: files of its guard: name of the credential → root-only file.
    """
    secrets = secrets or {}
    if address != "127.0.0.1" and not (GUARD in secrets and GUARD_OPTION in known):
        raise ValueError(f"{name} would show its page at {address} to everybody")
    wanted = {
        "collector.disable-defaults": "",
        **{f"collector.{collector}": "" for collector in COLLECTORS},
        "collector.textfile.directory": TEXTFILES,
        "collector.netdev.device-exclude": _DEVICES,
        "collector.filesystem.mount-points-exclude": _MOUNTS,
        "collector.filesystem.fs-types-exclude": _KINDS,
        "web.disable-exporter-metrics": "",
        "web.listen-address": at(address, port),
        **({GUARD_OPTION: f"{daemons.CREDENTIALS}/{GUARD}"} if secrets else {}),
    }
    return daemons.Daemon(
        name=name,
        purpose="Metrics of this machine",
        command=(
            PROGRAM,
            *(
                f"--{option}={value}" if value else f"--{option}"
                for option, value in wanted.items()
                if option in known
            ),
        ),
        secrets=secrets,
        memory_mb=64,
        user=USER,
    )


def at(address: str, port: int = PORT) -> str:
    """Return an address with a port, as programs read both."""
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
