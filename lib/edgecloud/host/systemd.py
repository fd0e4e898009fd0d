"""Drive systemd: one-shot wake-ups, timers and services made from files."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence

from edgecloud import host
from edgecloud.host import failures

SYSTEMCTL = "/usr/bin/systemctl"
SYSTEMD_RUN = "/usr/bin/systemd-run"
UNITS = "/etc/systemd/system"

_TIMEOUT_S = 60


class SystemdError(failures.WorkloadError):
    """Systemd refused or failed."""


def arm(host: host.Host, name: str, after_s: float, command: Sequence[str]) -> bool:
    """Run a command once, some time from now. Return false if that is to come already.

    The timer is gone once it has fired, and after a reboot.
    """
    for unit in _names(name):
        if _try_to_arm(host, unit, after_s, command):
            return True
        if is_active(host, f"{unit}.timer"):
            return False
    return False


def disarm(host: host.Host, name: str) -> bool:
    """Take back what :func:`arm` set. Return whether it was still to come."""
    timers = [f"{unit}.timer" for unit in _names(name)]
    armed = [timer for timer, active in zip(timers, _active(host, *timers), strict=True) if active]
    for timer in armed:
        _systemctl(host, "stop", timer)
    return bool(armed)


def dispatch_command(unit: str, hook: str = "update-status") -> list[str]:
    """Return the command that lets Juju's agent run a hook of a unit on this machine now."""
    environment = (f"JUJU_DISPATCH_PATH=hooks/{hook}", f"JUJU_HOOK_NAME={hook}")
    return ["/usr/bin/juju-exec", "-u", unit, "--", "env", *environment, "./dispatch"]


def ensure_timer(host: host.Host, name: str, *, service: str, timer: str) -> bool:
    """Ensure that a timer and the service it starts are as these texts say, and enabled.

    Args:
        host: the machine.
        name: of both units, without a suffix.
        service: text of the ``.service`` file.
        timer: text of the ``.timer`` file.

    Returns:
        Whether anything changed.
    """
    return _ensure(host, {f"{name}.service": service, f"{name}.timer": timer}, f"{name}.timer")


def remove_timer(host: host.Host, name: str) -> bool:
    """Remove a timer and its service. Return whether anything was there."""
    return _remove(host, f"{name}.timer", f"{name}.service")


def ensure_service(host: host.Host, name: str, text: str) -> bool:
    """Ensure that a service is as this text says, enabled, and run. Return whether it changed."""
    return _ensure(host, {f"{name}.service": text}, f"{name}.service")


def remove_service(host: host.Host, name: str) -> bool:
    """Remove a service. Return whether it was there."""
    return _remove(host, f"{name}.service")


def ensure_socket(host: host.Host, name: str, *, socket: str, service: str) -> bool:
    """Ensure that a socket, and the service that each connection to it starts, are as said.

    Args:
        host: the machine.
        name: of both units, without a suffix.
        socket: text of the ``.socket`` file, which says ``Accept=yes``.
        service: text of the ``@.service`` file.

    Returns:
        Whether anything changed.
    """
    return _ensure(host, {f"{name}@.service": service, f"{name}.socket": socket}, f"{name}.socket")


def remove_socket(host: host.Host, name: str) -> bool:
    """Remove a socket and its service. Return whether anything was there."""
    found = _remove(host, f"{name}.socket")
    return host.remove(f"{UNITS}/{name}@.service") or found


def is_active(host: host.Host, unit: str) -> bool:
    """Return whether a unit runs."""
    return _active(host, unit)[0]


def restart(host: host.Host, unit: str) -> None:
    """Restart a unit."""
    _systemctl(host, "restart", unit)


def reload(host: host.Host, unit: str) -> None:
    """Have a unit that runs reload. One that was stopped stays so, and is an error."""
    _systemctl(host, "reload", unit)


def _names(name: str) -> tuple[str, str]:
    """Return the two unit names of one wake-up.

    A hook that a wake-up dispatches runs while the wake-up's own service does, so it needs
    another name to arm the next one.
    """
    return name, f"{name}-again"


def _try_to_arm(host: host.Host, unit: str, after_s: float, command: Sequence[str]) -> bool:
    options = (f"--unit={unit}", f"--on-active={max(1, round(after_s))}s", "--collect")
    precise = "--timer-property=AccuracySec=1s"
    try:
        host.run((SYSTEMD_RUN, *options, precise, *command), timeout_s=_TIMEOUT_S)
    except subprocess.CalledProcessError as error:
        if "already" in error.stderr:
            return False
        raise SystemdError(failures.explain(error, "systemd-run")) from error
    except failures.FAILURES as error:
        raise SystemdError(failures.explain(error, "systemd-run")) from error
    return True


def _active(host: host.Host, *units: str) -> list[bool]:
    try:
        result = host.run((SYSTEMCTL, "is-active", *units), timeout_s=_TIMEOUT_S, check=False)
    except failures.FAILURES as error:
        raise SystemdError(failures.explain(error, "systemctl is-active")) from error
    return [line == "active" for line in result.stdout.split()]


def _ensure(host: host.Host, texts: Mapping[str, str], unit: str) -> bool:
    """Write unit files, then enable and restart one of them, if anything is not so yet."""
    changed = [name for name, text in texts.items() if host.write(f"{UNITS}/{name}", text)]
    if not changed and _is_enabled(host, unit):
        return False
    try:
        _systemctl(host, "daemon-reload")
        _systemctl(host, "enable", unit)
        _systemctl(host, "restart", unit)
    except SystemdError:
        # Without its file the unit counts as changed next time, and nothing is left half done.
        host.remove(f"{UNITS}/{unit}")
        raise
    return True


def _is_enabled(host: host.Host, unit: str) -> bool:
    """Return whether a unit is enabled. A look at its link saves a process in every hook."""
    if host.glob(f"{UNITS}/*.wants/{unit}"):
        return True
    try:
        result = host.run((SYSTEMCTL, "is-enabled", unit), timeout_s=_TIMEOUT_S, check=False)
    except failures.FAILURES as error:
        raise SystemdError(failures.explain(error, "systemctl is-enabled")) from error
    return result.stdout.strip() == "enabled"


def _remove(host: host.Host, *units: str) -> bool:
    present = [unit for unit in units if host.exists(f"{UNITS}/{unit}")]
    if not present:
        return False
    _systemctl(host, "disable", "--now", *present)
    for unit in present:
        host.remove(f"{UNITS}/{unit}")
    _systemctl(host, "daemon-reload")
    return True


def _systemctl(host: host.Host, *arguments: str) -> None:
    try:
        host.run((SYSTEMCTL, *arguments), timeout_s=_TIMEOUT_S)
    except failures.FAILURES as error:
        raise SystemdError(failures.explain(error, f"systemctl {arguments[0]}")) from error
