"""How Juju lays an overlay over a bundle."""

from __future__ import annotations

from collections.abc import Mapping

from edgelab import names
from edgelab.bundle.source import Node, Problem

# In these sections of an application an empty value takes the key out of the bundle.
_TAKE_OUT = ("options", "resources", "offers")
_MERGED = ("annotations", "storage", "devices", "bindings", "exposed-endpoints", *_TAKE_OUT)


def merge(base: Node, overlay: Node, problems: list[Problem]) -> Node:
    """Return a bundle with an overlay on top, both as they were written."""
    merged = dict(base.entries)
    for section in ("applications", "saas"):
        if section in overlay.entries:
            _merge_section(merged, section, overlay.entries[section], problems)
    if "relations" in overlay.entries:
        added = overlay.entries["relations"]
        before = merged["relations"].items if "relations" in merged else ()
        # Juju puts the relations of an overlay after those of the bundle.
        merged["relations"] = Node(added.place, (*before, *added.items))
    for key in ("machines", "default-base"):
        if key in overlay.entries and overlay.entries[key].value is not None:
            # The machines of an overlay replace those of the bundle, all of them.
            merged[key] = overlay.entries[key]
    return Node(base.place, merged)


def _merge_section(
    merged: dict[str, Node], section: str, overlay: Node, problems: list[Problem]
) -> None:
    before = merged.get(section, Node(overlay.place, {}))
    entries = dict(before.entries)
    for name, entry in overlay.entries.items():
        if entry.value is not None:
            entries[name] = _merge_entry(entries[name], entry) if name in entries else entry
        elif name in entries:
            del entries[name]
            _forget_relations(merged, name)
        else:
            text = f"there is no {name!r} in {section} to take out{names.hint(name, entries)}"
            problems.append(Problem(entry.place, text))
    merged[section] = Node(before.place, entries)


def _merge_entry(base: Node, overlay: Node) -> Node:
    """Return an application with what an overlay says of it."""
    merged = dict(base.entries)
    for key, value in overlay.entries.items():
        if key in _MERGED and isinstance(value.value, Mapping):
            before = merged.get(key, Node(value.place, {})).entries
            together = _merge_values(before, value.entries, take_out=key in _TAKE_OUT)
            merged[key] = Node(value.place, together)
        else:
            merged[key] = value
    return Node(base.place, merged)


def _merge_values(
    base: Mapping[str, Node], overlay: Mapping[str, Node], *, take_out: bool
) -> dict[str, Node]:
    merged = {**base, **overlay}
    return {k: node for k, node in merged.items() if node.value is not None or not take_out}


def _forget_relations(merged: dict[str, Node], application: str) -> None:
    """Take out the relations of an application that an overlay takes out."""
    if "relations" not in merged:
        return
    relations = merged["relations"]
    kept = [
        pair
        for pair in relations.items
        if application not in (end.text.partition(":")[0] for end in pair.items)
    ]
    merged["relations"] = Node(relations.place, tuple(kept))
