"""The LXD profile of a pool's nodes: what MicroK8s needs in an instance, and its limits. Pure."""

from __future__ import annotations

from dataclasses import dataclass

import node_profile
from edgecloud.lxd import instances


@dataclass(frozen=True)
class Shape:
    """What all nodes of a pool are like."""

    kind: str = instances.CONTAINER
    cpu: int = 2
    memory: str = "2GiB"
    disk: str = "16GiB"
    privileged: bool = True
    """What MicroK8s needs in a container. Root in such a node is root on the machine."""


def config(shape: Shape) -> dict[str, str]:
    """Return the keys of the profile."""
    limits = {"limits.cpu": str(shape.cpu), "limits.memory": shape.memory}
    node = node_profile.config(privileged=shape.privileged)
    common = {key: value for key, value in node.items() if value is not None}
    if shape.kind == instances.VIRTUAL_MACHINE:
        plain = {key: one for key, one in common.items() if key.startswith(("boot.", "cluster."))}
        # Firmware for Pi 4 and 5 fails with it.
        return {**plain, **limits, "security.secureboot": "false"}
    return {
        **common,
        **limits,
        "limits.memory.enforce": "hard",
        # What is beyond the limit must not go on by wearing out the card.
        "limits.memory.swap": "false",
    }


def devices(shape: Shape, storage: str) -> dict[str, dict[str, str]]:
    """Return the devices of the profile."""
    root = {"type": "disk", "path": "/", "pool": storage, "size": shape.disk}
    if shape.kind == instances.VIRTUAL_MACHINE:
        return {"root": root}
    inside = {name: dict(one) for name, one in node_profile.devices().items() if one is not None}
    return {"root": root, **inside}
