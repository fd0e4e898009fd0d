"""systemd's commands: units of the snap, units from files, and timers of both kinds."""

from __future__ import annotations

import typing
from collections.abc import Callable

from edgelab.pi import calendars, services, state, timers, watches
from edgelab.pi.lxd import daemon as lxd
from edgelab.pi.process import Process

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

_MASKS = "/etc/systemd/system"
_SNAP_UNIT = "snap.microk8s.daemon-"
_KNOWN = ("systemd-journald.service", "ssh.service", "snapd.service", "systemd-sysctl.service")


def systemctl(process: Process) -> int:
    """Run ``systemctl``."""
    words = [word for word in process.argv[1:] if not word.startswith("-")]
    flags = [word for word in process.argv[1:] if word.startswith("-")]
    words = _without_property_values(process.argv[1:], words)
    verb, names = (words[0], words[1:]) if words else ("list-units", [])
    if verb not in _VERBS:
        process.fail(f"Unknown command verb '{verb}', did you mean something else?")
    return _VERBS[verb](process, [_full(name) for name in names], flags)


def systemd_run(process: Process) -> int:
    """Arm a transient timer, or run a transient service at once."""
    machine = process.machine
    options: dict[str, str] = {}
    words = process.argv[1:]
    while words and words[0].startswith("-"):
        name, _, value = words.pop(0).lstrip("-").partition("=")
        options[name] = value
    unit = options.get("unit", f"run-u{len(machine.timers)}").removesuffix(".timer")
    seconds = next((options[key] for key in ("on-active", "on-boot") if key in options), None)
    timer = f"{unit.removesuffix('.service')}.timer"
    if seconds is None and "on-calendar" not in options:
        return machine.world.run(machine, words, timeout_s=process.timeout_s).returncode
    if timer in machine.timers or timers.unit_text(machine, timer):
        process.fail(
            f"Failed to start transient timer unit: Unit {timer} was already loaded or has a"
            " fragment file."
        )
    now = machine.world.clock.now()
    due = (
        now + timers.span(seconds) if seconds else calendars.following(options["on-calendar"], now)
    )
    machine.timers[timer] = state.Timer(timer, due, words)
    process.complain(f"Running timer as unit: {timer}\nWill run service as unit: {unit}.service")
    return 0


def systemd_analyze(process: Process) -> int:
    """Check a calendar expression, as ``systemd-analyze calendar`` does."""
    words = [word for word in process.argv[1:] if not word.startswith("-")]
    if words[:1] != ["calendar"]:
        process.fail(f"Unknown command verb {words[:1]}.")
    for text in words[1:]:
        try:
            moment = calendars.following(text, process.machine.now())
        except ValueError as error:
            process.fail(str(error))
        process.say(f"Normalized form: {text}\n    Next elapse: @{moment:.0f}")
    return 0


def journalctl(process: Process) -> int:
    """Show what the daemons wrote."""
    unit = next(
        (
            word
            for before, word in zip(process.argv, process.argv[1:], strict=False)
            if before == "-u"
        ),
        "",
    )
    for line in process.machine.journal:
        if unit.removesuffix(".service") in line:
            process.say(line)
    return 0


def start_enabled(machine: machines.Machine) -> None:
    """Run the enabled services at boot: oneshots to their end, the others from now on."""
    for name, unit in list(machine.units.items()):
        may_start = unit.enabled and not unit.masked and name.endswith(".service")
        if may_start and not _daemon(name):
            command = timers.service_command(machine, name)
            text = timers.unit_text(machine, name)
            is_oneshot = "Type=oneshot" in text
            unit.active = bool(command) and (not is_oneshot or "RemainAfterExit=yes" in text)
            if command and is_oneshot:
                timers.run_command(machine, command)


def _daemon_reload(process: Process, names: list[str], flags: list[str]) -> int:
    process.machine.units_read.clear()
    return 0


def _enable(process: Process, names: list[str], flags: list[str]) -> int:
    for name in names:
        _need(process, name)
        _unit(process.machine, name).enabled = True
        if _daemon(name):
            _daemon_state(process, name).enabled = True
    return _start(process, names, flags) if "--now" in flags else 0


def _disable(process: Process, names: list[str], flags: list[str]) -> int:
    for name in names:
        if not _exists(process.machine, name):
            process.fail(f"Failed to disable unit: Unit file {name} does not exist.")
        _unit(process.machine, name).enabled = False
        if _daemon(name):
            _daemon_state(process, name).enabled = False
    return _stop(process, names, flags) if "--now" in flags else 0


