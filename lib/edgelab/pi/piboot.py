"""A board with Ubuntu's boot layout from 25.10 on, and a model of ``piboot-try`` and its services.

``piboot-try`` promises that a good kernel is in its place at every moment of its renaming, so that
is one step here.
"""

from __future__ import annotations

import pathlib
import subprocess
from collections.abc import Callable, Mapping, Sequence

from edgecloud import host
from edgelab.pi import tryboot
from edgelab.pi.two_slots import SICK, Rebooted

CONFIG = "[all]\nos_prefix=current/\n[tryboot]\nos_prefix=new/\n[all]\narm_64bit=1\n"
VALIDATION = "piboot-try-validate.service"


class Board(host.LocalHost):
    """A machine of one system, whose kernels are tried before they are kept."""

    def __init__(self, root: pathlib.Path):
        super().__init__(root)
        self.seconds = 1_800_000_000.0
        self.firmware = tryboot.Firmware(root, lambda line: True, came_up=self._early)
        self.calls: list[tuple[str, ...]] = []
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        """Called around every command that changes something."""

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command; a reboot ends the caller."""
        if command[0].endswith("/ssh-keygen"):
            return super().run(command, timeout_s=timeout_s, stdin=stdin, env=env, check=check)
        program = self._programs().get(command[0])
        if command[0].startswith("/etc/edge-agent/"):
            return self._answer(command, int(self.is_sick()), check=check)
        if program is None:
            raise FileNotFoundError(2, "No such file or directory", command[0])
        self.calls.append(tuple(command))
        self.before()
        code = program(list(command[1:]))
        self.after()
        return self._answer(command, code, check=check)

    def _programs(self) -> dict[str, Callable[[list[str]], int]]:
        return {
            "/usr/sbin/reboot": self._reboot,
            "/usr/sbin/piboot-try": self._piboot_try,
            "/usr/bin/systemctl": self._systemctl,
        }

    def now(self) -> float:
        """Return a clock that only the test moves."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds

    def folder(self, name: str) -> pathlib.Path:
        """Return one of the three folders of boot files."""
        return self.root / tryboot.BOOT / name

    def state(self, name: str) -> str:
        """Return what is written about a folder; empty if it is not there."""
        path = self.folder(name) / "state"
        return path.read_text(encoding="utf-8").strip() if path.exists() else ""

    def kernel(self) -> bytes:
        """Return the kernel that runs."""
        line, _ = self.firmware.boots[-1]
        folders = ("new", "current", "old") if self.is_on_trial() else ("current", "new", "old")
        for name in folders:
            path = self.folder(name) / "cmdline.txt"
            if path.exists() and path.read_text(encoding="utf-8") == line:
                return (self.folder(name) / "vmlinuz").read_bytes()
        raise AssertionError("what was booted is gone")

    def is_sick(self) -> bool:
        """Return whether the system is ill with the kernel that runs."""
        return self.kernel().startswith(SICK)

    def is_on_trial(self) -> bool:
        """Return whether this boot is a trial."""
        return self.firmware.boots[-1][1]

    def validate(self) -> int:
        """Do what the validation does late in the boot: keep a kernel on trial that is well."""
        if not self.is_on_trial() or self.state("new") != "trying":
            return 0
        if self.is_sick():
            return 1
        self._mark("new", "good")
        self._rename("current", "old")
        self._rename("new", "current")
        return 0

    def _early(self) -> None:
        """Try what nobody tried yet, and note what fell back."""
        if self.is_on_trial():
            return
        if self.state("new") == "trying":
            self._mark("new", "bad")
        elif self.state("new") == "unknown":
            self._mark("new", "trying")
            self.firmware.reboot(["0 tryboot"])

    def _reboot(self, words: list[str]) -> int:
        self.firmware.reboot(words)
        raise Rebooted

    def _piboot_try(self, words: list[str]) -> int:
        untested = self.state("new") == "unknown"
        if words == ["--test"]:
            return 0 if untested else 1
        if words == ["--reboot"]:
            if untested:
                self._mark("new", "trying")
                self._reboot(["0 tryboot"])
            return 0
        if words == ["--restore-old"] and self.folder("old").exists():
            self._rename("current", "new")
            self._rename("old", "current")
            return 0
        return 1

    def _systemctl(self, words: list[str]) -> int:
        if words == ["start", VALIDATION]:
            return self.validate()
        return 0 if words == ["stop", VALIDATION] else 5

    def _mark(self, name: str, text: str) -> None:
        (self.folder(name) / "state").write_text(text + "\n", encoding="utf-8")

    def _rename(self, name: str, to: str) -> None:
        self.folder(name).rename(self.folder(to))

    def _answer(
        self, command: Sequence[str], code: int, *, check: bool
    ) -> subprocess.CompletedProcess[str]:
        result = subprocess.CompletedProcess(list(command), code, "", "no\n" * code)
        if check:
            result.check_returncode()
        return result


def flash(board: Board) -> None:
    """Put a first system on a board, and boot it."""
    folder = board.folder("current")
    folder.mkdir(parents=True)
    (folder / "vmlinuz").write_bytes(b"old kernel")
    line = "console=tty1 root=LABEL=writable panic=10\n"
    (folder / "cmdline.txt").write_text(line, encoding="utf-8")
    (folder / "state").write_text("good\n", encoding="utf-8")
    (folder.parent / "config.txt").write_text(CONFIG, encoding="utf-8")
    for program in ("usr/sbin/piboot-try", "etc/flash-kernel/piboot-validate"):
        path = board.root / program
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("", encoding="utf-8")
    board.firmware.power_on()
