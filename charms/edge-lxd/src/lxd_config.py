"""The options of this charm, checked once; every problem is reported at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import cluster_setup
import disks
import node_profile
import pool_options
import pool_plan
import site_network

OLDEST_TRACK = (5, 21)
"""As far back as this charm goes: 5.0 has lost its support soon, and knows less."""

REPAIR, REPORT = "repair", "report"

_CHANNEL = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:/(?:stable|candidate|beta|edge))?")
_INTERFACE = re.compile(r"[a-z][a-z0-9_.-]{0,14}")
_SIZE = re.compile(r"[1-9][0-9]{0,5}(MiB|GiB)")


class ConfigError(Exception):
    """Options that cannot be used; says every problem with its remedy."""

    def __init__(self, problems: list[str]):
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class LxdConfig:
    """What an operator sets."""

    channel: str = "5.21/stable"
    disk: str = disks.AUTO
    storage_driver: str = cluster_setup.BTRFS
    storage_size: str = "20GiB"
    network: str = site_network.AUTO
    node_profile: str = node_profile.NONE
    privileged_nodes: bool = False
    profile_drift: str = REPAIR
    nodes: int = 0
    node_type: str = pool_options.CONTAINER
    node_cpu: int = 2
    node_memory: str = "2GiB"
    node_disk: str = "16GiB"
    node_placement: str = pool_plan.EACH
    node_channel: str = "1.35/stable"
    node_image: str = ""
    node_image_server: str = ""

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ConfigError(problems)

    @property
    def has_privileged(self) -> bool:
        """Whether anything gets the privileges that the operator agreed to."""
        return self.privileged_nodes and (self.nodes > 0 or self.node_profile != node_profile.NONE)

    @property
    def full_channel(self) -> str:
        """The channel with both its parts."""
        return self.channel if "/" in self.channel else f"{self.channel}/stable"


def track_problem(config: LxdConfig, version: str) -> str:
    """Return what to mend if the channel lies below the installed LXD, or that one is too old.

    Args:
        config: the options.
        version: of the installed LXD, as snapd shows it: ``5.21.4-8caf727``.
    """
    track, installed = _track(config.channel), _track(version)
    if not installed:
        return ""
    if installed < OLDEST_TRACK:
        return (
            f"LXD {version} is too old: Juju may have put it there, so set `juju model-config"
            f" lxd-snap-channel={config.full_channel}`, then refresh the snap to it"
        )
    if track >= installed[: len(track)]:
        return ""
    shown = ".".join(map(str, installed[: 2 if installed[0] < 6 else 1]))
    return (
        f"channel={config.channel} is below LXD {version}, whose database cannot go back:"
        f" set {shown}/stable"
    )


def _problems(config: LxdConfig) -> Iterator[str]:
    if _CHANNEL.fullmatch(config.channel) is None:
        yield f"channel={config.channel}: set a track, such as 5.21 or 5.21/stable; never latest"
    elif _track(config.channel) < OLDEST_TRACK:
        yield f"channel={config.channel}: below 5.21 is not supported, set 5.21/stable"
    if config.disk not in (disks.AUTO, disks.BOOT) and not config.disk.startswith("/dev/"):
        yield f"disk={config.disk}: set auto, boot, or the path of a disk such as /dev/sda"
    if config.storage_driver not in cluster_setup.DRIVERS:
        yield f"storage-driver={config.storage_driver}: set btrfs or dir"
    if _SIZE.fullmatch(config.storage_size) is None:
        yield f"storage-size={config.storage_size}: write a size such as 20GiB"
    if _INTERFACE.fullmatch(config.network) is None:
        yield f"network={config.network}: set auto, managed, macvlan, or a bridge such as br0"
    yield from _profile_problems(config)
    yield from pool_options.problems(config)


def _profile_problems(config: LxdConfig) -> Iterator[str]:
    if config.node_profile not in node_profile.PLACES:
        yield f"node-profile={config.node_profile}: set none, project or default"
    if config.profile_drift not in (REPAIR, REPORT):
        yield f"profile-drift={config.profile_drift}: set repair or report"


def _track(text: str) -> tuple[int, ...]:
    """Return the numbers that a channel or a version begins with."""
    return tuple(int(number) for number in re.findall(r"[0-9]+", re.split(r"[-/]", text)[0]))