def _start(process: Process, names: list[str], flags: list[str]) -> int:
    return max([_start_one(process, name, again=False) for name in names], default=0)


def _restart(process: Process, names: list[str], flags: list[str]) -> int:
    return max([_start_one(process, name, again=True) for name in names], default=0)


def _reload(process: Process, names: list[str], flags: list[str]) -> int:
    for name in names:
        if name != lxd.UNIT:
            process.fail(f"Failed to reload {name}: Job type reload is not applicable for unit.")
        if not lxd.reload(process.machine):
            process.fail(f"{name} is not active, cannot reload.")
    return 0


def _start_one(process: Process, name: str, *, again: bool) -> int:
    machine = process.machine
    if name == lxd.UNIT and machine.lxd is not None:
        (lxd.restart if again else lxd.start)(machine)
        return 0
    _need(process, name)
    if _daemon(name):
        if again or not services.is_active(machine, _daemon(name)):
            services.start(machine, _daemon(name))
        return 0
    unit = _unit(machine, name)
    if unit.masked:
        process.fail(f"Failed to start {name}: Unit {name} is masked.")
    if name.endswith(".timer"):
        unit.active = True
        timers.arm_file(machine, name)
        return 0
    if name.endswith(".path"):
        unit.active = True
        watches.arm(machine, name)
        return 0
    return _run_service(process, name, unit)


def _run_service(process: Process, name: str, unit: state.Unit) -> int:
    """Run a service's command; a oneshot is done when it is done."""
    machine = process.machine
    text = timers.unit_text(machine, name)
    command = timers.service_command(machine, name)
    if "Type=oneshot" not in text or not command:
        unit.active = True
        return 0
    if unit.running:
        return 0  # A second start waits for the first one, and is then already done.
    code, boots, unit.running = 203, machine.boots, True
    try:
        result = machine.world.run(machine, command, timeout_s=process.timeout_s)
        code = result.returncode
    except FileNotFoundError:
        machine.log(name, f"Failed to locate executable {command[0]}")
    finally:
        if machine.boots == boots:
            unit.running = False
            timers.rearm_after(machine, name)
    unit.failed = code != 0
    unit.active = code == 0 and "RemainAfterExit=yes" in text
    if code:
        process.complain(
            f"Job for {name} failed because the control process exited with error code."
        )
        return 1
    return 0


def _stop(process: Process, names: list[str], flags: list[str]) -> int:
    machine = process.machine
    for name in names:
        if _daemon(name):
            services.stop(machine, _daemon(name))
            continue
        known = name in machine.units or _exists(machine, name)
        if timers.disarm(machine, name) or machine.watches.pop(name, None) is not None:
            known = True
        if not known:
            process.complain(f"Failed to stop {name}: Unit {name} not loaded.")
            return 5
        _unit(machine, name).active = False
    return 0


def _is_active(process: Process, names: list[str], flags: list[str]) -> int:
    shown = [_state(process.machine, name) for name in names]
    if "-q" not in flags and "--quiet" not in flags:
        process.put("".join(f"{item}\n" for item in shown))
    return 0 if "active" in shown else 3


def _is_failed(process: Process, names: list[str], flags: list[str]) -> int:
    shown = [_state(process.machine, name) for name in names]
    process.put("".join(f"{item}\n" for item in shown))
    return 0 if "failed" in shown else 1


def _is_enabled(process: Process, names: list[str], flags: list[str]) -> int:
    code = 0
    for name in names:
        if not _exists(process.machine, name):
            process.fail(f"Failed to get unit file state for {name}: No such file or directory")
        enabled = _unit(process.machine, name).enabled
        if _daemon(name):
            enabled = _daemon_state(process, name).enabled
        process.say("enabled" if enabled else "disabled")
        code = code or int(not enabled)
    return code


def _show(process: Process, names: list[str], flags: list[str]) -> int:
    wanted = next(
        (flag.partition("=")[2] for flag in flags if flag.startswith(("-p=", "--property="))), ""
    )
    properties = wanted or _short_property(process.argv)
    for name in names:
        shown = _properties(process.machine, name)
        for key in properties.split(",") if properties else shown:
            value = shown.get(key, "")
            process.say(value if "--value" in flags else f"{key}={value}")
    return 0


