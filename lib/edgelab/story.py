"""Tell what a page of the documentation tells, on a model that is up: type it, show what comes."""

from __future__ import annotations

import pathlib
import textwrap
from collections.abc import Callable, Iterator

from edgelab import walkthrough
from edgelab.juju_commands import CommandError, Shell
from edgelab.model import Model

MOST_LINES = 24
"""What an action prints beyond this is for the page, not for a run that scrolls by."""


class StoryError(Exception):
    """A page that cannot be read or told."""


def read(path: pathlib.Path) -> str:
    """Return a page. Raises StoryError if there is nothing to tell in it."""
    try:
        page = path.read_text(encoding="utf-8")
    except OSError as e:
        raise StoryError(f"{path}: {e.strerror}") from e
    if not any(kind == "command" for kind, _ in walkthrough.script(page)):
        raise StoryError(f"{path}: no commands fenced as sh")
    return page


def tell(juju: Model, page: str, folder: pathlib.Path, say: Callable[[str], None]) -> None:
    """Type what a page types. What it deploys is there already, and is passed by.

    Args:
        juju: the model.
        page: the text of the page.
        folder: what paths in its commands are relative to.
        say: shows a line.
    """
    shell, heading = Shell(juju, folder), ""
    for kind, text in walkthrough.script(page):
        if kind == "heading":
            heading = f"\n== {text}"
        elif kind == "command":
            for line in (*filter(None, [heading]), f"$ {text}"):
                say(line)
            heading = ""
            for line in _printed(shell, text):
                say(line)
        elif not text.startswith("juju deploy"):
            walkthrough.do_aside(shell, text)


def _printed(shell: Shell, command: str) -> Iterator[str]:
    """Yield what a command prints; the status is on the screen all the time."""
    try:
        lines = shell.run(command).splitlines()
    except CommandError as e:
        raise StoryError(str(e)) from e
    if not command.startswith("juju run"):
        return
    yield from (textwrap.indent(line, "  ") for line in lines[:MOST_LINES])
    if len(lines) > MOST_LINES:
        yield f"  … {len(lines) - MOST_LINES} more lines"
