"""The command line of snapd, ``snap``."""

from __future__ import annotations

import json
import typing
from collections.abc import Callable, Sequence

from edgelab.pi import hooks, launcher, services, snap_install, snapd, state
from edgelab.pi.lxd import daemon as lxd
from edgelab.pi.process import Process

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines


def run(process: Process) -> int:
    """Run ``snap``."""
    words = process.argv[1:]
    if not words or words[0] not in _SUBCOMMANDS:
        process.fail(
            f"error: unknown command \"{words[0] if words else ''}\", see 'snap help'.", 64
        )
    options, names = _parse(words[1:])
    try:
        return _SUBCOMMANDS[words[0]](process, options, names)
    except snapd.SnapdError as error:
        process.fail(f"error: {error}", error.code)
    except hooks.HookFailed as error:
        process.fail(f"error: {error}")


Options = dict[str, str]


def _parse(words: list[str]) -> tuple[Options, list[str]]:
    """Split options from names. Only ``-c``, of ``snap run``, takes its value as the next word."""
    options: Options = {}
    names: list[str] = []
    for word in words:
        if word.startswith("--"):
            name, _, value = word[2:].partition("=")
            options[name] = value
        else:
            names.append(word)
    return options, names


def _list(process: Process, options: Options, names: list[str]) -> int:
    machine = process.machine
    found = [snap for name, snap in sorted(machine.snaps.items()) if not names or name in names]
    if not found:
        process.fail("error: no matching snaps installed")
    rows = [("Name", "Version", "Rev", "Tracking", "Publisher", "Notes")]
    for snap in found:
        revisions = snap.revisions if "all" in options else [snap.revision]
        rows += [_row(machine, snap, revision) for revision in revisions]
    widths = [max(len(row[at]) for row in rows) for at in range(6)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        process.say("  ".join(cells).rstrip())
    return 0


def _row(machine: machines.Machine, snap: state.Snap, revision: str) -> tuple[str, ...]:
    notes = [
        note
        for note, holds in (
            ("disabled", snap.disabled or revision != snap.revision),
            ("classic", snap.classic),
            ("held", snap.held_until > machine.now()),
        )
        if holds
    ]
    publisher = "-" if snap.is_local else "canonical✓"
    tracking = snap.channel or "-"
    version = snap.versions.get(revision, snap.version)
    return snap.name, version, revision, tracking, publisher, ",".join(notes) or "-"


def _changes(process: Process, options: Options, names: list[str]) -> int:
    process.say("ID   Status  Spawn  Ready  Summary")
    for change in process.machine.changes:
        process.say(f"{change.id:<4} {change.status:<7} -      -      {change.summary}")
    return 0


def _abort(process: Process, options: Options, names: list[str]) -> int:
    snapd.abort(_change(process, names))
    return 0


def _watch(process: Process, options: Options, names: list[str]) -> int:
    change = _change(process, names)
    if change.status == "Doing":
        snap_install.wait(process, change, "")
    if change.status != "Done":
        process.fail(f"error: {change.error or 'change is undone'}")
    return 0


def _change(process: Process, names: list[str]) -> state.Change:
    for change in process.machine.changes:
        if names and names[0] == str(change.id):
            return change
    process.fail(f'error: cannot find change with id "{names[0] if names else ""}"')


def _pairs(words: list[str]) -> dict[str, str]:
    parts = (word.partition("=") for word in words)
    return {key: value for key, _, value in parts}


def _set(process: Process, options: Options, names: list[str]) -> int:
    name, pairs = names[0], _pairs(names[1:])
    if name == "system":
        for key, value in pairs.items():
            if value:
                process.machine.snapd_settings[key] = value
            else:
                process.machine.snapd_settings.pop(key, None)
        return 0
    snap = snap_install.installed(process, name)
    snap.settings.update(pairs)
    if name == "microk8s":
        process.take("snap-configure")
        hooks.configure(process.machine, snap.version, config=pairs.get("config"))
    return 0


def _get(process: Process, options: Options, names: list[str]) -> int:
    name, keys = names[0], names[1:]
    machine = process.machine
    settings = (
        machine.snapd_settings
        if name == "system"
        else snap_install.installed(process, name).settings
    )
    for key in keys:
        if key not in settings:
            process.fail(f'error: snap "{name}" has no "{key}" configuration option')
        process.say(settings[key])
    if not keys:
        process.say(json.dumps(settings))
    return 0


def _services(process: Process, options: Options, names: list[str]) -> int:
    node = process.machine.node
    if node is None:
        process.fail("error: no matching snaps installed")
    process.say("Service                           Startup   Current   Notes")
    for daemon in services.DAEMONS:
        service = node.services[daemon]
        startup = "enabled" if service.enabled else "disabled"
        current = "active" if service.active else "inactive"
        process.say(f"microk8s.daemon-{daemon:<17} {startup:<9} {current:<9} -")
    return 0


def _service_action(process: Process, options: Options, names: list[str], action: str) -> int:
    machine = process.machine
    process.take("snap-service")
    for name in names:
        snap, _, daemon = name.partition(".")
        snap_install.installed(process, snap)
        if snap == "lxd":
            {"start": lxd.start, "stop": lxd.stop, "restart": lxd.restart}[action](machine)
        if snap != "microk8s" or machine.node is None:
            continue
        wanted = [daemon.removeprefix("daemon-")] if daemon else list(services.DAEMONS)
        if any(item not in services.DAEMONS for item in wanted):
            process.fail(f'error: snap "{snap}" has no service "{daemon}"')
        _act(machine, wanted, action, options)
    words = {"start": "Started", "stop": "Stopped", "restart": "Restarted"}
    process.say(f"{words[action]}.")
    return 0


def _act(machine: machines.Machine, daemons: Sequence[str], action: str, options: Options) -> None:
    assert machine.node is not None
    for daemon in daemons:
        if action == "stop":
            services.stop(machine, daemon)
        elif action == "restart":
            services.restart(machine, daemon)
        else:
            services.start(machine, daemon)
        if "enable" in options or "disable" in options:
            machine.node.services[daemon].enabled = "enable" in options


def _start(process: Process, options: Options, names: list[str]) -> int:
    return _service_action(process, options, names, "start")


def _stop(process: Process, options: Options, names: list[str]) -> int:
    return _service_action(process, options, names, "stop")


def _restart(process: Process, options: Options, names: list[str]) -> int:
    return _service_action(process, options, names, "restart")


def _run(process: Process, options: Options, names: list[str]) -> int:
    """Run the cluster agent's ``init`` in the snap's shell, the one thing charms run so."""
    if "shell" not in options or names[:1] != ["microk8s.daemon-cluster-agent"]:
        process.fail(f"error: cannot find app {names[:1]}", 46)
    snap_install.installed(process, "microk8s")
    if "cluster-agent" not in names[-1] or "init" not in names[-1]:
        process.fail(f"/bin/bash: line 1: {names[-1]}: command not found", 127)
    return launcher.init(process, process.stdin or "")


def _show_version(process: Process, options: Options, names: list[str]) -> int:
    version = process.machine.snapd_version
    process.say(f"snap    {version}\nsnapd   {version}\nseries  16")
    process.say(f"ubuntu  {process.machine.release}\nkernel  6.8.0-1030-raspi")
    return 0


_SUBCOMMANDS: dict[str, Callable[[Process, Options, list[str]], int]] = {
    "abort": _abort,
    "ack": snap_install.ack,
    "changes": _changes,
    "download": snap_install.download,
    "get": _get,
    "install": snap_install.install,
    "list": _list,
    "refresh": snap_install.refresh,
    "remove": snap_install.remove,
    "restart": _restart,
    "revert": snap_install.revert,
    "run": _run,
    "services": _services,
    "set": _set,
    "start": _start,
    "stop": _stop,
    "version": _show_version,
    "watch": _watch,
}
