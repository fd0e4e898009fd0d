"""Which disk instances go to: never what holds something, never the card unasked."""

import pytest

import disks
from edgecloud import host
from edgecloud.lxd import server


def disk(name, *, size=256, removable=False, partitions=(), read_only=False):
    return server.Disk(name, "", size * 10**9, "", "", removable, read_only, partitions)


CARD = disk("mmcblk0", size=64, partitions=("mmcblk0p1", "mmcblk0p2"))
NVME = disk("nvme0n1")
SSD = disk("sda", size=480)
STICK = disk("sdb", size=512, removable=True)


def choose(*found, wish=disks.AUTO, occupied=()):
    return disks.choose(found, occupied, wish)


@pytest.mark.parametrize(
    ("found", "best"),
    [
        ((CARD, NVME, SSD), "/dev/nvme0n1"),
        ((CARD, STICK, SSD), "/dev/sda"),
        ((CARD, STICK), "/dev/sdb"),
        ((CARD, disk("sda", size=128), disk("sdc", size=256)), "/dev/sdc"),
    ],
)
def test_given_disks_when_chosen_then_the_best_empty_one_is_taken(found, best):
    assert choose(*found).source == best


@pytest.mark.parametrize(
    "unfit",
    [
        CARD,
        disk("mmcblk1", size=64),
        disk("loop3"),
        disk("zram0"),
        disk("sda", size=4),
        disk("sda", read_only=True),
        disk("nvme0n1", partitions=("nvme0n1p1",)),
    ],
)
def test_given_only_an_unfit_disk_when_chosen_then_consent_is_asked_for(unfit):
    with pytest.raises(disks.NoDiskError, match="disk=boot"):
        choose(unfit)


def test_given_a_disk_with_a_file_system_when_chosen_then_it_is_spared():
    with pytest.raises(disks.NoDiskError, match="nvme0n1: holds something"):
        choose(NVME, occupied={"nvme0n1"})


def test_given_consent_when_chosen_then_the_boot_disk_is_taken():
    assert choose(CARD, wish=disks.BOOT).on_boot_disk


def test_given_a_named_disk_that_holds_something_then_it_is_refused_with_the_remedy():
    with pytest.raises(disks.NoDiskError, match="wipefs"):
        choose(CARD, SSD, wish="/dev/sda", occupied={"sda"})


def test_given_a_named_partition_when_chosen_then_it_is_taken():
    assert choose(CARD, wish="/dev/nvme0n1p3").source == "/dev/nvme0n1p3"


def test_given_what_udev_saw_when_looked_up_then_the_disk_counts_as_occupied(tmp_path):
    machine = host.LocalHost(tmp_path)
    machine.write("/sys/class/block/sda/dev", "8:0\n")
    machine.write("/run/udev/data/b8:0", "E:ID_MODEL=x\nE:ID_FS_TYPE=ext4\n")
    machine.write("/sys/class/block/nvme0n1/dev", "259:0\n")
    machine.write("/run/udev/data/b259:0", "E:ID_MODEL=y\n")

    assert disks.occupied(machine, [SSD, NVME, STICK]) == {"sda"}