def _properties(machine: machines.Machine, name: str) -> dict[str, str]:
    daemon = _daemon(name)
    restarts = machine.node.services[daemon].restarts if daemon and machine.node else 0
    shown = _state(machine, name)
    due = machine.timers[name].due if name in machine.timers else 0
    return {
        "Id": name,
        "LoadState": "loaded" if _exists(machine, name) else "not-found",
        "ActiveState": shown,
        "SubState": {"active": "running", "failed": "failed"}.get(shown, "dead"),
        "UnitFileState": "enabled" if _unit(machine, name).enabled else "disabled",
        "NRestarts": str(restarts),
        "NextElapseUSecRealtime": f"@{due:.0f}",
    }


def _status(process: Process, names: list[str], flags: list[str]) -> int:
    for name in names:
        process.say(f"● {name}\n     Active: {_state(process.machine, name)}")
    return 0 if all(_state(process.machine, name) == "active" for name in names) else 3


def _list_timers(process: Process, names: list[str], flags: list[str]) -> int:
    for timer in sorted(process.machine.timers.values(), key=lambda item: item.due):
        process.say(f"@{timer.due:.0f} {timer.name}")
    return 0


def _cat(process: Process, names: list[str], flags: list[str]) -> int:
    for name in names:
        _need(process, name)
        process.put(timers.unit_text(process.machine, name))
    return 0


def _mask(process: Process, names: list[str], flags: list[str]) -> int:
    for name in names:
        _unit(process.machine, name).masked = True
        link = process.machine.path(f"{_MASKS}/{name}")
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.is_symlink():
            if link.exists():
                process.fail(f"Failed to mask unit: File {_MASKS}/{name} already exists.")
            link.symlink_to("/dev/null")
    return _stop(process, names, flags) if "--now" in flags else 0


def _unmask(process: Process, names: list[str], flags: list[str]) -> int:
    for name in names:
        _unit(process.machine, name).masked = False
        link = process.machine.path(f"{_MASKS}/{name}")
        if link.is_symlink():
            link.unlink()
    return 0


def _reset_failed(process: Process, names: list[str], flags: list[str]) -> int:
    for name in names:
        _unit(process.machine, name).failed = False
    return 0


def _reboot(process: Process, names: list[str], flags: list[str]) -> int:
    process.machine.reboot()
    return 0


def _full(name: str) -> str:
    return (
        name
        if name.endswith((".service", ".timer", ".path", ".socket", ".target"))
        else f"{name}.service"
    )


def _daemon(name: str) -> str:
    stem = name.removesuffix(".service")
    return stem.removeprefix(_SNAP_UNIT) if stem.startswith(_SNAP_UNIT) else ""


def _daemon_state(process: Process, name: str) -> state.Service:
    assert process.machine.node is not None
    return process.machine.node.services[_daemon(name)]


def _unit(machine: machines.Machine, name: str) -> state.Unit:
    return machine.units.setdefault(name, state.Unit())


def _exists(machine: machines.Machine, name: str) -> bool:
    if _daemon(name):
        return machine.node is not None and _daemon(name) in machine.node.services
    return name in _KNOWN or name in machine.timers or bool(timers.unit_text(machine, name))


def _need(process: Process, name: str) -> None:
    if not _exists(process.machine, name):
        process.fail(f"Failed to start {name}: Unit {name} not found.", 5)


def _state(machine: machines.Machine, name: str) -> str:
    daemon = _daemon(name)
    if daemon:
        service = machine.node.services.get(daemon) if machine.node is not None else None
        if service is None:
            return "inactive"
        return "active" if service.active else ("failed" if service.failed else "inactive")
    if name in machine.timers or name in _KNOWN:
        return "active"
    unit = machine.units.get(name, state.Unit())
    return "active" if unit.active else ("failed" if unit.failed else "inactive")


def _short_property(argv: list[str]) -> str:
    return argv[argv.index("-p") + 1] if "-p" in argv else ""


def _without_property_values(argv: list[str], words: list[str]) -> list[str]:
    value = _short_property(argv)
    return [word for word in words if not value or word != value]


_VERBS: dict[str, Callable[[Process, list[str], list[str]], int]] = {
    "cat": _cat,
    "daemon-reload": _daemon_reload,
    "disable": _disable,
    "enable": _enable,
    "is-active": _is_active,
    "is-enabled": _is_enabled,
    "is-failed": _is_failed,
    "list-timers": _list_timers,
    "mask": _mask,
    "reboot": _reboot,
    "reload": _reload,
    "reset-failed": _reset_failed,
    "restart": _restart,
    "show": _show,
    "start": _start,
    "status": _status,
    "stop": _stop,
    "try-restart": _restart,
    "unmask": _unmask,
}
