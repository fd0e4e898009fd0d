"""Pages whose commands can be typed in the lab: find the commands, fill in what they print.

A page is Markdown. A block fenced as ``sh`` holds commands; a block fenced as ``text`` right after
it holds what they print. A comment ``<!-- lab: … -->`` is for the lab only: a command that the
reader does not see, a fault as :mod:`edgelab.faults` writes it, for what a hand does, or ``wait``
with seconds.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import re
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from edgelab import faults
from edgelab.juju_commands import Shell
from edgelab.model import Model

_STEP = re.compile(
    r"<!-- lab: (?P<aside>.+?) -->|"
    r"^(?P<indent> *)```sh\n(?P<commands>.*?)^ *```\n(?P<gap>\n* *```text\n)?",
    re.MULTILINE | re.DOTALL,
)
_END = re.compile(r"^ *```$", re.MULTILINE)


class _InOrder(random.Random):
    """Chance that always chooses the first, so that a page shows the same whatever charms do."""

    def choice(self, seq: Any) -> Any:
        """Return the first of several."""
        return seq[0]


def model_in_order(folder: pathlib.Path | None = None) -> Model:
    """Return a model whose units take their turns, and become leaders, in the order of names."""
    juju = Model(folder)
    juju.random = _InOrder(0)
    return juju


def rewritten(page: str, shell: Shell) -> str:
    """Return a page with what its commands print today in place of what it shows.

    Raises juju_commands.CommandError for a command that the lab does not speak or that fails.
    """
    return "".join(_pieces(page, shell))


def _pieces(page: str, shell: Shell) -> Iterator[str]:
    position = 0
    for step in _STEP.finditer(page):
        yield page[position : step.end()]
        position = step.end()
        if step["aside"]:
            do_aside(shell, step["aside"])
            continue
        printed = [shell.run(line) for line in commands(step["commands"])]
        if step["gap"]:
            text = "\n".join(lines for lines in printed if lines)
            yield "".join(f"{step['indent']}{line}".rstrip() + "\n" for line in text.splitlines())
            end = _END.search(page, position)
            position = end.start() if end else len(page)
    yield page[position:]


def script(page: str) -> Iterator[tuple[str, str]]:
    """Yield what a page does, in order: each a kind and a text.

    Kinds: ``heading``; ``aside``, for the lab only; ``command``.
    """
    for step in re.finditer(rf"^## (?P<heading>[^\n]+)$|{_STEP.pattern}", page, _STEP.flags):
        if step["heading"]:
            yield "heading", step["heading"]
        elif step["aside"]:
            yield "aside", step["aside"]
        for line in commands(step["commands"] or ""):
            yield "command", line


def commands_of(page: str) -> list[str]:
    """Return all commands of a page that its reader sees."""
    return [line for step in _STEP.finditer(page) for line in commands(step["commands"] or "")]


def commands(block: str) -> list[str]:
    """Return the commands of a block, those continued on the next line in one piece."""
    lines = re.sub(r"\\\n\s*", "", block).splitlines()
    return [line.strip() for line in lines if line.strip()]


def do_aside(shell: Shell, aside: str) -> None:
    """Do what the reader does not see, or does by hand."""
    if aside.startswith("juju "):
        shell.run(aside)
        return
    word, _, seconds = aside.partition(" ")
    if word == "wait" and seconds.isdigit():
        shell.juju.advance(float(seconds))
        return
    faults.arm(shell.juju, faults.parse(aside))
    shell.juju.advance(1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write into pages what their commands print today. Return the exit code."""
    parser = argparse.ArgumentParser(description="Fill in what the commands of pages print.")
    parser.add_argument("pages", type=pathlib.Path, nargs="+")
    for path in parser.parse_args(arguments).pages:
        with model_in_order() as juju:
            page = rewritten(path.read_text(encoding="utf-8"), Shell(juju, pathlib.Path.cwd()))
        path.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
