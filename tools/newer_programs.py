"""Run a command with the metrics programs of a newer Debian in place of this machine's.

The charms run what a machine's distribution has, of whatever age, and look what it can do. So what
is tried with the programs of Debian 12 is tried with those of Debian 13 as well, which are two and
a half years younger. They are fetched with apt and unpacked, not installed. The
command sees them over the machine's own, in a mount namespace that ends with it; nobody else does.
Nor does anybody hear it: it has a network of its own, with nothing but a loopback, so the same
tests can run beside it with the machine's own programs.

Needs root, and the machine's own packages of the same names.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
from collections.abc import Iterable, Sequence

RELEASE = "trixie"
PACKAGES = (
    "prometheus",
    "prometheus-alertmanager",
    "prometheus-node-exporter",
    "victoria-metrics",
)
PROGRAMS = "usr/bin"
MACHINE = pathlib.Path("/", PROGRAMS)
DEBIAN = "Debian"

_LAY_OVER = """
set -e
ip link set lo up
for program in "$1"/*; do mount --bind "$program" "/usr/bin/${program##*/}"; done
shift
exec "$@"
"""


class FetchError(Exception):
    """The newer programs cannot be had."""


def mirror(targets: Iterable[str]) -> str:
    """Return where apt gets this Debian from.

    Args:
        targets: lines of a site's address, its origin, and the code name of a release there.

    Raises:
        FetchError: apt knows none.
    """
    for line in targets:
        site, origin, codename = line.split("|")
        # Updates of a release have names like `bookworm-security`, and may be elsewhere.
        if origin == DEBIAN and "-" not in codename:
            return site
    raise FetchError("apt has no Debian to fetch from: run apt-get update on a Debian machine")


def fetch(folder: pathlib.Path) -> pathlib.Path:
    """Return a folder with the programs; fetch them if they are not there.

    Raises:
        FetchError: they cannot be had.
    """
    programs = folder / "root" / PROGRAMS
    if (folder / "whole").exists():
        return programs
    (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
    line = "$(SITE)|$(ORIGIN)|$(CODENAME)"
    known = _run("apt-get", "indextargets", "--format", line).splitlines()
    source = folder / "sources.list"
    source.write_text(f"deb {mirror(known)} {RELEASE} main\n", encoding="ascii")
    apt = (
        "apt-get",
        "--quiet=2",
        f"--option=Dir::Etc::SourceList={source}",
        "--option=Dir::Etc::SourceParts=-",
        f"--option=Dir::State::Lists={folder}/lists",
        f"--option=Dir::Cache={folder}",
        "--option=APT::Sandbox::User=root",
    )
    _run(*apt, "update", at=folder)
    _run(*apt, "download", *PACKAGES, at=folder)
    for package in folder.glob("*.deb"):
        _run("dpkg-deb", "--extract", str(package), str(folder / "root"))
        package.unlink()
    for program in programs.iterdir():
        # What this machine lacks has no place to be laid over.
        if not (MACHINE / program.name).exists():
            program.unlink()
    (folder / "whole").touch()
    return programs


def main(arguments: Sequence[str]) -> int:
    """Fetch the programs into the folder that is named first, and run what follows it."""
    if len(arguments) < 2 or arguments[0].startswith("-"):
        print(f"{__doc__}\nusage: newer_programs.py FOLDER COMMAND…")
        return 2
    try:
        programs = fetch(pathlib.Path(arguments[0]).resolve())
    except FetchError as error:
        print(error, file=sys.stderr)
        return 1
    command = ("sh", "-c", _LAY_OVER, "sh", str(programs), *arguments[1:])
    os.execvp("unshare", ("unshare", "--mount", "--net", *command))


def _run(*command: str, at: pathlib.Path | None = None) -> str:
    done = subprocess.run(command, cwd=at, capture_output=True, text=True)
    if done.returncode:
        raise FetchError(f"{' '.join(command[:1])} failed: {done.stderr.strip()[-500:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
