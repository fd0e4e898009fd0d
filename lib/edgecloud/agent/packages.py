"""Debian packages of one moment of the archive: what would change, and the way there and back.

apt is given sources and lists of the agent's own, so what it sees is the archive at one stamp, as
Ubuntu's snapshot service or a mirror of the site keeps it, whatever the machine's own sources say.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from edgecloud import host
from edgecloud.agent import paths
from edgecloud.agent import settings as machine_settings
from edgecloud.host import failures, files

APT = "/usr/bin/apt-get"
DPKG = "/usr/bin/dpkg"
QUERY = "/usr/bin/dpkg-query"
MARK = "/usr/bin/apt-mark"
SNAPSHOTS = "https://snapshot.ubuntu.com/ubuntu/{stamp}"
KEYRING = "/usr/share/keyrings/ubuntu-archive-keyring.gpg"
FOLDER = f"{paths.STAGING}/apt"

_ENV = {"DEBIAN_FRONTEND": "noninteractive", "NEEDRESTART_SUSPEND": "1", "LC_ALL": "C"}
_KEEP = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")
_DPKG = (DPKG, "--force-confdef", "--force-confold")
_QUERY_S = 60
_LOCK_S = 300
_BLOCK = 1 << 20
_INSTALL = re.compile(
    r"^Inst (?P<name>\S+)(?: \[(?P<old>[^\]]+)\])? \((?P<new>\S+) ", re.MULTILINE
)
_FORMAT = "${db:Status-Abbrev}\t${Package}\t${Architecture}\t${Version}\n"

Settings = machine_settings.Settings
Versions = dict[str, str]


class PackageError(failures.WorkloadError):
    """apt or dpkg refused."""


@dataclass(frozen=True)
class Installed:
    """What dpkg has, by the name that apt prints, and what of it is only half there."""

    versions: Mapping[str, str]
    broken: frozenset[str]


@dataclass(frozen=True)
class Archive:
    """The archive at one stamp, or as the machine's own sources have it if there is none."""

    folder: str
    sources: str = ""

    @property
    def debs(self) -> str:
        """Where what was fetched from it lies."""
        return f"{self.folder}/archives"

    def options(self, rate_kib: int = 0) -> tuple[str, ...]:
        """Return how apt is told to see this archive and nothing else."""
        own = {
            "Dir::State::lists": f"{self.folder}/lists",
            "Dir::Cache::archives": self.debs,
            "Dir::Cache::pkgcache": "",
            "Dir::Cache::srcpkgcache": "",
            "APT::Update::Error-Mode": "any",
            "APT::Sandbox::User": "root",
            "DPkg::Lock::Timeout": str(_LOCK_S),
        }
        if self.sources:
            own |= {"Dir::Etc::sourcelist": self.sources, "Dir::Etc::sourceparts": "/dev/null"}
        if rate_kib:
            own |= {f"Acquire::{way}::Dl-Limit": str(rate_kib) for way in ("http", "https")}
        return tuple(word for key, value in own.items() for word in ("-o", f"{key}={value}"))


def archive(machine: host.Host, settings: Settings, stamp: str, name: str) -> Archive:
    """Return the archive at a stamp, with a list of sources that says so."""
    folder = f"{FOLDER}/{name}"
    for each in ("lists/partial", "archives/partial"):
        machine.path(f"{folder}/{each}").mkdir(parents=True, exist_ok=True)
    if not stamp:
        return Archive(folder)
    place = settings.apt
    release = dict(_pairs(files.read(machine, "/etc/os-release"))).get("VERSION_CODENAME", "")
    url = place.get("url", SNAPSHOTS).replace("{stamp}", stamp)
    suites = place.get("suites", f"{release} {release}-updates {release}-security").split()
    parts = place.get("components", "main restricted universe multiverse")
    options = place.get("options", f"signed-by={KEYRING}")
    lines = [f"deb [{options}] {url} {suite} {parts}".rstrip() + "\n" for suite in suites]
    machine.write(f"{folder}/sources.list", "".join(lines))
    return Archive(folder, f"{folder}/sources.list")


def _pairs(text: str) -> Iterable[tuple[str, str]]:
    for line in text.splitlines():
        key, _, value = line.partition("=")
        yield key, value.strip('"')


def installed(machine: host.Host, settings: Settings) -> Installed:
    """Return what is on the machine now."""
    said = _run(machine, (QUERY, "--show", f"--showformat={_FORMAT}"), _QUERY_S)
    versions, broken = Versions(), set[str]()
    for line in said.splitlines():
        state, package, arch, version = line.split("\t")
        name = package if arch in (settings.arch, "all") else f"{package}:{arch}"
        if state[1] == "i":
            versions[name] = version
        if state[1] not in "inc" or state[2:3] == "R":
            broken.add(name)
    return Installed(versions, frozenset(broken))


def names(machine: host.Host) -> list[str]:
    """Return the names of all packages that dpkg knows."""
    return _run(machine, (QUERY, "--show", "--showformat=${Package}\n"), _QUERY_S).split()


def update(machine: host.Host, found: Archive, limit_s: float, rate_kib: int = 0) -> None:
    """Fetch the lists of an archive."""
    _run(machine, (APT, *found.options(rate_kib), "update"), limit_s)


