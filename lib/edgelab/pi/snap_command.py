"""The command line of snapd, ``snap``."""

from __future__ import annotations

import json
import math
import pathlib
import typing
from collections.abc import Callable

from edgelab.pi import durations, files, hooks, launcher, services, snapd, state, store
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


def _install(process: Process, options: Options, names: list[str]) -> int:
    name = names[0]
    if name.startswith(("/", ".")) or name.endswith(".snap"):
        return _install_file(process, options, name)
    machine = process.machine
    if name in machine.snaps:
        process.complain(f"snap \"{name}\" is already installed, see 'snap help refresh'")
        return 0
    channel = store.full_channel(options.get("channel", ""))
    release = snapd.find(machine, name, channel, options.get("revision", ""))
    if name == "microk8s" and "classic" not in options:
        process.fail(
            f'error: This revision of snap "{name}" was published using classic confinement and'
            " thus may perform\n       arbitrary system changes outside of the security sandbox"
        )
    change = state.Change(0, "install-snap", name, f'Install "{name}" snap', release.revision)
    change.channel = channel
    _wait(process, snapd.begin(machine, change, durations.SECONDS["snap-install"]), "snap-install")
    process.say(f"{name} ({channel}) {release.version} from Canonical✓ installed")
    return 0


def _install_file(process: Process, options: Options, path: str) -> int:
    """Install, or refresh, from a file: asserted if its assertion was acknowledged."""
    machine = process.machine
    if not files.exists(machine, path):
        process.fail(f'error: cannot open "{path}": open {path}: no such file or directory')
    text = files.read(machine, path)
    facts = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
    if "name" not in facts:
        process.fail(f'error: cannot open snap: "{path}" is not a snap or snapdir')
    if facts.get("arch", machine.arch) != machine.arch:
        process.fail(
            f'error: snap "{facts["name"]}" supported architectures ({facts["arch"]}) are'
            f" incompatible with this system ({machine.arch})"
        )
    known = store.digest(text) in machine.acknowledged
    if not known and "dangerous" not in options:
        process.fail(f'error: cannot find signatures with metadata for snap/component "{path}"')
    name = facts["name"]
    local = "dangerous" in options and not known
    revision = _next_local(machine, name) if local else facts["revision"]
    present = name in machine.snaps
    kind = "refresh-snap" if present else "install-snap"
    change = state.Change(0, kind, name, facts["version"], revision)
    _need_base(process, name, facts["version"])
    if machine.world.store.release(name, revision) is None and not local:
        machine.world.store.releases[f"{name}/{revision}"] = store.Release(
            name, revision, facts["version"], machine.arch
        )
    step = "snap-refresh" if present else "snap-install"
    _wait(process, snapd.begin(machine, change, durations.SECONDS[step]), step)
    process.say(f"{name} {facts['version']} installed")
    return 0


def _next_local(machine: machines.Machine, name: str) -> str:
    snap = machine.snaps.get(name)
    numbers = [int(item[1:]) for item in snap.revisions if item.startswith("x")] if snap else []
    return f"x{max(numbers, default=0) + 1}"


def _need_base(process: Process, name: str, version: str) -> None:
    """Fetch the base from the store, even for a local file, unless it is there already."""
    base = snapd.base_of(name, version)
    if base is not None and base not in process.machine.snaps and not process.machine.uplink:
        process.fail(f'error: cannot perform the following tasks:\n- Ensure prerequisites for "{name}"'
                     f' are available (cannot install snap base "{base}": unable to contact snap'
                     " store)")  # fmt: skip


def _ack(process: Process, options: Options, names: list[str]) -> int:
    text = files.read(process.machine, names[0])
    if not text:
        process.fail(f"error: cannot read assertion: open {names[0]}: no such file or directory")
    found = [
        line.partition(": ")[2] for line in text.splitlines() if line.startswith("snap-sha3-384: ")
    ]
    if not found:
        process.fail("error: cannot assert: assertion type is not known")
    process.machine.acknowledged += found
    return 0


