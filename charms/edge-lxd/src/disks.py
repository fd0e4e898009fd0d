"""Choose the disk that instances live on. Pure, but for looking which disks hold something."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from edgecloud import host as machines
from edgecloud.host import files
from edgecloud.lxd import server

AUTO = "auto"
BOOT = "boot"
"""Consent to keep instances on the disk that the machine boots from."""

SMALLEST = 8 * 10**9

_PHYSICAL = ("nvme", "sd", "vd", "hd", "xvd")
"""How the kernel names disks that may serve; cards and loops are not named so."""


class NoDiskError(Exception):
    """No disk may be used; says what to attach or to set."""


@dataclasses.dataclass(frozen=True)
class Place:
    """Where a member keeps its instances."""

    source: str = ""
    """A whole disk or a partition, which LXD formats; empty for a file on the boot disk."""

    @property
    def on_boot_disk(self) -> bool:
        """Whether instances share the disk with the system."""
        return not self.source


def choose(disks: Sequence[server.Disk], occupied: Collection[str], wish: str) -> Place:
    """Return where to keep instances. Raises NoDiskError.

    Args:
        disks: of this machine.
        occupied: the ids of those that hold a file system or a partition table.
        wish: :data:`AUTO`, :data:`BOOT`, or the path of a disk or partition.
    """
    if wish == BOOT:
        return Place()
    if wish != AUTO:
        return _named(disks, occupied, wish)
    able = [disk for disk in disks if not _why_not(disk, occupied)]
    if able:
        return Place(f"/dev/{max(able, key=_worth).id}")
    raise NoDiskError(
        f"no empty disk for instances ({_seen(disks, occupied)}): attach an SSD of 8 GB or more,"
        " set disk=/dev/… to one that may be overwritten after wiping it, or consent to the disk"
        " it boots from with disk=boot"
    )


def occupied(host: machines.Host, disks: Sequence[server.Disk]) -> frozenset[str]:
    """Return the ids of the disks on which udev saw a file system or a partition table."""
    found: set[str] = set()
    for disk in disks:
        number = files.read(host, f"/sys/class/block/{disk.id}/dev").strip()
        known = files.read(host, f"/run/udev/data/b{number}") if number else ""
        if "ID_FS_TYPE=" in known or "ID_PART_TABLE_TYPE=" in known:
            found.add(disk.id)
    return frozenset(found)


def _named(disks: Sequence[server.Disk], occupied: Collection[str], wish: str) -> Place:
    """Return the disk that the operator named, unless it holds something."""
    disk = next((one for one in disks if wish == f"/dev/{one.id}"), None)
    if disk is not None and (disk.partitions or disk.id in occupied):
        raise NoDiskError(
            f"disk={wish} holds something: wipe it (`sudo wipefs --all {wish}`), or name another"
        )
    return Place(wish)


def _why_not(disk: server.Disk, occupied: Collection[str]) -> str:
    """Return why a disk is not taken unasked, or nothing."""
    if disk.is_card:
        return "a card, which writing wears out"
    if not disk.id.startswith(_PHYSICAL) or disk.read_only:
        return "no disk to write on"
    if disk.partitions or disk.id in occupied:
        return "holds something"
    return "too small" if disk.size < SMALLEST else ""


def _worth(disk: server.Disk) -> tuple[bool, bool, int, str]:
    """Return what to compare disks by: NVMe before others, fixed before removable, larger."""
    return disk.id.startswith("nvme"), not disk.removable, disk.size, disk.id


def _seen(disks: Sequence[server.Disk], occupied: Collection[str]) -> str:
    shown = (f"{disk.id}: {_why_not(disk, occupied)}" for disk in disks[:4])
    return "; ".join(shown) or "there is none"
