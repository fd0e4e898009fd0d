"""Programs that are the real ones, run on the machine's own files."""

from __future__ import annotations

import contextlib
import functools
import io
import pathlib
import runpy
import subprocess
import sys
import time
import types
import typing
from collections.abc import Generator

from edgecloud import host as hosts
from edgelab.pi import files, tasks, x509
from edgelab.pi.process import Process

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines


def real(process: Process) -> int:
    """Run the real program, with the machine's paths in place of this computer's."""
    machine = process.machine
    name = pathlib.PurePosixPath(process.argv[0]).name
    first = process.argv[1] if len(process.argv) > 1 else ""
    writes = name == "tar" and ("--create" in process.argv or "c" in first.strip("-")[:1])
    if writes and machine.free_bytes() == 0:
        process.fail(f"{name}: write error: No space left on device", 2)
    words = [_mapped(machine, word) for word in process.argv[1:]]
    pure = (name, *words[:2]) == _SHOWS_INPUT and not any("/" in word for word in words)
    run, folder = (_shown, "/") if pure else (_run, str(machine.root))
    result = run((name, *words), process.stdin, folder)
    root = str(machine.root)
    process.put(result.stdout.replace(root, ""))
    if result.stderr:
        process.complain(result.stderr.replace(root, "").rstrip("\n"))
    return result.returncode


def _run(
    argv: tuple[str, ...], stdin: str | None, folder: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=60,
        check=False,
    )


_SHOWS_INPUT = ("openssl", "x509", "-noout")
_shown = functools.lru_cache(maxsize=256)(_run)
"""What a program shows of its input alone is the same each time, and is asked in each hook."""


def python(process: Process) -> int:
    """Run a Python program of the machine's, here and now, with the machine as its host."""
    words = process.argv[1:]
    while words and words[0].startswith("-"):
        words = words[1:]
    if not words or not files.exists(process.machine, words[0]):
        process.fail(f"python3: can't open file '{words[0] if words else ''}'", 2)
    stage = _Interpreter(process, words)
    with tasks.staged(stage):
        try:
            runpy.run_path(str(process.machine.path(words[0])), run_name="__main__")
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(end.code is not None)
    process.put(stage.output.getvalue())
    if stage.errors.getvalue():
        process.complain(stage.errors.getvalue().rstrip("\n"))
    return code


class _Interpreter:
    """What a program finds: its own arguments, the machine as its host, simulated time.

    It uses the modules of this lab, also where it was started by a charm that has its own.
    """

    def __init__(self, process: Process, words: list[str]):
        self.output, self.errors = io.StringIO(), io.StringIO()
        self._process, self._words = process, words
        self._former: contextlib.ExitStack | None = None

    def enter(self) -> None:
        """Make the changes."""
        stack = contextlib.ExitStack()
        stack.enter_context(_own_modules())
        stack.callback(hosts.use, hosts.use(self._process.machine.host()))
        stack.enter_context(contextlib.redirect_stdout(self.output))
        stack.enter_context(contextlib.redirect_stderr(self.errors))
        stack.enter_context(_swapped(sys, "argv", self._words))
        stack.enter_context(_swapped(time, "sleep", self._process.spend))
        stack.enter_context(_swapped(time, "monotonic", self._process.machine.world.monotonic))
        self._former = stack

    def leave(self) -> None:
        """Take them back."""
        assert self._former is not None
        self._former.close()


@contextlib.contextmanager
def _swapped(owner: object, name: str, value: object) -> Generator[None]:
    former = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, former)


@contextlib.contextmanager
def _own_modules() -> Generator[None]:
    if sys.modules.get(hosts.__name__) is hosts:
        yield
        return
    hidden = _take()
    sys.modules.update(_OWN)
    try:
        yield
    finally:
        _OWN.update(_take())
        sys.modules.update(hidden)


def _take() -> dict[str, types.ModuleType]:
    """Remove the shared package from the interpreter, and return its modules."""
    package = hosts.__name__.partition(".")[0]
    names = [name for name in sys.modules if name.partition(".")[0] == package]
    return {name: sys.modules.pop(name) for name in names}


_OWN = {
    name: module
    for name, module in sys.modules.items()
    if name.partition(".")[0] == hosts.__name__.partition(".")[0]
}


def openssl(process: Process) -> int:
    """Run the real openssl, except where it would look at this computer's clock."""
    words = process.argv[1:]
    if words[:1] != ["x509"] or "-checkend" not in words:
        return real(process)
    seconds = float(words[words.index("-checkend") + 1])
    text = process.stdin or ""
    if "-in" in words:
        text = files.read(process.machine, words[words.index("-in") + 1])
    if not text:
        process.fail("Could not open file or uri for loading certificate")
    expires = x509.not_after(text) <= process.machine.now() + seconds
    process.say(f"Certificate will {'' if expires else 'not '}expire")
    return int(expires)


def _mapped(machine: machines.Machine, word: str) -> str:
    """Return a word of the command line with the machine's root before its path."""
    flag, equals, path = word.rpartition("=")
    if not path.startswith("/"):
        return word
    return f"{flag}{equals}{machine.path(path)}"
