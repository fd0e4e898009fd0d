"""Which keys a bundle and an overlay may have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from edgelab import names
from edgelab.bundle.source import Node, Problem

TOP = frozenset(
    {
        *("applications", "bundle", "default-base", "description", "docs", "issues", "machines"),
        *("name", "relations", "saas", "source", "tags", "website"),
    }
)
APPLICATION = frozenset(
    {
        *("annotations", "base", "bindings", "channel", "charm", "constraints", "devices"),
        *("expose", "exposed-endpoints", "num_units", "offers", "options", "plan", "placement"),
        *("resources", "revision", "scale", "storage", "to", "trust"),
    }
)
MACHINE = frozenset({"annotations", "base", "constraints"})
SAAS = frozenset({"url"})
OVERLAY_ONLY = ("offers", "exposed-endpoints")

# What used to be a key, or is one elsewhere, and what to write instead.
_INSTEAD: Mapping[str, str] = {
    "series": "series is gone from Juju, which ignores it: say default-base: ubuntu@24.04, "
    "or base: ubuntu@24.04 in an application or machine",
    "services": "services is called applications now",
    "num-units": "num-units is spelt num_units",
    "units": "units is spelt num_units",
    "config": "config is called options in a bundle",
    "placement": "placement is for Kubernetes; on machines it is to: a list",
    "integrations": "integrations are called relations in a bundle",
}


def problems(document: Node, *, is_overlay: bool) -> Iterator[Problem]:
    """Yield the keys that do not belong into a document, and those that Juju would ignore."""
    if not document.entries:
        yield Problem(document.place, "this is no bundle: not a mapping of keys to values")
        return
    yield from _unknown(document, TOP, "a bundle")
    if is_overlay and "bundle" in document.entries:
        yield Problem(document.entries["bundle"].place, "an overlay cannot change bundle:")
    for section, known, kind in (
        ("applications", APPLICATION, "an application"),
        ("machines", MACHINE, "a machine"),
        ("saas", SAAS, "a saas entry"),
    ):
        if section in document.entries:
            for entry in document.entries[section].entries.values():
                yield from _unknown(entry, known, kind)
    if not is_overlay:
        yield from _too_early(document)


def _unknown(node: Node, known: frozenset[str], kind: str) -> Iterator[Problem]:
    for key, value in node.entries.items():
        if key in _INSTEAD:
            yield Problem(value.place, _INSTEAD[key])
        elif key not in known:
            yield Problem(value.place, f"{kind} has no key {key!r}{names.hint(key, known)}")


def _too_early(document: Node) -> Iterator[Problem]:
    """Yield what only an overlay, or a later document of the same file, may say."""
    if "applications" not in document.entries:
        return
    for application in document.entries["applications"].entries.values():
        for key in OVERLAY_ONLY:
            if key in application.entries:
                text = f"{key} may only stand in an overlay, or after a line of --- in this file"
                yield Problem(application.entries[key].place, text)