def _refresh(process: Process, options: Options, names: list[str]) -> int:
    if "hold" in options or "unhold" in options:
        return _hold(process, options, names)
    machine, name = process.machine, names[0]
    snap = _installed(process, name)
    channel = store.full_channel(options["channel"]) if "channel" in options else snap.channel
    if snap.is_local and not options.get("amend") and "amend" not in options:
        process.fail(f'error: local snap "{name}" is unknown to the store, use --amend to proceed')
    release = snapd.find(machine, name, channel, options.get("revision", ""))
    if release.revision == snap.revision:
        snap.channel = channel
        process.complain(f'snap "{name}" has no updates available')
        return 0
    change = state.Change(0, "refresh-snap", name, f'Refresh "{name}" snap', release.revision)
    change.channel = channel
    _wait(process, snapd.begin(machine, change, durations.SECONDS["snap-refresh"]), "snap-refresh")
    process.say(f"{name} ({channel}) {release.version} from Canonical✓ refreshed")
    return 0


def _hold(process: Process, options: Options, names: list[str]) -> int:
    machine = process.machine
    flag = "hold" if "hold" in options else "unhold"
    if _version(machine.snapd_version) < (2, 58):
        process.fail(f"error: unknown flag `{flag}'", 64)
    if not names:
        if flag == "hold":
            machine.snapd_settings["refresh.hold"] = "forever"
        else:
            machine.snapd_settings.pop("refresh.hold", None)
        process.say("Auto-refresh of all snaps held" if flag == "hold" else "Removed hold")
        return 0
    for name in names:
        until = options.get("hold", "forever") or "forever"
        held = math.inf if until == "forever" else machine.now() + _seconds(process, until)
        _installed(process, name).held_until = held if flag == "hold" else 0.0
        words = "held indefinitely" if math.isinf(held) else f"held for {until}"
        process.say(
            f'General refreshes of "{name}" {words}'
            if flag == "hold"
            else f'Removed general refresh hold of "{name}"'
        )
    return 0


def _revert(process: Process, options: Options, names: list[str]) -> int:
    snap = _installed(process, names[0])
    older = [item for item in snap.revisions if item != snap.revision]
    target = options.get("revision", older[-1] if older else "")
    if target not in older:
        process.fail(f'error: no revision to revert to for snap "{snap.name}"')
    change = state.Change(0, "revert-snap", snap.name, f'Revert "{snap.name}" snap', target)
    _wait(process, snapd.begin(process.machine, change, 20.0), "snap-remove")
    process.say(f"{snap.name} reverted to {snap.version}")
    return 0


def _remove(process: Process, options: Options, names: list[str]) -> int:
    name = names[0]
    if name not in process.machine.snaps:
        process.complain(f'snap "{name}" is not installed')
        return 0
    keep = "purge" if "purge" in options else ""
    change = state.Change(0, "remove-snap", name, f'Remove "{name}" snap', keep)
    seconds = durations.SECONDS["snap-remove"]
    _wait(process, snapd.begin(process.machine, change, seconds), "snap-remove")
    process.say(f"{name} removed")
    return 0


def _wait(process: Process, change: state.Change, step: str) -> None:
    """Wait for a change, as the client does; killed, it leaves the change to snapd."""
    machine = process.machine
    if math.isinf(change.due):
        process.hang()
    process.spend(max(0.0, change.due - machine.world.clock.now()) / machine.world.speed)
    snapd.finish(machine, change)
    if change.status != "Done":
        process.fail(f"error: {change.error}")


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
        _wait(process, change, "")
    if change.status != "Done":
        process.fail(f"error: {change.error or 'change is undone'}")
    return 0


def _change(process: Process, names: list[str]) -> state.Change:
    for change in process.machine.changes:
        if names and names[0] == str(change.id):
            return change
    process.fail(f'error: cannot find change with id "{names[0] if names else ""}"')


