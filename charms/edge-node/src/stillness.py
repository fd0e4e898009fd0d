"""Let no snap move on this machine but by a plan. What apt does meanwhile is the agent's care."""

from __future__ import annotations

from typing import Any

from edgecloud import host as machines
from edgecloud.host import files, snap

STATE = "/var/lib/edge-node/stillness.json"
LASTS_S = 6 * 3600
"""How often snaps are looked at; somebody may have installed one or set one free."""


def ensure_held(host: machines.Host, *, wanted: bool) -> bool:
    """Hold every snap, or set those free that were held here. Return whether anything changed.

    Raises snap.SnapError.
    """
    known = files.read_state(host, STATE)
    if wanted and 0 <= host.now() - float(known.get("at", -LASTS_S)) < LASTS_S:
        return False
    ours: list[str] = list(known.get("held", []))
    if wanted:
        changed = list[str]()
        for each in snap.installed(host):
            if not each.held and snap.hold(host, each.name):
                changed.append(each.name)
                # At once: a later one that fails must not make this one nobody's.
                _note(host, known, held=sorted({*ours, *changed}))
        _note(host, known, at=host.now())
    else:
        changed = [name for name in ours if snap.unhold(host, name)]
        _note(host, known, held=[], at=None)
    return bool(changed)


def release(host: machines.Host) -> None:
    """Set free what was held here."""
    ensure_held(host, wanted=False)
    host.remove(STATE)


def _note(host: machines.Host, known: dict[str, Any], **changes: Any) -> None:
    known.update(changes)
    files.write_state(host, STATE, {k: v for k, v in known.items() if v not in (None, [])})
