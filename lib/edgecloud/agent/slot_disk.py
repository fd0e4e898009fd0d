"""Write an image to the partition of the other system, and read back that it is there."""

from __future__ import annotations

import hashlib
import os
import pathlib

BLOCK = 1 << 20


class DiskError(Exception):
    """The image is not on the partition as it should be."""


def write(image: pathlib.Path, device: pathlib.Path) -> None:
    """Copy an image to a partition, and have it on the medium before this returns."""
    size = image.stat().st_size
    if size > size_of(device):
        raise DiskError(f"the image takes {size} bytes; the partition has {size_of(device)}")
    target = os.open(device, os.O_WRONLY)
    try:
        with image.open("rb") as source:
            while block := source.read(BLOCK):
                _write_block(target, block)
        os.fsync(target)
    finally:
        os.close(target)


def _write_block(target: int, block: bytes) -> None:
    rest = memoryview(block)
    while rest:
        rest = rest[os.write(target, rest) :]


def digest(device: pathlib.Path, size: int) -> str:
    """Return the SHA-256 of the first bytes of a partition, as the medium has them."""
    sum_, left = hashlib.sha256(), size
    source = os.open(device, os.O_RDONLY)
    try:
        # What is only in the cache would prove nothing about the medium.
        os.posix_fadvise(source, 0, 0, os.POSIX_FADV_DONTNEED)
        while left and (block := os.read(source, min(BLOCK, left))):
            sum_.update(block)
            left -= len(block)
    finally:
        os.close(source)
    return sum_.hexdigest()


def size_of(device: pathlib.Path) -> int:
    """Return how many bytes a partition, or a file in its place, holds."""
    descriptor = os.open(device, os.O_RDONLY)
    try:
        return os.lseek(descriptor, 0, os.SEEK_END)
    finally:
        os.close(descriptor)
