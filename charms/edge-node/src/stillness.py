"""Let nothing move on this machine but by a plan: snaps held, unattended upgrades stopped."""

from __future__ import annotations

from typing import Any

from edgecloud import host as machines
from edgecloud.host import failures, files, snap, systemd

STATE = "/var/lib/edge-node/stillness.json"
LASTS_S = 6 * 3600
"""How often snaps are looked at; somebody may have installed one or set one free."""

UNATTENDED = ("apt-daily.timer", "apt-daily-upgrade.timer", "unattended-upgrades.service")

_TIMEOUT_S = 60


def ensure_held(host: machines.Host, *, wanted: bool) -> bool:
    """Hold every snap, or set those free that were held here. Return whether anything changed.

    Raises snap.SnapError.
    """
    known = files.read_state(host, STATE)
    if wanted and 0 <= host.now() - float(known.get("at", -LASTS_S)) < LASTS_S:
        return False
    ours: list[str] = list(known.get("held", []))
    if wanted:
        free = [each.name for each in snap.installed(host) if not each.held]
        changed = [name for name in free if snap.hold(host, name)]
        _note(host, known, held=sorted({*ours, *changed}), at=host.now())
    else:
        changed = [name for name in ours if snap.unhold(host, name)]
        _note(host, known, held=[], at=None)
    return bool(changed)


def ensure_unattended(host: machines.Host, *, stopped: bool) -> bool:
    """Stop unattended upgrades for as long as a plan is live. Return whether anything changed.

    Only what this charm stopped is started again.
    """
    known = files.read_state(host, STATE)
    ours: list[str] = list(known.get("stopped", []))
    if stopped == bool(ours):
        return False
    if not stopped:
        _systemctl(host, "unmask", *ours)
        _systemctl(host, "start", *ours)
        _note(host, known, stopped=[])
        return True
    running = [unit for unit in UNATTENDED if systemd.is_active(host, unit)]
    if not running:
        return False
    _note(host, known, stopped=running)  # First, so that a cut in between leaves none masked.
    _systemctl(host, "mask", "--now", *running)
    return True


def release(host: machines.Host) -> None:
    """Set free what was held and start what was stopped here."""
    ensure_unattended(host, stopped=False)
    ensure_held(host, wanted=False)
    host.remove(STATE)


def _note(host: machines.Host, known: dict[str, Any], **changes: Any) -> None:
    known.update(changes)
    files.write_state(host, STATE, {k: v for k, v in known.items() if v not in (None, [])})


def _systemctl(host: machines.Host, *words: str) -> None:
    try:
        host.run((systemd.SYSTEMCTL, *words), timeout_s=_TIMEOUT_S)
    except failures.FAILURES as e:
        raise systemd.SystemdError(failures.explain(e, f"systemctl {words[0]}")) from e