def plan(machine: host.Host, found: Archive, limit_s: float) -> tuple[Versions, Versions]:
    """Return what would change: the versions before, empty where there was none, and after."""
    command = (APT, *found.options(), "--simulate", "--with-new-pkgs", "upgrade")
    rows = list(_INSTALL.finditer(_run(machine, command, limit_s)))
    before = {row["name"]: row["old"] or "" for row in rows}
    return before, {row["name"]: row["new"] for row in rows}


def fetch(
    machine: host.Host, found: Archive, wanted: Mapping[str, str], limit_s: float, rate_kib: int
) -> list[str]:
    """Have all that an upgrade needs on the disk; return what is not there nevertheless."""
    words = ("--yes", "--download-only", "--with-new-pkgs", "upgrade")
    _run(machine, (APT, *found.options(rate_kib), *words), limit_s)
    return _missing(machine, found, wanted)


def _missing(machine: host.Host, found: Archive, wanted: Mapping[str, str]) -> list[str]:
    lacks = [
        name
        for name, version in wanted.items()
        if version and not deb(machine, found, name, version)
    ]
    return [f"{name}={wanted[name]}" for name in lacks]


def fetch_former(
    machine: host.Host, found: Archive, wanted: Mapping[str, str], limit_s: float, rate_kib: int
) -> list[str]:
    """Fetch versions that are installed once more; return those that are not to be had."""
    pins = [f"{name}={version}" for name, version in wanted.items() if version]
    words = ("--yes", "--download-only", "--reinstall", "--allow-downgrades", "install")
    if pins:
        _run(machine, (APT, *found.options(rate_kib), *words, *pins), limit_s, check=False)
    return _missing(machine, found, wanted)


def deb(machine: host.Host, found: Archive, name: str, version: str) -> str:
    """Return the file of a package; empty if it was not fetched."""
    package, _, arch = name.partition(":")
    escaped = version.replace(":", "%3a")
    hits = machine.glob(f"{found.debs}/{package}_{escaped}_{arch or '*'}.deb")
    return hits[0] if hits else ""


def digests(machine: host.Host) -> dict[str, str]:
    """Return the SHA-256 of every package that was fetched."""
    return {path: _digest(machine, path) for path in machine.glob(f"{FOLDER}/*/archives/*.deb")}


def _digest(machine: host.Host, path: str) -> str:
    sum_ = hashlib.sha256()
    with machine.path(path).open("rb") as source:
        while block := source.read(_BLOCK):
            sum_.update(block)
    return sum_.hexdigest()


def mend(machine: host.Host, found: Archive, wanted: Mapping[str, str], limit_s: float) -> None:
    """Finish what a power cut left half done; what that does not mend, the next command says.

    What was cut off while it was unpacked, only the same file puts right; apt would ask its lists.
    """
    again = [
        file for name, version in wanted.items() if (file := deb(machine, found, name, version))
    ]
    if again:
        _run(machine, (*_DPKG, "--unpack", *again), limit_s, check=False)
    _run(machine, (*_DPKG, "--configure", "-a"), limit_s, check=False)
    words = ("--yes", "--no-download", *_KEEP, "--fix-broken", "install")
    _run(machine, (APT, *found.options(), *words), limit_s, check=False)


def upgrade(machine: host.Host, found: Archive, limit_s: float) -> None:
    """Put what was fetched in place; packages that somebody holds stay."""
    words = ("--yes", "--no-download", *_KEEP, "--with-new-pkgs", "upgrade")
    _run(machine, (APT, *found.options(), *words), limit_s)


def put_back(
    machine: host.Host, found: Archive, before: Mapping[str, str], limit_s: float
) -> None:
    """Install former versions from their files, and remove what was not there before.

    By dpkg alone: a set that fitted together before fits again, and nothing has to be solved.
    """
    debs = [deb(machine, found, name, version) for name, version in before.items() if version]
    known = names(machine)
    gone = [name for name, version in before.items() if not version and _bare(name) in known]
    _run(machine, (*_DPKG, "--auto-deconfigure", "--unpack", *filter(None, debs)), limit_s)
    if gone:
        _run(machine, (*_DPKG, "--force-remove-reinstreq", "--purge", *gone), limit_s)
    _run(machine, (*_DPKG, "--configure", "-a"), limit_s)


def _bare(name: str) -> str:
    return name.partition(":")[0]


def mark(machine: host.Host, how: str, names: Iterable[str]) -> None:
    """Mark packages: ``auto``, ``hold`` or ``unhold``."""
    listed = sorted(names)
    if listed:
        _run(machine, (MARK, how, *listed), _QUERY_S)


def held(machine: host.Host) -> list[str]:
    """Return the packages that are held."""
    return _run(machine, (MARK, "showhold"), _QUERY_S).split()


def is_at_least(machine: host.Host, has: str, wanted: str) -> bool:
    """Return whether one version is not older than another."""
    if has == wanted:
        return True
    command = (DPKG, "--compare-versions", has, "ge", wanted)
    return bool(has) and machine.run(command, timeout_s=_QUERY_S, check=False).returncode == 0


def _run(
    machine: host.Host, command: tuple[str, ...], limit_s: float, *, check: bool = True
) -> str:
    try:
        return machine.run(command, timeout_s=limit_s, env=_ENV, check=check).stdout
    except failures.FAILURES as e:
        raise PackageError(failures.explain(e, command[0].rpartition("/")[2])) from e
