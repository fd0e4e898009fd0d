"""A machine inside an instance, reached through LXD, as a host that all drivers work on."""

from __future__ import annotations

import pathlib
import shlex
import subprocess
import time
from collections.abc import Mapping, Sequence

from edgecloud.host import failures
from edgecloud.lxd import client as lxd
from edgecloud.lxd import errors, guest

INPUT = "/run/edge-input"
"""Where a command's standard input lies until its shell has opened it. Gone with the next boot."""

_QUICK_S = 20.0
_MISSING = 127
_NOWHERE = "Command not found"
# The file is gone before the command begins, so that whatever cuts it short leaves nothing.
_FED = f'exec < {INPUT} || exit 1; rm -f {INPUT}; exec "$@"'


class GuestHost:
    """An instance as an :class:`edgecloud.host.Host`. It must run."""

    def __init__(self, client: lxd.Client, instance: str):
        self._client = client
        self._instance = instance

    def run(
        self,
        command: Sequence[str],
        *,
        timeout_s: float,
        stdin: str | None = None,
        env: Mapping[str, str] | None = None,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command to its end. What it reads goes by a file of root's, never by LXD's log."""
        words = list(command)
        if stdin is not None:
            self._push(INPUT, stdin, 0o600)
            words = ["/bin/sh", "-c", _FED, "sh", *words]
        try:
            done = guest.run(self._client, self._instance, words, timeout_s=timeout_s, env=env)
        except errors.UnfinishedError as error:
            raise subprocess.TimeoutExpired(list(command), timeout_s) from error
        except errors.LxdError as error:
            # LXD makes a failure of its own of the shell's code for a program that is not there.
            if _NOWHERE in str(error):
                raise FileNotFoundError(2, "No such file or directory", command[0]) from error
            raise OSError(f"{self._instance}: {error}") from error
        finally:
            if stdin is not None:
                self._forget(INPUT)
        if done.exit_code == _MISSING:
            raise FileNotFoundError(2, "No such file or directory", command[0])
        if check and done.exit_code:
            raise subprocess.CalledProcessError(
                done.exit_code, list(command), done.stdout, done.stderr
            )
        return subprocess.CompletedProcess(list(command), done.exit_code, done.stdout, done.stderr)

    def read(self, path: str) -> str:
        """Return a text file. A power cut leaves bytes that are no text: each becomes a sign."""
        try:
            return guest.pull(self._client, self._instance, path).decode(errors="replace")
        except errors.NotFoundError as error:
            raise FileNotFoundError(2, "No such file or directory", path) from error
        except errors.LxdError as error:
            raise OSError(f"{self._instance}: {error}") from error

    def write(self, path: str, text: str, *, mode: int = 0o644) -> bool:
        """Make a file hold this text, at once or not at all. Return whether anything changed."""
        try:
            if self.read(path) == text:
                return False
        except FileNotFoundError:
            self._shell("mkdir -p -- " + shlex.quote(str(pathlib.PurePosixPath(path).parent)))
        self._push(f"{path}.new", text, mode)
        self._shell(f"mv -f -- {shlex.quote(path + '.new')} {shlex.quote(path)}")
        return True

    def remove(self, path: str) -> bool:
        """Remove a file if it is there. Return whether it was."""
        if not self.exists(path):
            return False
        self._shell(f"rm -f -- {shlex.quote(path)}")
        return True

    def exists(self, path: str) -> bool:
        """Return whether a file or folder is there."""
        return self._shell(f"test -e {shlex.quote(path)}", check=False).returncode == 0

    def glob(self, pattern: str) -> list[str]:
        """Return the paths that match an absolute shell pattern, sorted."""
        script = f'for one in {pattern}; do test -e "$one" && echo "$one"; done; true'
        return sorted(self._shell(script).stdout.splitlines())

    def path(self, path: str) -> pathlib.Path:
        """Refuse: nothing of an instance lies where this machine could open it."""
        raise OSError(f"{path} is inside {self._instance}")

    def free_bytes(self, path: str) -> int:
        """Return the bytes that may still be written below this path."""
        blocks, size = self._shell(f"stat -f -c '%a %S' {shlex.quote(path)}").stdout.split()
        return int(blocks) * int(size)

    def free_inodes(self, path: str) -> int:
        """Return the files that may still be made below this path."""
        return int(self._shell(f"stat -f -c %d {shlex.quote(path)}").stdout)

    def now(self) -> float:
        """Return the clock, which an instance has of its machine."""
        return time.time()

    def _shell(self, script: str, *, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Do with a shell what other hosts do with files: it fails as files do."""
        try:
            return self.run(("/bin/sh", "-c", script), timeout_s=_QUICK_S, check=check)
        except subprocess.SubprocessError as error:
            what = f"{self._instance}: {script.partition(' ')[0]}"
            raise OSError(failures.explain(error, what)) from error

    def _push(self, path: str, text: str, mode: int) -> None:
        try:
            guest.push(self._client, self._instance, path, text.encode(), mode=mode)
        except errors.LxdError as error:
            raise OSError(f"{self._instance}: {error}") from error

    def _forget(self, path: str) -> None:
        """Remove a file that its reader should have removed, in case that never began."""
        try:
            guest.run(self._client, self._instance, ("rm", "-f", path), timeout_s=_QUICK_S)
        except errors.LxdError:
            return  # The instance is gone or stopped, and its /run with it.
