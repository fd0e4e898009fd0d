"""Which metrics there are: those of our own, and those that the exporters were seen to have."""

import pathlib
import re

from edgecloud.metrics import node, site_upgrade

CAPTURED = pathlib.Path(__file__).parent / "captured"

_WORD = re.compile(r"[a-z_:][a-z0-9_:]*", re.IGNORECASE)
_LITERAL = re.compile(r'"(?:\\.|[^"\\])*"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)")
_MATCHER = re.compile(r"\{[^}]*\}")
_RANGE = re.compile(r"\[[^\]]*\]")
_VARIABLE = re.compile(r"\$\{?\w+\}?")


def known():
    """Return the names of all metrics that something on a site serves."""
    files = sorted(CAPTURED.glob("*.txt"))
    captured = {
        line
        for file in files
        for line in file.read_text().splitlines()
        if not line.startswith("#")
    }
    ours = (*node.METRICS, *site_upgrade.METRICS)
    return captured | {name for metric in ours for name in metric.series}


def asked(expression):
    """Return the names of the metrics that an expression asks for."""
    text = _LITERAL.sub('""', expression)
    for pattern in (_MATCHER, _RANGE, _GROUPING, _VARIABLE):
        text = pattern.sub(" ", text)
    words = {word for word in _WORD.findall(text) if "_" in word or word in ("up", "ALERTS")}
    return {word for word in words if not re.search(rf"\b{word}\s*\(", text)}
