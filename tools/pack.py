"""Pack every charm for every base and architecture into dist/, and check what came out."""

from __future__ import annotations

import argparse
import concurrent.futures
import dataclasses
import hashlib
import os
import pathlib
import shutil
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import yaml

import foreign_build
import packed

ROOT = pathlib.Path(__file__).resolve().parent.parent
DIST = ROOT / "dist"


@dataclasses.dataclass(frozen=True)
class Job:
    """One charm to pack for one platform."""

    charm: str
    platform: foreign_build.Platform
    shared: tuple[str, ...]

    @property
    def file(self) -> pathlib.Path:
        """Where the packed charm goes: the name that charmcraft gives it, and bundles use."""
        return DIST / f"{self.charm}_{self.platform.name}.charm"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a job."""

    job: Job
    problems: tuple[str, ...] = ()
    is_new: bool = True


def jobs(root: pathlib.Path, wanted: Sequence[str]) -> Iterator[Job]:
    """Yield what is to be packed: every charm, or those named, for each of its platforms."""
    for file in sorted(root.glob("charms/*/charmcraft.yaml")):
        charmcraft = yaml.safe_load(file.read_text(encoding="utf-8"))
        if not wanted or file.parent.name in wanted:
            for platform in foreign_build.platforms(charmcraft):
                yield Job(file.parent.name, platform, tuple(shared_packages(charmcraft)))


def shared_packages(charmcraft: Mapping[str, Any]) -> Iterator[str]:
    """Yield the packages below lib/ that a charm's parts take in."""
    for part in charmcraft["parts"].values():
        _, found, package = part.get("source", "").partition("../../lib/")
        if found:
            yield package


def fingerprint(root: pathlib.Path, job: Job) -> str:
    """Return a digest of everything that the outcome of a job depends on."""
    folders = [root / "charms" / job.charm, *(root / "lib" / name for name in job.shared)]
    digest = hashlib.sha256(f"{job.platform} {sys.version}".encode())
    for file in _inputs([*folders, root / "tools"]):
        mode = file.stat().st_mode & 0o777
        digest.update(f"\0{file.relative_to(root)} {mode:o}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def _inputs(folders: Iterable[pathlib.Path]) -> Iterator[pathlib.Path]:
    """Yield the files that builds and checks read, in a stable order."""
    ignored = {"__pycache__", "tests", "parts", "stage", "prime", "overlay"}
    for folder in folders:
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not ignored.intersection(file.relative_to(folder).parts):
                yield file


def carry_out(job: Job, craft: foreign_build.Charmcraft, python: str) -> Outcome:
    """Pack a charm and check it, unless dist/ holds one that was packed from the same files."""
    seal = job.file.with_suffix(".sha256")
    digest = fingerprint(ROOT, job)
    if job.file.exists() and seal.exists() and seal.read_text(encoding="utf-8") == digest:
        return Outcome(job, is_new=False)
    seal.unlink(missing_ok=True)
    try:
        built = craft.pack(ROOT, job.charm, job.shared, job.platform)
        found = (
            *packed.problems(built, job.platform),
            *packed.lint_problems(craft.analyse(built, job.platform)),
            *packed.dispatch_problems(built, job.platform, python),
        )
    except foreign_build.BuildError as e:
        return Outcome(job, (str(e),))
    shutil.move(built, job.file)
    if not found:
        seal.write_text(digest, encoding="utf-8")
    return Outcome(job, found)


def table(outcomes: Iterable[Outcome]) -> str:
    """Return what was packed, one line each."""
    row = "{:24}{:8}{:14}{:>9}  {}"
    lines = [row.format("charm", "base", "architecture", "size", "file")]
    for outcome in outcomes:
        job = outcome.job
        size = f"{job.file.stat().st_size / 1000:.0f} kB" if job.file.exists() else "-"
        note = " FAILED" if outcome.problems else "" if outcome.is_new else " (unchanged)"
        target = f"dist/{job.file.name}{note}"
        lines.append(
            row.format(job.charm, job.platform.base, job.platform.architecture, size, target)
        )
    return "\n".join(lines)


def carry_out_all(work: Sequence[Job]) -> list[Outcome]:
    """Carry out jobs side by side; the processor is the limit, not the disk."""
    pythons = {base: packed.interpreter(base) for base in {job.platform.base for job in work}}
    for base, python in sorted(pythons.items()):
        print(f"{base} is dispatched under {python}", flush=True)
    with (
        tempfile.TemporaryDirectory() as scratch,
        concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool,
    ):
        craft = foreign_build.Charmcraft(pathlib.Path(scratch))
        running = [pool.submit(carry_out, job, craft, pythons[job.platform.base]) for job in work]
        return [future.result() for future in running]


def main(arguments: Sequence[str]) -> int:
    """Pack, print the table and what is wrong; return 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("charm", nargs="*", help="pack only these")
    parser.add_argument("--fresh", action="store_true", help="pack even what did not change")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    DIST.mkdir(exist_ok=True)
    if options.fresh:
        for seal in DIST.glob("*.sha256"):
            seal.unlink()
    outcomes = carry_out_all(list(jobs(ROOT, options.charm)))
    print(table(outcomes))
    for outcome in outcomes:
        for problem in outcome.problems:
            print(f"{outcome.job.file.name}: {problem}", file=sys.stderr)
    failed = sum(bool(outcome.problems) for outcome in outcomes)
    print(f"{len(outcomes) - failed} packed, {failed} failed, {time.monotonic() - started:.1f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
