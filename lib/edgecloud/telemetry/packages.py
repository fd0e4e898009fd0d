"""Install the distribution's monitoring packages without letting them start what they bring.

On Debian and Ubuntu each of them starts a service that listens on every address. Ours run under
units of our own, so theirs are masked first, and stay so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgecloud import host as hosts
from edgecloud.host import failures, files, systemd

APT = "/usr/bin/apt-get"
DPKG = "/usr/bin/dpkg-query"

SERVICES = {
    "victoria-metrics": ("victoria-metrics.service",),
    "prometheus-alertmanager": ("prometheus-alertmanager.service",),
    "prometheus-node-exporter": ("prometheus-node-exporter.service",),
}
"""Package → what it would start."""

PROGRAMS = {
    "victoria-metrics": "/usr/bin/victoria-metrics",
    "prometheus-alertmanager": "/usr/bin/prometheus-alertmanager",
    "prometheus-node-exporter": "/usr/bin/prometheus-node-exporter",
}
"""Package → the program that shows that it is there."""

KNOWN = "/var/lib/edge-telemetry/options.json"

_INSTALL_S = 600
_PATIENCE = ("--option=Acquire::http::Timeout=15", "--option=Acquire::https::Timeout=15")
"""An archive that a cut uplink hides keeps no hook for minutes."""
_HELP_S = 20


class PackageError(failures.WorkloadError):
    """A package could not be installed, or a program does not say what it can."""


def missing(host: hosts.Host, packages: Sequence[str]) -> list[str]:
    """Return the packages whose program is not there."""
    return [package for package in packages if not host.exists(PROGRAMS[package])]


def ensure(host: hosts.Host, packages: Sequence[str]) -> bool:
    """Ensure that packages are there, and that nothing of them runs. Return whether it was not so.

    Raises:
        PackageError: the archive cannot be reached, or has no such package.
    """
    absent = missing(host, packages)
    units = [unit for package in packages for unit in SERVICES[package]]
    loose = [unit for unit in units if not _is_masked(host, unit)]
    if loose:
        # Masked before they are installed: nothing ever listens where it should not.
        _run(host, (systemd.SYSTEMCTL, "mask", "--now", *loose), 60)
    if absent:
        _apt(host, absent)
    return bool(absent or loose)


def options(host: hosts.Host, program: str) -> frozenset[str]:
    """Return the names of the options that a program knows.

    A program is asked once, and again when it was replaced: on a Pi that takes a while.

    Raises:
        PackageError: it is not there, or does not say.
    """
    try:
        about = host.path(program).stat()
    except OSError as error:
        raise PackageError(failures.explain(error, program)) from error
    known = files.read_state(host, KNOWN)
    age = [about.st_mtime_ns, about.st_size]
    entry = known.get(program, {})
    if entry.get("age") == age and entry.get("options"):
        return frozenset(entry["options"])
    found = _ask(host, program)
    entry = {"age": age, "options": sorted(found)}
    files.write_state(host, KNOWN, {**known, program: entry})
    return found


def _ask(host: hosts.Host, program: str) -> frozenset[str]:
    try:
        # Some of these programs call it a success to be asked, others an error.
        result = host.run((program, "--help"), timeout_s=_HELP_S, check=False)
    except failures.FAILURES as error:
        raise PackageError(failures.explain(error, program)) from error
    said = result.stdout + result.stderr
    found = re.findall(r"^\s+--?(?:\[no-\])?([A-Za-z][\w.-]*)", said, re.MULTILINE)
    if not found:
        raise PackageError(f"{program} does not say which options it has")
    return frozenset(found)


def _is_masked(host: hosts.Host, unit: str) -> bool:
    return str(host.path(f"{systemd.UNITS}/{unit}").resolve()) == "/dev/null"


def _apt(host: hosts.Host, packages: Sequence[str]) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    install = (
        APT,
        "install",
        *_PATIENCE,
        "--yes",
        "--quiet",
        "--no-install-recommends",
        *packages,
    )
    try:
        host.run((APT, "update", *_PATIENCE, "--quiet"), timeout_s=_INSTALL_S, env=quiet)
        host.run(install, timeout_s=_INSTALL_S, env=quiet)
    except failures.FAILURES as error:
        raise PackageError(failures.explain(error, "apt-get install")) from error


def _run(host: hosts.Host, command: Sequence[str], timeout_s: float) -> None:
    try:
        host.run(command, timeout_s=timeout_s)
    except failures.FAILURES as error:
        raise PackageError(failures.explain(error, " ".join(command[:2]))) from error
