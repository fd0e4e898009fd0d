"""A model of the Pi's boot loader: ``config.txt``, its sections, and the flag of one trial boot.

The flag is gone before the kernel starts. So a kernel that does not come up, or whose machine
loses power, is followed by a plain boot.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Callable

BOOT = "boot/firmware"


DEAD = b"dead"
"""A kernel that begins with this does not come up."""


def _nothing() -> None:
    """Let nobody know."""


class BrickedError(Exception):
    """The default system does not boot: somebody has to drive there."""


@dataclasses.dataclass
class Firmware:
    """One board, as far as booting it goes.

    Attributes:
        root: the machine's files.
        comes_up: says of the kernel command line whether that system reaches its services.
        flag: whether the next boot is a trial.
        came_up: called once a system runs.
        boots: the command lines of all boots so far, and whether each was a trial.
    """

    root: pathlib.Path
    comes_up: Callable[[str], bool]
    flag: bool = False
    came_up: Callable[[], None] = _nothing
    boots: list[tuple[str, bool]] = dataclasses.field(default_factory=list[tuple[str, bool]])

    def reboot(self, arguments: list[str]) -> None:
        """Note what ``reboot`` was told, and start again."""
        self.flag = arguments == ["0 tryboot"]
        self.power_on()

    def power_on(self) -> None:
        """Boot: a trial if the flag stands, and the default after a trial that fails."""
        is_trial, self.flag = self.flag, False
        if not self._boot(is_trial=is_trial) and not (is_trial and self._boot(is_trial=False)):
            raise BrickedError("nothing boots")
        self.came_up()

    def cut_power(self) -> None:
        """Lose the flag with the power, and boot."""
        self.flag = False
        self.power_on()

    def _boot(self, *, is_trial: bool) -> bool:
        folder = self.root / BOOT / self._prefix(is_trial=is_trial)
        try:
            line = (folder / "cmdline.txt").read_text(encoding="utf-8")
            kernel = (folder / "vmlinuz").read_bytes()
        except OSError:
            return False
        self.boots.append((line, is_trial))
        if not kernel or kernel.startswith(DEAD) or not self.comes_up(line):
            return False
        self._show(line, is_trial=is_trial)
        return True

    def _prefix(self, *, is_trial: bool) -> str:
        prefix, holds = "", True
        text = (self.root / BOOT / "config.txt").read_text(encoding="utf-8")
        for line in text.splitlines():
            if line.startswith("["):
                holds = line == "[all]" or (line == "[tryboot]" and is_trial)
            elif holds and line.startswith("os_prefix="):
                prefix = line.partition("=")[2]
        return prefix

    def _show(self, line: str, *, is_trial: bool) -> None:
        """Let the kernel show how it was booted."""
        files = {
            "proc/cmdline": line.encode(),
            "proc/device-tree/chosen/bootloader/tryboot": int(is_trial).to_bytes(4, "big"),
            "proc/sys/kernel/random/boot_id": f"boot-{len(self.boots)}\n".encode(),
        }
        for name, content in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
