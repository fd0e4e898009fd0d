"""How the agent is started: a path, a timer, and a service that ends when all is done."""

from __future__ import annotations

from edgecloud import host
from edgecloud.agent import paths
from edgecloud.host import failures, files, systemd

NAME = "edge-agent"
PROGRAM = "/usr/lib/edge-agent/edge-agent.pyz"
PYTHON = "/usr/bin/python3"
PIBOOT_VALIDATE = "/etc/flash-kernel/piboot-validate"

SERVICE = f"""\
[Unit]
Description=Carry out the upgrades that this machine was granted
After=local-fs.target snapd.service

[Service]
Type=oneshot
ExecStart={PYTHON} {PROGRAM} wake
TimeoutStartSec=infinity
KillMode=mixed
Nice=5
IOSchedulingClass=best-effort
IOSchedulingPriority=6
"""
PATH = f"""\
[Unit]
Description=Wake the upgrade agent when it is told something

[Path]
PathChanged={paths.INBOX}
PathChanged={paths.VETO}
Unit={NAME}.service

[Install]
WantedBy=paths.target
"""
TIMER = f"""\
[Unit]
Description=Wake the upgrade agent once a minute

[Timer]
OnBootSec=20s
OnUnitInactiveSec=60s
AccuracySec=5s
Unit={NAME}.service

[Install]
WantedBy=timers.target
"""
DEADLINE_SERVICE = f"""\
[Unit]
Description=Leave a system on trial that was not found good in time

[Service]
Type=oneshot
ExecStart={PYTHON} {PROGRAM} give-up
"""
DEADLINE_TIMER = f"""\
[Unit]
Description=How long a system on trial has to prove itself

[Timer]
OnBootSec=20min
Unit={NAME}-deadline.service

[Install]
WantedBy=timers.target
"""
METRICS_SERVICE = f"""\
[Unit]
Description=Write the metrics of this machine for the node exporter

[Service]
Type=oneshot
ExecStart={PYTHON} -IS {PROGRAM} metrics
TimeoutStartSec=90
Nice=19
IOSchedulingClass=idle
# Two lines in the journal every minute would wear the card out more than the metrics are worth.
LogLevelMax=notice
SyslogLevel=warning
"""
METRICS_TIMER = f"""\
[Unit]
Description=Write the metrics of this machine once a minute

[Timer]
OnBootSec=15s
OnUnitActiveSec=60s
AccuracySec=5s
Unit={NAME}-metrics.service

[Install]
WantedBy=timers.target
"""
TEXTS = {
    f"{NAME}.service": SERVICE,
    f"{NAME}.path": PATH,
    f"{NAME}.timer": TIMER,
    f"{NAME}-deadline.service": DEADLINE_SERVICE,
    f"{NAME}-deadline.timer": DEADLINE_TIMER,
    f"{NAME}-metrics.service": METRICS_SERVICE,
    f"{NAME}-metrics.timer": METRICS_TIMER,
}
STARTED = (
    f"{NAME}.path",
    f"{NAME}.timer",
    f"{NAME}-deadline.timer",
    f"{NAME}-metrics.timer",
)
VALIDATE = f"""\
#!/bin/sh
# The same checks by which the upgrade agent judges this machine; nothing outside it is asked.
exec {PYTHON} {PROGRAM} validate --seconds 300
"""
_READY = f"{paths.HOME}/started"
"""There once systemd was told of the units as they are; a hook that died before that did not."""
_TIMEOUT_S = 60


def ensure(machine: host.Host) -> bool:
    """Ensure that the agent is started when it should be. Return whether anything changed."""
    changed = [
        name for name, text in TEXTS.items() if machine.write(f"{systemd.UNITS}/{name}", text)
    ]
    if machine.exists("/etc/flash-kernel"):
        machine.write(PIBOOT_VALIDATE, VALIDATE, mode=0o755)
    if not changed and machine.exists(_READY):
        return False
    machine.remove(_READY)
    _systemctl(machine, "daemon-reload")
    _systemctl(machine, "enable", "--now", *STARTED)
    machine.write(_READY, "")
    return True


def remove(machine: host.Host) -> bool:
    """Remove the agent's units. Return whether any was there."""
    machine.remove(_READY)
    if files.read(machine, PIBOOT_VALIDATE) == VALIDATE:
        machine.remove(PIBOOT_VALIDATE)  # Without the agent it would fail every kernel on trial.
    present = [name for name in TEXTS if machine.exists(f"{systemd.UNITS}/{name}")]
    if not present:
        return False
    _systemctl(machine, "disable", "--now", *(name for name in STARTED if name in present))
    for name in present:
        machine.remove(f"{systemd.UNITS}/{name}")
    _systemctl(machine, "daemon-reload")
    return True


def _systemctl(machine: host.Host, *words: str) -> None:
    try:
        machine.run((systemd.SYSTEMCTL, *words), timeout_s=_TIMEOUT_S)
    except failures.FAILURES as e:
        raise systemd.SystemdError(failures.explain(e, f"systemctl {words[0]}")) from e
