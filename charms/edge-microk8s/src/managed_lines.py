"""Settings in files of other programs: set some lines, remember what they were, put them back.

Works on files of ``KEY=VALUE`` lines: MicroK8s' arguments, where a key is a flag, and its
environments. Lines with other keys, comments and their order stay as they are.
"""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Callable, Mapping

from edgecloud import host
from edgecloud.host import files


@dataclasses.dataclass(frozen=True)
class Edit:
    """What was done to one key of a file."""

    ours: str
    """The value that was set."""
    former: str | None
    """The line that was there before, if there was one."""


Edits = Mapping[str, Edit]


def apply(
    text: str, wanted: Mapping[str, str], edits: Edits, default: Callable[[str], str | None]
) -> tuple[str, dict[str, Edit]]:
    """Return the text with these values in it, and what to remember.

    Args:
        text: the file.
        wanted: a value for each key that shall have one.
        edits: what was remembered last time. Keys in it that are not wanted any more get their
            former line back, unless somebody else has changed them since.
        default: returns the line that a fresh file has for a key. Asked when a key has the
            wanted value already, so that putting it back does not keep it for ever.
    """
    lines = text.splitlines()
    remembered: dict[str, Edit] = {}
    for key in edits:
        if key not in wanted and value_of(lines, key) == edits[key].ours:
            lines = _put(lines, key, edits[key].former)
    for key, value in wanted.items():
        present = value_of(lines, key)
        former = edits[key].former if key in edits else _former(lines, key, value, default)
        remembered[key] = Edit(value, former)
        if present != value:
            lines = _put(lines, key, f"{key}={value}")
    return "".join(f"{line}\n" for line in lines), remembered


def ensure(
    host: host.Host, path: str, wanted: Mapping[str, str], *, state: str, defaults: str = ""
) -> bool:
    """Ensure that a file has these values, and no others that this function set before.

    Args:
        host: the machine.
        path: of the file. Lines that a join or a user wrote over are set again.
        wanted: a value for each key.
        state: path of the JSON file that remembers what was replaced.
        defaults: folder with the files as a fresh installation has them.

    Returns:
        Whether the file changed.
    """
    whole = files.read_state(host, state)
    name = posixpath.basename(path)
    edits = {key: Edit(**edit) for key, edit in whole.get(name, {}).items()}
    if not wanted and not edits:
        return False

    def default(key: str) -> str | None:
        return _line_of(files.read(host, f"{defaults}/{name}").splitlines(), key)

    text = files.read(host, path)
    after, remembered = apply(text, wanted, edits, default if defaults else _nothing)
    if remembered != edits:
        # Before the file itself: a line that was replaced must not be forgotten by a power cut.
        both = {**edits, **remembered}
        _remember(host, state, whole, name, both)
    changed = after != text and files.rewrite(host, path, after)
    if remembered != edits:
        _remember(host, state, whole, name, remembered)
    return changed


def value_of(lines: list[str], key: str) -> str | None:
    """Return the value of a key without its quotes; of the last line if there are several."""
    line = _line_of(lines, key)
    if line is None:
        return None
    return line.strip()[len(key) :].lstrip("= \t").strip().strip("'\"")


def _remember(
    host: host.Host, state: str, whole: Mapping[str, object], name: str, edits: Edits
) -> None:
    kept = {key: value for key, value in whole.items() if key != name}
    if edits:
        kept[name] = {key: dataclasses.asdict(edit) for key, edit in edits.items()}
    files.write_state(host, state, kept)


def _former(
    lines: list[str], key: str, value: str, default: Callable[[str], str | None]
) -> str | None:
    return default(key) if value_of(lines, key) == value else _line_of(lines, key)


def _put(lines: list[str], key: str, line: str | None) -> list[str]:
    """Replace all lines of a key by one, where the first one was, or by none."""
    place = next((at for at, text in enumerate(lines) if _is_of(text, key)), len(lines))
    kept = [text for text in lines if not _is_of(text, key)]
    return kept if line is None else [*kept[:place], line, *kept[place:]]


def _line_of(lines: list[str], key: str) -> str | None:
    return next((line for line in reversed(lines) if _is_of(line, key)), None)


def _is_of(line: str, key: str) -> bool:
    text = line.strip()
    return text == key or text.startswith((f"{key}=", f"{key} ", f"{key}\t"))


def _nothing(key: str) -> str | None:
    return None
