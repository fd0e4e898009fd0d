"""A simulated machine: its hardware, its tree of files, its power."""

from __future__ import annotations

import dataclasses
import pathlib
import typing
from typing import Any

from edgelab.pi import faults as fault_types
from edgelab.pi import hardware, history, host, state
from edgelab.pi.lxd import state as lxd_state

if typing.TYPE_CHECKING:
    from edgelab.pi import world as worlds


@dataclasses.dataclass(eq=False)
class Machine:
    """One Raspberry Pi, or a container on one."""

    world: worlds.World = dataclasses.field(repr=False, metadata={"transient": True})
    id: str
    hostname: str
    address: str
    mem_kb: int = 8 * 1024 * 1024
    disk_bytes: int = 64 * 1000**3
    model: str = "Raspberry Pi 5 Model B Rev 1.0"
    arch: str = "arm64"
    release: str = "24.04"
    cores: int = 4
    container_of: str | None = None
    instance: str = ""
    """Which instance of its host's LXD it is; empty for a Pi, and for a container of Juju's."""
    is_apart: bool = False
    """Whether it shares its host's link in such a way that the two do not reach each other."""
    powered: bool = True
    boots: int = 1
    booted_at: float = 0.0
    clock_offset: float = 0.0
    clock_stopped_at: float | None = None
    disk_used: int = 4 * 1000**3
    disk_filled: bool = False
    uplink: bool = True
    snapd_version: str = "2.72"
    has_sudo: bool = True
    extra_addresses: list[str] = dataclasses.field(default_factory=list[str])
    missing_modules: list[str] = dataclasses.field(default_factory=list[str])
    loaded_modules: list[str] = dataclasses.field(default_factory=list[str])
    foreign_ports: list[int] = dataclasses.field(default_factory=list[int])
    packages: list[str] = dataclasses.field(default_factory=list[str])
    snaps: dict[str, state.Snap] = dataclasses.field(default_factory=dict[str, state.Snap])
    changes: list[state.Change] = dataclasses.field(default_factory=list[state.Change])
    snapd_settings: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    acknowledged: list[str] = dataclasses.field(default_factory=list[str])
    units: dict[str, state.Unit] = dataclasses.field(default_factory=dict[str, state.Unit])
    timers: dict[str, state.Timer] = dataclasses.field(default_factory=dict[str, state.Timer])
    watches: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    node: state.Node | None = None
    lxd: lxd_state.Daemon | None = None
    drives: list[dict[str, Any]] = dataclasses.field(default_factory=hardware.usual_drives)
    """As LXD shows the disks of a machine."""
    nft: dict[str, str] = dataclasses.field(default_factory=dict[str, str])
    journal: list[str] = dataclasses.field(default_factory=list[str])
    faults: fault_types.Faults = dataclasses.field(default_factory=fault_types.Faults)
    units_read: dict[str, dict[str, dict[str, list[str]]]] = dataclasses.field(
        default_factory=dict[str, dict[str, dict[str, list[str]]]], metadata={"transient": True}
    )
    """What systemd has read of unit files, and believes until it is told to look again."""
    samples: history.History = dataclasses.field(
        default_factory=history.History, metadata={"transient": True}
    )
    """What a monitor on it has taken in."""
    root: pathlib.Path = dataclasses.field(init=False, metadata={"transient": True})

    def __post_init__(self) -> None:
        self.root = self.world.root / "machines" / self.id
        self._root = str(self.root)

    def host(self) -> host.PiHost:
        """Return what charm code on this machine gets from ``edgecloud.host``."""
        return host.PiHost(self)

    def addresses(self) -> list[str]:
        """Return all its addresses, the one of the default route first."""
        return [self.address, *self.extra_addresses]

    def path(self, path: str) -> pathlib.Path:
        """Return where a path of the machine lies on disk."""
        return self.root / path.lstrip("/")

    def at(self, path: str) -> str:
        """Return where a path of the machine lies on disk, as text, which is quicker."""
        return f"{self._root}/{path.lstrip('/')}"

    def now(self) -> float:
        """Return what the machine's own clock shows, right or wrong."""
        moment = self.world.clock.now() if self.clock_stopped_at is None else self.clock_stopped_at
        return moment + self.clock_offset

    def stop_clock(self) -> None:
        """Let the machine's clock stand still. What others do goes on."""
        self.clock_stopped_at = self.world.clock.now()

    def start_clock(self) -> None:
        """Let the machine's clock run right again."""
        self.clock_stopped_at = None

    def power_off(self) -> None:
        """Pull the plug."""
        if self.powered:
            self.world.catch_up()
            self.powered = False
            hardware.lose_power(self)
            self.world.touch()
            self.world.catch_up()

    def power_on(self) -> None:
        """Plug it in again; it boots."""
        if not self.powered:
            self.world.catch_up()
            self.powered = True
            hardware.boot(self)
            self.world.touch()
            self.world.catch_up()

    def reboot(self) -> None:
        """Restart, as after ``systemctl reboot`` or a dip in the voltage."""
        self.power_off()
        self.power_on()

    def fill_disk(self) -> None:
        """Let something eat up all of the disk: whatever writes fails from now on."""
        self.disk_filled = True

    def free_disk(self) -> None:
        """Give back what :meth:`fill_disk` took."""
        self.disk_filled = False

    def free_bytes(self) -> int:
        """Return how much may still be written."""
        return 0 if self.disk_filled else max(0, self.disk_bytes - self.disk_used)

    def log(self, unit: str, text: str) -> None:
        """Write a line to the journal."""
        self.journal.append(f"{self.world.clock.now():.0f} {unit}: {text}")
        del self.journal[:-500]
