"""The options of a pool of nodes, checked; every problem is said with its remedy. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

import pool_plan

CONTAINER = "container"
VM = "vm"
MOST = 50
"""As many nodes as one machine is asked to host, at the most."""

_SIZE = re.compile(r"([1-9][0-9]{0,5})(MiB|GiB)")
_CHANNEL = re.compile(r"[1-9][0-9]*\.[0-9]+(/(stable|candidate|beta|edge))?")
_LEAST_MEMORY_MIB = 512
_LEAST_DISK_MIB = 4096


class Options(Protocol):
    """What an operator sets."""

    @property
    def nodes(self) -> int: ...  # noqa: D102
    @property
    def node_type(self) -> str: ...  # noqa: D102
    @property
    def node_cpu(self) -> int: ...  # noqa: D102
    @property
    def node_memory(self) -> str: ...  # noqa: D102
    @property
    def node_disk(self) -> str: ...  # noqa: D102
    @property
    def node_placement(self) -> str: ...  # noqa: D102
    @property
    def node_channel(self) -> str: ...  # noqa: D102
    @property
    def privileged_nodes(self) -> bool: ...  # noqa: D102


def problems(options: Options) -> Iterator[str]:
    """Yield what is wrong with the options."""
    if not 0 <= options.nodes <= MOST:
        yield f"nodes={options.nodes}: set a number from 0 to {MOST}"
    if options.node_type not in (CONTAINER, VM):
        yield f"node-type={options.node_type}: set container or vm"
    if options.node_cpu < 1:
        yield f"node-cpu={options.node_cpu}: set 1 or more"
    if mib(options.node_memory) < _LEAST_MEMORY_MIB:
        yield f"node-memory={options.node_memory}: write a size from 512MiB, such as 2GiB"
    if mib(options.node_disk) < _LEAST_DISK_MIB:
        yield f"node-disk={options.node_disk}: write a size from 4GiB, such as 16GiB"
    if options.node_placement not in (pool_plan.EACH, pool_plan.SPREAD):
        yield f"node-placement={options.node_placement}: set each or spread"
    if _CHANNEL.fullmatch(options.node_channel) is None:
        yield f"node-channel={options.node_channel}: set a Kubernetes version, such as 1.35/stable"
    if options.nodes and options.node_type == CONTAINER and not options.privileged_nodes:
        yield (
            "privileged-nodes=false: MicroK8s in containers needs privileges, so set it to true"
            " or set node-type=vm"
        )


def mib(text: str) -> int:
    """Return a size in MiB; 0 if it is none."""
    found = _SIZE.fullmatch(text)
    if found is None:
        return 0
    return int(found.group(1)) * (1024 if found.group(2) == "GiB" else 1)
