"""``/bin/sh -c``: the real shell on the machine's own files, and what it hands over to."""

from __future__ import annotations

import re
import shlex
import subprocess

from edgelab.pi import files
from edgelab.pi.process import Process

_FEED = re.compile(r"exec < (?P<path>\S+) \|\| exit 1; rm -f (?P=path); exec \"\$@\"")
"""Open a file, remove it, and become another program that reads it."""
_PATH = re.compile(r"(?<![\w./:*-])/(?=[\w*])")


def run(process: Process) -> int:
    """Run a script: one that becomes another program, or one about files."""
    words = process.argv[1:]
    if len(words) < 2 or words[0] != "-c":
        process.fail("sh: 0: only -c is known here", 2)
    feed = _FEED.fullmatch(words[1])
    if feed is not None:
        return _become(process, feed["path"], words[3:])
    return _run(process, words[1])


def changes_files(script: str) -> bool:
    """Return whether a script is more than a look at files."""
    return not script.startswith(("test ", "for "))


def _become(process: Process, path: str, words: list[str]) -> int:
    machine = process.machine
    if not files.exists(machine, path):
        process.fail(f"sh: 1: cannot open {path}: No such file", 1)
    text = files.read(machine, path)
    files.remove(machine, path)
    try:
        done = process.world.run(
            machine, words, timeout_s=process.timeout_s, stdin=text, env=process.env
        )
    except FileNotFoundError:
        process.fail(f"sh: 1: {words[0]}: not found", 127)
    process.put(done.stdout)
    if done.stderr:
        process.complain(done.stderr.rstrip("\n"))
    return done.returncode


def _run(process: Process, script: str) -> int:
    """Run a script by the shell of this computer, with the machine's paths in place of its own."""
    root = str(process.machine.root)
    # Simulated programs are no programs here, so a script that calls one finds none.
    done = subprocess.run(
        ("/bin/sh", "-c", _PATH.sub(f"{shlex.quote(root)}/", script)),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=process.machine.root,
        timeout=60,
        check=False,
    )
    process.put(done.stdout.replace(root, ""))
    if done.stderr:
        process.complain(done.stderr.replace(root, "").rstrip("\n"))
    return done.returncode
