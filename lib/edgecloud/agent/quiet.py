"""Let nothing but the plan change this machine's packages while one is at work on it.

A file switches apt's own timers off: it is there or it is not, whatever else was cut off. Kernel
packages are held while a kernel that was just tried could be taken back, because installing
another one would remove the one to go back to.
"""

from __future__ import annotations

import re

from edgecloud import host
from edgecloud.agent import packages, paths
from edgecloud.host import files
from edgecloud.rollout import route, state

SWITCH = "/etc/apt/apt.conf.d/99edge-agent"

_HELD = f"{paths.HOME}/held.json"
_FOLDER = "/etc/apt/apt.conf.d"
_TEXT = """\
// Written by edge-agent while an upgrade of this machine is under way; it is removed after that.
APT::Periodic::Enable "0";
Unattended-Upgrade::InstallOnShutdown "false";
"""
_KERNEL = re.compile(
    r"linux-(image|modules|raspi|generic|headers|firmware)|flash-kernel|piboot-try|initramfs-tools"
)
_TRIED = frozenset(
    {
        state.State.VALIDATING,
        state.State.COMMITTING,
        state.State.UNCORDONING,
        state.State.SOAKING,
    }
)
_BY_SLOT = _TRIED | {state.State.APPLYING, state.State.REBOOTING}
"""Where the kernel does not come by apt, apt must not touch it from its installation on."""


def ensure(machine: host.Host, node: state.Node) -> None:
    """Keep the machine's packages still for as long as the node's work calls for it."""
    is_live = node.work is not None and node.state not in state.RESTING
    if not is_live:
        machine.remove(SWITCH)
    elif machine.exists(_FOLDER):
        machine.write(SWITCH, _TEXT)
    if _is_kernel_on_trial(node):
        _hold(machine)
    else:
        _set_free(machine)


def _is_kernel_on_trial(node: state.Node) -> bool:
    work = node.work
    if work is None or work.part.partition("/")[0] != route.Kind.OS.value:
        return False
    return node.state in (_BY_SLOT if work.rollback == "slot" else _TRIED)


def _hold(machine: host.Host) -> None:
    """Hold what nobody holds yet, having written down first what that will be."""
    note = files.read_state(machine, _HELD)
    if note.get("held") or not machine.exists(packages.MARK):
        return
    if not note:
        names = packages.names(machine)
        ours = {each for each in names if _KERNEL.match(each)} - set(packages.held(machine))
        note["packages"] = sorted(ours)
        files.write_state(machine, _HELD, note)
    packages.mark(machine, "hold", note["packages"])
    files.write_state(machine, _HELD, {**note, "held": True})


def _set_free(machine: host.Host) -> None:
    """Take our holds away; those of others stay."""
    note = files.read_state(machine, _HELD)
    if note:
        packages.mark(machine, "unhold", note["packages"])
        machine.remove(_HELD)
