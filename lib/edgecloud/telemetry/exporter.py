"""Run the node exporter, trimmed to what a small machine's operator looks at."""

from __future__ import annotations

from collections.abc import Collection

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


def daemon(known: Collection[str], *, name: str = NAME, port: int = PORT) -> daemons.Daemon:
    """Return the exporter as this version of it can be run.

    Args:
        known: the options that the program has.
        name: of the unit.
        port: on the loopback address.
    """
    wanted = {
        "collector.disable-defaults": "",
        **{f"collector.{collector}": "" for collector in COLLECTORS},
        "collector.textfile.directory": TEXTFILES,
        "collector.netdev.device-exclude": _DEVICES,
        "collector.filesystem.mount-points-exclude": _MOUNTS,
        "collector.filesystem.fs-types-exclude": _KINDS,
        "web.disable-exporter-metrics": "",
        "web.listen-address": f"127.0.0.1:{port}",
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
        memory_mb=64,
        user=USER,
    )
