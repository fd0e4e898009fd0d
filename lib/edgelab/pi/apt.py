"""apt and dpkg, as far as bringing a machine to the packages of one moment and back takes them.

The archive of all moments is a file of the world: stamp → package → version, with what that one
needs. What dpkg has is a file of the machine. A package is unpacked first and configured after
all are unpacked, so a power cut in between leaves some half installed.
"""

from __future__ import annotations

import json
import re
import typing
from typing import Any

from edgelab.pi import debian, files
from edgelab.pi.process import Process

if typing.TYPE_CHECKING:
    from edgelab.pi import machine as machines
    from edgelab.pi import world as worlds

HERE = ""
"""The stamp of what the machine's own sources have."""

_STATUS = "/var/lib/dpkg/lab.json"
_STAMP = re.compile(r"/(\d{8}T\d{6}Z)\b")
_INSTALLED, _UNPACKED, _HALF = "i", "U", "F"

Package = dict[str, Any]


def publish(
    world: worlds.World, stamp: str, name: str, version: str, *, needs: str = "", bad: bool = False
) -> None:
    """Put a package into the archive of a moment; a bad one cannot be configured."""
    archive = _archive(world)
    entry = {"version": version, "needs": needs, "bad": bad}
    archive.setdefault(stamp, {})[name] = entry
    (world.root / "archive.json").write_text(json.dumps(archive), encoding="utf-8")


def have(machine: machines.Machine, **versions: str) -> None:
    """Make packages be installed."""
    found = _status(machine)
    for name, version in versions.items():
        entry = {"version": version, "state": _INSTALLED}
        found[name.replace("_", "-")] = entry
    _put(machine, found)


def versions(machine: machines.Machine) -> dict[str, str]:
    """Return what is installed; what is only half there as the name of its state."""
    return {
        name: each["version"] if each["state"] == _INSTALLED else each["state"]
        for name, each in _status(machine).items()
    }


def apt_get(process: Process) -> int:
    """Run ``apt-get``: on lists of the caller's own, or on the machine's."""
    words = process.argv[1:]
    if not any(word.startswith("Dir::State::lists=") for word in words):
        return debian.apt_get(process)
    settings = dict(words[i + 1].split("=", 1) for i, word in enumerate(words) if word == "-o")
    values = {f"{key}={value}" for key, value in settings.items()}
    flags = {word for word in words if word.startswith("--")}
    rest = [word for word in words if not word.startswith("-") and word not in values]
    if rest[0] == "update":
        return _update(process, settings)
    index: dict[str, Package] = json.loads(
        _read(process, f"{settings['Dir::State::lists']}/index")
    )
    if rest[0] == "install" and "--fix-broken" in flags:
        return _configure(process)
    if rest[0] == "install":
        wanted = dict(pin.split("=", 1) for pin in rest[1:])
        return _download(process, settings, {n: v for n, v in wanted.items() if _has(index, n, v)})
    changes = _changes(process.machine, index)
    if "--simulate" in flags:
        for name, version in changes.items():
            old = _status(process.machine).get(name, {}).get("version", "")
            shown = f" [{old}]" if old else ""
            process.say(f"Inst {name}{shown} ({version} Ubuntu:24.04/noble [arm64])")
        return 0
    if "--download-only" in flags:
        return _download(process, settings, changes)
    debs = [f"{settings['Dir::Cache::archives']}/{n}_{v}_arm64.deb" for n, v in changes.items()]
    return _unpack(process, debs) or _configure(process)


def _has(index: dict[str, Package], name: str, version: str) -> bool:
    return index.get(name, {}).get("version") == version


def _update(process: Process, settings: dict[str, str]) -> int:
    process.take("apt")
    if not process.machine.uplink:
        process.fail("E: Failed to fetch the archive  Temporary failure resolving", 100)
    source = _read(process, settings.get("Dir::Etc::sourcelist", ""))
    found = _STAMP.search(source)
    index = _archive(process.world).get(found[1] if found else HERE, {})
    files.write(process.machine, f"{settings['Dir::State::lists']}/index", json.dumps(index))
    return 0


