"""Software: snaps and their holds, a reboot that packages ask for, certificates."""

from __future__ import annotations

from collections.abc import Iterator

from edgecloud import host
from edgecloud.agent.gauges import certificate
from edgecloud.agent.gauges.source import QUERY_S, Settings, text
from edgecloud.metrics import node
from edgecloud.metrics.exposition import Sample

REBOOT = "/run/reboot-required"
SNAPD = "/var/lib/snapd/state.json"
"""Where snapd notes each change; nobody else may read what is in it, or when it is written."""
MICROK8S = "/var/snap/microk8s/current/certs/*.crt"
LXD = "/var/snap/lxd/common/lxd"
LXD_OWN = (f"{LXD}/server.crt", f"{LXD}/cluster.crt")


def snaps(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield what is installed, and whether snapd leaves it as it is."""
    from edgecloud.host import snap

    if not machine.exists(snap.SNAP):
        return
    found = snap.installed(machine, timeout_s=QUERY_S)
    is_free = [each for each in found if not each.held and not each.revision.startswith("x")]
    all_held = bool(is_free) and snap.all_held(machine, timeout_s=QUERY_S)
    for each in found:
        facts = {"version": each.version, "revision": each.revision, "channel": each.channel}
        yield node.SNAP.at(1, snap=each.name, **facts)
        yield node.SNAP_HELD.at(all_held or each not in is_free, snap=each.name)


def reboot(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield whether a package asks for a reboot."""
    yield node.REBOOT_REQUIRED.at(machine.exists(REBOOT))


def certificates(machine: host.Host, place: Settings) -> Iterator[Sample]:
    """Yield when the certificates of MicroK8s and of LXD end."""
    seen = set[str]()
    for path in certificate_files(machine, place):
        name = path.rpartition("/")[2].removesuffix(".crt")
        name = f"lxd-{name}" if name in seen else name
        ends = certificate.ends(text(machine, path))
        if ends is not None:
            seen.add(name)
            yield node.CERTIFICATE.at(ends, certificate=name)


def certificate_files(machine: host.Host, place: Settings) -> list[str]:
    """Return where certificates may lie, those of MicroK8s first."""
    return [*machine.glob(MICROK8S), *LXD_OWN]