def _set(process: Process, options: Options, names: list[str]) -> int:
    name, pairs = names[0], dict(word.partition("=")[::2] for word in names[1:])
    if name == "system":
        for key, value in pairs.items():
            if value:
                process.machine.snapd_settings[key] = value
            else:
                process.machine.snapd_settings.pop(key, None)
        return 0
    snap = _installed(process, name)
    snap.settings.update(pairs)
    if name == "microk8s":
        process.take("snap-configure")
        hooks.configure(process.machine, snap.version, config=pairs.get("config"))
    return 0


def _get(process: Process, options: Options, names: list[str]) -> int:
    name, keys = names[0], names[1:]
    machine = process.machine
    settings = machine.snapd_settings if name == "system" else _installed(process, name).settings
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
        _installed(process, snap)
        if snap != "microk8s" or machine.node is None:
            continue
        wanted = [daemon.removeprefix("daemon-")] if daemon else list(services.DAEMONS)
        if any(item not in services.DAEMONS for item in wanted):
            process.fail(f'error: snap "{snap}" has no service "{daemon}"')
        _act(machine, wanted, action, options)
    words = {"start": "Started", "stop": "Stopped", "restart": "Restarted"}
    process.say(f"{words[action]}.")
    return 0


def _act(machine: machines.Machine, daemons: list[str], action: str, options: Options) -> None:
    assert machine.node is not None
    for daemon in daemons:
        if action == "stop":
            services.stop(machine, daemon)
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
    _installed(process, "microk8s")
    if "cluster-agent" not in names[-1] or "init" not in names[-1]:
        process.fail(f"/bin/bash: line 1: {names[-1]}: command not found", 127)
    return launcher.init(process, process.stdin or "")


def _download(process: Process, options: Options, names: list[str]) -> int:
    machine, name = process.machine, names[0]
    channel = store.full_channel(options.get("channel", ""))
    found = snapd.find(machine, name, channel, options.get("revision", ""))
    process.take("snap-download")
    folder = options.get("target-directory", process.env.get("PWD", "/root"))
    stem = pathlib.PurePosixPath(folder) / (options.get("basename") or f"{name}_{found.revision}")
    text = store.snap_file(name, found.revision, found.version, found.arch)
    files.write(machine, f"{stem}.snap", text)
    files.write(machine, f"{stem}.assert", store.assertion(text))
    process.say(f"Install the snap with:\n   snap ack {stem}.assert\n   snap install {stem}.snap")
    return 0


def _show_version(process: Process, options: Options, names: list[str]) -> int:
    version = process.machine.snapd_version
    process.say(f"snap    {version}\nsnapd   {version}\nseries  16")
    process.say(f"ubuntu  {process.machine.release}\nkernel  6.8.0-1030-raspi")
    return 0


def _installed(process: Process, name: str) -> state.Snap:
    snap = process.machine.snaps.get(name)
    if snap is None:
        process.fail(f'error: snap "{name}" is not installed')
    return snap


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())


def _seconds(process: Process, text: str) -> float:
    units = {"s": 1, "m": 60, "h": 3600}
    if not text[:-1].isdigit() or text[-1:] not in units:
        process.fail(
            f"error: hold value must be a number of hours, minutes or seconds, not {text}"
        )
    return float(text[:-1]) * units[text[-1]]


_SUBCOMMANDS: dict[str, Callable[[Process, Options, list[str]], int]] = {
    "abort": _abort,
    "ack": _ack,
    "changes": _changes,
    "download": _download,
    "get": _get,
    "install": _install,
    "list": _list,
    "refresh": _refresh,
    "remove": _remove,
    "restart": _restart,
    "revert": _revert,
    "run": _run,
    "services": _services,
    "set": _set,
    "start": _start,
    "stop": _stop,
    "version": _show_version,
    "watch": _watch,
}