def _changes(machine: machines.Machine, index: dict[str, Package]) -> dict[str, str]:
    """Return what an upgrade with new packages installs."""
    status, found = _status(machine), dict[str, str]()
    for name, each in status.items():
        offered = index.get(name)
        is_news = offered and _key(offered["version"]) > _key(each["version"])
        if offered and is_news and not each.get("hold"):
            found[name] = offered["version"]
            needed = offered["needs"]
            if needed and needed not in status:
                found[needed] = index[needed]["version"]
    return found


def _download(process: Process, settings: dict[str, str], wanted: dict[str, str]) -> int:
    if not process.machine.uplink:
        process.fail("E: Failed to fetch some archives.", 100)
    for name, version in wanted.items():
        text = json.dumps(
            {"name": name, "version": version, "bad": _is_bad(process, name, version)}
        )
        folder = settings["Dir::Cache::archives"]
        files.write(process.machine, f"{folder}/{name}_{version}_arm64.deb", text)
        process.take("apt")
    return 0


def _is_bad(process: Process, name: str, version: str) -> bool:
    moments = _archive(process.world).values()
    return any(m[name]["bad"] for m in moments if name in m and m[name]["version"] == version)


def dpkg(process: Process) -> int:
    """Run ``dpkg``."""
    if process.argv[1:] == ["--print-architecture"]:
        process.say(process.machine.arch)
        return 0
    words = [word for word in process.argv[1:] if not word.startswith("--force-")]
    words = [word for word in words if word != "--auto-deconfigure"]
    if words == ["--configure", "-a"]:
        return _configure(process)
    if words[0] == "--compare-versions" and words[2] == "ge":
        return 0 if _key(words[1]) >= _key(words[3]) else 1
    if words[0] == "--unpack":
        return _unpack(process, words[1:])
    if words[0] == "--purge":
        found = _status(process.machine)
        for name in words[1:]:
            found.pop(name, None)
            _put(process.machine, found)
            process.take("apt")
        return 0
    process.fail("dpkg: error: need an action option", 2)


def _unpack(process: Process, debs: list[str]) -> int:
    for path in debs:
        deb = json.loads(_read(process, path))
        found = _status(process.machine)
        entry = {**found.get(deb["name"], {}), **deb, "state": _UNPACKED}
        _put(process.machine, {**found, deb["name"]: entry})
        process.take("apt")
    return 0


def _configure(process: Process) -> int:
    found, failed = _status(process.machine), False
    for each in found.values():
        if each["state"] != _INSTALLED:
            each["state"] = _HALF if each.get("bad") else _INSTALLED
            failed = failed or bool(each.get("bad"))
            _put(process.machine, found)
            process.take("apt")
    if failed:
        process.complain("E: Sub-process /usr/bin/dpkg returned an error code (1)")
    return 100 if failed else 0


def query(process: Process) -> int:
    """Run ``dpkg-query --show``."""
    form = process.argv[2].partition("=")[2]
    for name, each in _status(process.machine).items():
        state = ("h" if each.get("hold") else "i") + each["state"] + " "
        values = {"${db:Status-Abbrev}": state, "${Package}": name, "${Version}": each["version"]}
        line = form.replace("${Architecture}", process.machine.arch)
        for key, value in values.items():
            line = line.replace(key, value)
        process.put(line.replace("\\n", "\n").replace("\\t", "\t"))
    return 0


def mark(process: Process) -> int:
    """Run ``apt-mark``."""
    found, words = _status(process.machine), process.argv[1:]
    if words[0] == "showhold":
        for name in (name for name, each in found.items() if each.get("hold")):
            process.say(name)
        return 0
    for name in words[1:]:
        if name in found:
            found[name]["hold"] = words[0] == "hold"
    _put(process.machine, found)
    return 0


def _archive(world: worlds.World) -> dict[str, dict[str, Package]]:
    path = world.root / "archive.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _status(machine: machines.Machine) -> dict[str, Package]:
    return json.loads(files.read(machine, _STATUS) or "{}")


def _put(machine: machines.Machine, status: dict[str, Package]) -> None:
    files.write(machine, _STATUS, json.dumps(status))


def _read(process: Process, path: str) -> str:
    return files.read(process.machine, path) if path else ""


def _key(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)]
