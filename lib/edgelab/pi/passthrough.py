"""Programs that are the real ones, run on the machine's own files."""

from __future__ import annotations

import contextlib
import io
import pathlib
import runpy
import subprocess
import sys
import typing

from edgecloud import host as hosts
from edgelab.pi import files, x509
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
    result = subprocess.run(
        [name, *words],
        input=process.stdin,
        stdin=subprocess.DEVNULL if process.stdin is None else None,
        capture_output=True,
        text=True,
        cwd=machine.root,
        timeout=60,
        check=False,
    )
    root = str(machine.root)
    process.put(result.stdout.replace(root, ""))
    if result.stderr:
        process.complain(result.stderr.replace(root, "").rstrip("\n"))
    return result.returncode


def python(process: Process) -> int:
    """Run a Python program of the machine's, here and now, with the machine as its host."""
    words = process.argv[1:]
    while words and words[0].startswith("-"):
        words = words[1:]
    if not words or not files.exists(process.machine, words[0]):
        process.fail(f"python3: can't open file '{words[0] if words else ''}'", 2)
    output, errors = io.StringIO(), io.StringIO()
    former_host, former_words = hosts.use(process.machine.host()), sys.argv
    sys.argv = words
    try:
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            runpy.run_path(str(process.machine.path(words[0])), run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        hosts.use(former_host)
        sys.argv = former_words
    process.put(output.getvalue())
    if errors.getvalue():
        process.complain(errors.getvalue().rstrip("\n"))
    return code


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
