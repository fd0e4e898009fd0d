"""``snap`` install, refresh, hold, revert, remove and download."""

from __future__ import annotations

import math
import pathlib
import typing

from edgelab.pi import durations, files, snapd, state, store
from edgelab.pi.process import Process

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines

Options = dict[str, str]


def install(process: Process, options: Options, names: list[str]) -> int:
    """Install a snap from a channel, or from a file."""
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
    wait(process, snapd.begin(machine, change, durations.SECONDS["snap-install"]), "snap-install")
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
    wait(process, snapd.begin(machine, change, durations.SECONDS[step]), step)
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
        process.fail(
            "error: cannot perform the following tasks:\n"
            f'- Ensure prerequisites for "{name}" are available (cannot install snap base'
            f' "{base}": unable to contact snap store)'
        )


def ack(process: Process, options: Options, names: list[str]) -> int:
    """Take note of an assertion, so that its file counts as known."""
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


def refresh(process: Process, options: Options, names: list[str]) -> int:
    """Move to another revision, or hold and release that."""
    if "hold" in options or "unhold" in options:
        return _hold(process, options, names)
    machine, name = process.machine, names[0]
    snap = installed(process, name)
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
    wait(process, snapd.begin(machine, change, durations.SECONDS["snap-refresh"]), "snap-refresh")
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
        installed(process, name).held_until = held if flag == "hold" else 0.0
        words = "held indefinitely" if math.isinf(held) else f"held for {until}"
        process.say(
            f'General refreshes of "{name}" {words}'
            if flag == "hold"
            else f'Removed general refresh hold of "{name}"'
        )
    return 0


def revert(process: Process, options: Options, names: list[str]) -> int:
    """Go back to a revision that is still there."""
    snap = installed(process, names[0])
    older = [item for item in snap.revisions if item != snap.revision]
    target = options.get("revision", older[-1] if older else "")
    if target not in older:
        process.fail(f'error: no revision to revert to for snap "{snap.name}"')
    change = state.Change(0, "revert-snap", snap.name, f'Revert "{snap.name}" snap', target)
    wait(process, snapd.begin(process.machine, change, 20.0), "snap-remove")
    process.say(f"{snap.name} reverted to {snap.version}")
    return 0


def remove(process: Process, options: Options, names: list[str]) -> int:
    """Remove a snap, with or without a snapshot of its data."""
    name = names[0]
    if name not in process.machine.snaps:
        process.complain(f'snap "{name}" is not installed')
        return 0
    keep = "purge" if "purge" in options else ""
    change = state.Change(0, "remove-snap", name, f'Remove "{name}" snap', keep)
    seconds = durations.SECONDS["snap-remove"]
    wait(process, snapd.begin(process.machine, change, seconds), "snap-remove")
    process.say(f"{name} removed")
    return 0


def wait(process: Process, change: state.Change, step: str) -> None:
    """Wait for a change, as the client does; killed, it leaves the change to snapd."""
    machine = process.machine
    if math.isinf(change.due):
        process.hang()
    process.spend(max(0.0, change.due - machine.world.clock.now()) / machine.world.speed)
    snapd.finish(machine, change)
    if change.status != "Done":
        process.fail(f"error: {change.error}")


def download(process: Process, options: Options, names: list[str]) -> int:
    """Fetch a snap and its assertion into a folder."""
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


def installed(process: Process, name: str) -> state.Snap:
    """Return an installed snap, or end with snap's words for its absence."""
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
