"""Have the charm on this machine run when what it has to say of this node has changed.

Hooks are dear on a small machine, so only what a coordinator would decide otherwise for rings, and
what an operator waits to see of a disturbed node, in a few words: not each state, and never how
much time has passed.
"""

from __future__ import annotations

import json

from edgecloud import host
from edgecloud.agent import settings as machine_settings
from edgecloud.host import failures, files, systemd
from edgecloud.rollout import messages

HOME = "/run/edge-agent"
"""In memory: what was told before a boot is told again after it, once."""

RUNG, TOLD = f"{HOME}/rung.json", f"{HOME}/told"
UNIT = "edge-agent-report"
FIRST_S, LONGEST_S = 60, 1800
"""How long to wait before ringing again for the same news; it doubles each time."""

_NEWS = ("status", "digest", "part", "seen", "ready", "version", "vetoed", "reason")


def news(report: messages.Report, state: str = "") -> str:
    """Return a text that differs exactly when a report, made in a state, is worth a hook."""
    said = messages.write(report)
    doing = messages.doing(state) if report.status in messages.DISRUPTED else ""
    return json.dumps({**{name: said.get(name) for name in _NEWS}, "doing": doing}, sort_keys=True)


def ring(
    machine: host.Host,
    settings: machine_settings.Settings,
    report: messages.Report,
    state: str = "",
) -> bool:
    """Ask Juju's agent for a hook if there is news that nobody took. Return whether it was asked.

    That it cannot be asked, as while the uplink is cut, stops nothing: the same is tried again.
    """
    text, now = news(report, state), machine.now()
    if not settings.unit or text == files.read(machine, TOLD).strip():
        return False
    last = files.read_state(machine, RUNG)
    is_new = last.get("news") != text
    wait = FIRST_S if is_new else min(2 * float(last.get("wait", FIRST_S)), LONGEST_S)
    if not is_new and 0 <= now - float(last.get("at", 0)) < float(last.get("wait", FIRST_S)):
        return False
    try:
        files.write_state(machine, RUNG, {"news": text, "at": now, "wait": wait})
        systemd.arm(machine, UNIT, 1, systemd.dispatch_command(settings.unit))
    except (failures.WorkloadError, OSError):
        return False
    return True


def took(machine: host.Host, report: messages.Report, state: str = "") -> None:
    """Note that the charm has published this report."""
    machine.write(TOLD, news(report, state) + "\n", mode=0o600)
