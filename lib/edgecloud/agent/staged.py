"""Snaps that lie ready on the disk: fetched, compared with the plan, and compared again later."""

from __future__ import annotations

from dataclasses import dataclass

from edgecloud import host
from edgecloud.agent import paths, snapd, tally
from edgecloud.agent.context import Context, EffectError
from edgecloud.host import files, snap

_NOTE = f"{paths.STAGING}/staged.json"


@dataclass(frozen=True)
class Wanted:
    """One build of a snap."""

    name: str
    revision: str = ""
    channel: str = ""
    sha3_384: str = ""


def fetch(context: Context, wanted: Wanted) -> str:
    """Have a snap on the disk, whole and as the plan says; return its file."""
    from edgecloud.agent import throttle  # No idle wake-up needs it.

    machine, limit = context.machine, context.plan.deadlines.stage_s
    known = machine.glob(f"{paths.STAGING}/{wanted.name}/*.snap")
    try:
        with throttle.limited(context.plan.floors.download_kib_s) as environment:
            file = snapd.download(
                machine,
                wanted.name,
                f"{paths.STAGING}/{wanted.name}",
                revision=wanted.revision,
                channel=wanted.channel,
                timeout_s=limit,
                env=environment,
            )
    except snap.SnapError as e:
        raise EffectError(str(e)) from e
    if file not in known:
        tally.fetched(machine, tally.SNAPS, machine.path(file).stat().st_size)
    digest = snapd.sha3_384(machine, file)
    if wanted.sha3_384 and digest != wanted.sha3_384:
        machine.remove(file)
        raise EffectError(f"{wanted.name} is not the build that the plan pins", burns=True)
    note = files.read_state(machine, _NOTE)
    files.write_state(machine, _NOTE, {**note, file: digest})
    return file


def verify(machine: host.Host, file: str) -> None:
    """See that a file is still what was fetched, byte by byte."""
    expected = files.read_state(machine, _NOTE).get(file)
    if not machine.exists(file) or snapd.sha3_384(machine, file) != expected:
        machine.remove(file)
        raise EffectError(f"{file.rpartition('/')[2]} was damaged since it was fetched")


def find(machine: host.Host, name: str, revision: str) -> str:
    """Return the file of a snap that was fetched and noted; empty if there is none."""
    file = f"{paths.STAGING}/{name}/{name}_{revision}.snap"
    noted = file in files.read_state(machine, _NOTE)
    return file if noted and machine.exists(file) else ""


def forget(machine: host.Host, keep: tuple[str, ...] = ()) -> None:
    """Give the space of what is needed no more back."""
    note = files.read_state(machine, _NOTE)
    for path in machine.glob(f"{paths.STAGING}/*/*.snap"):
        if path not in keep:
            machine.remove(path)
            machine.remove(snapd.assertion(path))
            note.pop(path, None)
    files.write_state(machine, _NOTE, note)
