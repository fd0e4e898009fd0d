"""The options of this charm, checked once; every problem is reported at once."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

OLDEST_TRACK = (5, 21)
"""As far back as this charm goes: 5.0 has lost its support soon, and knows less."""

_CHANNEL = re.compile(r"([0-9]+(?:\.[0-9]+)?)(?:/(?:stable|candidate|beta|edge))?")


class ConfigError(Exception):
    """Options that cannot be used; says every problem with its remedy."""

    def __init__(self, problems: list[str]):
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class LxdConfig:
    """What an operator sets."""

    channel: str = "5.21/stable"

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ConfigError(problems)

    @property
    def full_channel(self) -> str:
        """The channel with both its parts."""
        return self.channel if "/" in self.channel else f"{self.channel}/stable"


def track_problem(config: LxdConfig, version: str) -> str:
    """Return what to set back if the channel lies below the LXD that is installed.

    Args:
        config: the options.
        version: of the installed LXD, as snapd shows it: ``5.21.4-8caf727``.
    """
    track, installed = _track(config.channel), _track(version)
    if not installed or track >= installed[: len(track)]:
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


def _track(text: str) -> tuple[int, ...]:
    """Return the numbers that a channel or a version begins with."""
    return tuple(int(number) for number in re.findall(r"[0-9]+", re.split(r"[-/]", text)[0]))
