"""What a packed charm must be: clean to charmcraft's linters, small, portable, runnable."""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from foreign_build import Finding, Platform
from standins import unit

MAX_BYTES = 3_000_000
# Suffixes of what is tied to one version of Python, or to one architecture.
COMPILED = (".so", ".pyc", ".pyo", ".pyd", ".a", ".o")
WANTED = ("dispatch", "icon.svg", "manifest.yaml", "metadata.yaml", "LICENSE", "src/charm.py")
PYTHON_OF_BASE: Mapping[str, str] = {"24.04": "3.12", "26.04": "3.14"}
EVENTS = ("start", "update-status")
MACHINE_FILES: Mapping[str, str] = {
    "etc/os-release": 'ID=ubuntu\nVERSION_ID="{base}"\n',
    "etc/hostname": "pi-1\n",
    "proc/meminfo": "MemTotal:        8000000 kB\nMemAvailable:    7000000 kB\n",
    "proc/cmdline": "cgroup_enable=memory cgroup_memory=1\n",
    "sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory pids\n",
}


def problems(packed: pathlib.Path, platform: Platform) -> Iterator[str]:
    """Yield what is wrong with the archive itself."""
    size = packed.stat().st_size
    if size > MAX_BYTES:
        yield f"{size} bytes, more than {MAX_BYTES}"
    with zipfile.ZipFile(packed) as archive:
        names = archive.namelist()
        yield from (f"compiled file {name}" for name in names if name.endswith(COMPILED))
        yield from (f"no {name}" for name in WANTED if name not in names)
        if "manifest.yaml" in names:
            yield from _manifest_problems(yaml.safe_load(archive.read("manifest.yaml")), platform)


def _manifest_problems(manifest: Mapping[str, Any], platform: Platform) -> Iterator[str]:
    """Yield where the manifest, which Juju picks a machine by, differs from the platform."""
    wanted = {
        "name": "ubuntu",
        "channel": platform.base,
        "architectures": [platform.architecture],
    }
    if manifest.get("bases") != [wanted]:
        yield f"manifest has bases {manifest.get('bases')}"


def lint_problems(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield what charmcraft's linters found wrong, and what they could not recognise."""
    expected = {"language": "python", "framework": "operator"}
    for finding in findings:
        if finding.linter in expected:
            if finding.result != expected[finding.linter]:
                yield f"{finding.linter} is {finding.result}: {finding.text}"
        elif finding.result not in ("ok", "ignored", "nonapplicable"):
            yield f"{finding.linter} {finding.result}: {finding.text}"


def dispatch_problems(packed: pathlib.Path, platform: Platform, python: str) -> Iterator[str]:
    """Yield what goes wrong when the charm is unpacked and dispatched on an empty machine."""
    with tempfile.TemporaryDirectory() as scratch:
        charm = unpack(packed, pathlib.Path(scratch) / "charm")
        machine = pathlib.Path(scratch) / "machine"
        for name, text in MACHINE_FILES.items():
            (machine / name).parent.mkdir(parents=True, exist_ok=True)
            (machine / name).write_text(text.format(base=platform.base), encoding="utf-8")
        subject = unit.Unit(
            charm,
            pathlib.Path(scratch) / "surroundings",
            python=python,
            name=f"{packed.name.partition('_')[0]}/0",
            machine=machine,
        )
        subject.set_model({"config": default_options(charm), "relations": peers(charm)})
        for event in EVENTS:
            result = subject.dispatch(event)
            if result.returncode:
                said = f"{subject.log()}\n{result.stdout}{result.stderr}"
                yield f"{event} under {python} failed:\n{said}"
            elif not any(call[0] == "status-set" for call in subject.calls()):
                yield f"{event} under {python} set no status"


def unpack(packed: pathlib.Path, where: pathlib.Path) -> pathlib.Path:
    """Unpack a charm, with the file modes that Juju keeps; return the folder."""
    with zipfile.ZipFile(packed) as archive:
        for entry in archive.infolist():
            file = pathlib.Path(archive.extract(entry, where))
            mode = entry.external_attr >> 16 & 0o777
            if mode and file.is_file():
                file.chmod(mode)
    return where


def default_options(charm: pathlib.Path) -> dict[str, Any]:
    """Return the options of an unpacked charm as Juju presents them when nobody set any."""
    file = charm / "config.yaml"
    if not file.exists():
        return {}
    options: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))["options"]
    return {name: option["default"] for name, option in options.items() if "default" in option}


def peers(charm: pathlib.Path) -> list[dict[str, Any]]:
    """Return the peer relations that every unit of an unpacked charm has, even a lonely one."""
    metadata = yaml.safe_load((charm / "metadata.yaml").read_text(encoding="utf-8"))
    return [
        unit.relation(number, endpoint, metadata["name"])
        for number, endpoint in enumerate(sorted(metadata.get("peers", {})))
    ]


def interpreter(base: str) -> str:
    """Return the Python of a base where this machine has it, otherwise the one that runs this."""
    version = PYTHON_OF_BASE[base]
    pyenv = pathlib.Path(os.environ.get("PYENV_ROOT", pathlib.Path.home() / ".pyenv"))
    candidates = [*sorted(map(str, pyenv.glob(f"versions/{version}.*/bin/python")))]
    if found := shutil.which(f"python{version}"):
        candidates.append(found)
    return next((python for python in candidates if _is_python(python, version)), sys.executable)


def _is_python(program: str, version: str) -> bool:
    """Return whether a program is a Python of this version that works."""
    asked = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        answer = subprocess.run([program, "-c", asked], capture_output=True, text=True, timeout=20)
    except OSError:
        return False
    return answer.stdout.strip() == version
