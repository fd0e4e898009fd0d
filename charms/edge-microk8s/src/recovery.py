"""Bring the datastore back after most of its members are lost for good, one step at a time.

The steps are taken by a person, on every machine that is left: stop them all; write the new list
of members on the one with the newest data; take that data over on the others; start them all.
Each step refuses unless the ones before it were taken, and saves what it is about to change.
"""

from __future__ import annotations

import dataclasses
import re
import tarfile
import zlib
from collections.abc import Iterable, Sequence

import yaml

import microk8s
from edgecloud import host as hosts
from edgecloud.host import failures, files

FOLDER = "/var/backups/edge-microk8s/quorum"
"""Apart from backups: what is here cannot be restored as one."""
HANDOVER = f"{FOLDER}/quorum-handover.tar.gz"
STATE = f"{microk8s.STATE}/recovery.json"
TAR = "/usr/bin/tar"
STOPPED = f"{microk8s.LOCKS}/stopped.lock"

STEPS = ("plan", "stop", "reconfigure", "adopt", "start")
VOTERS = 3

_SWITCH_TIMEOUT_S = 300
_TAR_TIMEOUT_S = 300
_RECONFIGURE_TIMEOUT_S = 60

_SEGMENT = re.compile(r"\d+-(\d+)")
_SNAPSHOT = re.compile(r"snapshot-\d+-(\d+)-\d+(\.meta)?")
_NUMBER = re.compile(r"[0-9]+(e[0-9]+)?|0b[01]+")
_OPEN = re.compile(r"open-\d+")


class RecoveryError(failures.WorkloadError):
    """A step was refused or failed."""


@dataclasses.dataclass(frozen=True)
class Survey:
    """What this machine knows, whether or not anything runs on it."""

    cluster: str
    own: int
    """This machine's number as a member of the datastore; 0 if it is none."""
    members: tuple[microk8s.Member, ...]
    newest: int
    """Number of the last entry that is in a closed file of the datastore."""
    opened: int
    """How many open files with still newer entries there are."""
    stopped: bool
    saved: bool
    """Whether the step stop saved this machine's data."""

    @property
    def address(self) -> str:
        """This machine's address in the datastore."""
        return next((member.address for member in self.members if member.id == self.own), "")


def cluster_id(authority: str) -> str:
    """Return a cluster's short name, out of the fingerprint of its authority.

    Never one that looks like a number: Juju reads the parameters of actions as YAML, and would
    not take it back as the text that ``confirm`` is.
    """
    short = authority[:12]
    return f"x{short}" if _NUMBER.fullmatch(short) else short


def survey(host: hosts.Host) -> Survey:
    """Look at this machine."""
    names = [path.rpartition("/")[2] for path in host.glob(f"{microk8s.BACKEND}/*")]
    own = re.search(r"^ID: (\d+)", files.read(host, f"{microk8s.BACKEND}/info.yaml"), re.MULTILINE)
    return Survey(
        cluster=cluster_id(microk8s.authority(host) or ""),
        own=int(own[1]) if own else 0,
        members=microk8s.members(host),
        newest=newest_entry(names),
        opened=sum(bool(_OPEN.fullmatch(name)) for name in names),
        stopped=host.exists(STOPPED),
        saved=bool(files.read_state(host, STATE)),
    )


def newest_entry(names: Iterable[str]) -> int:
    """Return the number of the last entry in the closed files of a datastore."""
    matches = (_SEGMENT.fullmatch(name) or _SNAPSHOT.fullmatch(name) for name in names)
    return max((int(match[1]) for match in matches if match), default=0)


def chosen(found: Survey, survivors: str) -> tuple[str, ...]:
    """Return the addresses of the members that are left: this one if none is named."""
    return tuple(dict.fromkeys(survivors.split())) or ((found.address,) if found.address else ())


def refusal(found: Survey, step: str, *, survivors: Sequence[str], confirm: str) -> str | None:
    """Return why a step may not be taken, or None."""
    problem = _unfit(found, survivors)
    if problem or step == "plan":
        return problem
    if step not in STEPS:
        return f"there is no step {step}: choose from {', '.join(STEPS)}"
    if confirm != found.cluster:
        return f"needs confirm={found.cluster}, the id of this cluster"
    if step == "stop":
        alone = "this is the only member: there is no quorum to restore"
        return alone if len(found.members) < 2 else None
    if not (found.stopped and found.saved):
        return "take the step stop on every survivor first"
    if step == "adopt" and len(survivors) < 2:
        return "the only survivor has nobody to take data from: reconfigure it instead"
    return None


def _unfit(found: Survey, survivors: Sequence[str]) -> str | None:
    """Return why these survivors make no sense on this machine, or None."""
    known = {member.address for member in found.members}
    strangers = sorted(set(survivors) - known)
    if not found.address:
        return "this machine is no member of the datastore: take the steps on a control plane"
    if strangers:
        return f"not a member: {', '.join(strangers)}; members are {', '.join(sorted(known))}"
    if found.address not in survivors:
        return f"this machine, {found.address}, is not among the survivors"
    return None


def steps(found: Survey, survivors: Sequence[str]) -> list[str]:
    """Return what to do, in order, for a person to read."""
    lost = sorted({member.address for member in found.members} - set(survivors))
    left = ", ".join(survivors)
    arguments = f"survivors='{' '.join(survivors)}' confirm={found.cluster}"
    found_steps = [
        f"make sure that these never come back as they are: {', '.join(lost) or 'none'}",
        f"on each of {left}: step=stop {arguments}",
        "on the one with the highest newest-entry, or among equals with the most open files:"
        f" step=reconfigure {arguments}",
    ]
    if len(survivors) > 1:
        found_steps.append(
            f"copy {HANDOVER} from it to each other survivor, and there:"
            f" step=adopt archive=PATH {arguments}"
        )
    found_steps += [
        f"on each of {left}: step=start {arguments}",
        f"juju remove-unit --force for the units of each of: {', '.join(lost) or 'none'};"
        " then remove-stale-node for a node that is still there",
    ]
    return [f"{number}. {text}" for number, text in enumerate(found_steps, 1)]


def member_list(members: Iterable[microk8s.Member], survivors: Iterable[str]) -> str:
    """Return the datastore's new list of members, numbered as before."""
    wanted = set(survivors)
    rows = [
        {"Address": f"{_bracketed(member.address)}:19001", "ID": member.id, "Role": 0}
        for member in sorted(members, key=lambda member: (member.role, member.address))
        if member.address in wanted
    ]
    for row in rows[VOTERS:]:
        row["Role"] = 1
    return yaml.safe_dump(rows, sort_keys=False)


def take(
    host: hosts.Host, step: str, *, survivors: str = "", archive: str = "", confirm: str = ""
) -> dict[str, str]:
    """Take one step on this machine and return the results of the action.

    Raises:
        RecoveryError: the step was refused, or failed; what was there is saved.
    """
    found = survey(host)
    left = chosen(found, survivors)
    problem = refusal(found, step, survivors=left, confirm=confirm)
    if problem:
        raise RecoveryError(problem)
    try:
        if step == "stop":
            _stop(host)
        elif step == "reconfigure":
            _reconfigure(host, found, left)
        elif step == "adopt":
            _adopt(host, found, archive)
        elif step == "start":
            _start(host)
    except failures.FAILURES as e:
        raise RecoveryError(failures.explain(e, f"step {step}")) from e
    return {
        "cluster-id": found.cluster,
        "members": " ".join(member.address for member in found.members),
        "survivors": " ".join(left),
        "newest-entry": str(found.newest),
        "open-files": str(found.opened),
        "done": step,
        "steps": "\n".join(steps(found, left)),
    }


def _stop(host: hosts.Host) -> None:
    if not host.exists(STOPPED):
        _refuse_if_led(host)
        host.run((microk8s.MICROK8S, "stop"), timeout_s=_SWITCH_TIMEOUT_S)
    saved = f"{FOLDER}/quorum-save-{int(host.now())}.tar.gz"
    _pack(host, saved, ["."])
    files.write_state(host, STATE, {"saved": saved})


def _start(host: hosts.Host) -> None:
    host.run((microk8s.MICROK8S, "start"), timeout_s=_SWITCH_TIMEOUT_S)
    host.remove(STATE)
    host.remove(HANDOVER)


def _refuse_if_led(host: hosts.Host) -> None:
    try:
        microk8s.live_members(host)
    except microk8s.MicroK8sError:
        return
    raise RecoveryError(
        "the datastore has its majority: nothing to restore. A single lost member goes with"
        " remove-stale-node"
    )


def _reconfigure(host: hosts.Host, found: Survey, survivors: Sequence[str]) -> None:
    backend = microk8s.BACKEND
    listing = f"{backend}/cluster.yaml"
    files.rewrite(host, listing, member_list(found.members, survivors))
    keys = ("-c", f"{backend}/cluster.crt", "-k", f"{backend}/cluster.key")
    statement = f".reconfigure {backend} {listing}"
    command = (microk8s.DQLITE, "-s", f"file://{listing}", *keys, "k8s", statement)
    said = host.run(command, timeout_s=_RECONFIGURE_TIMEOUT_S).stdout.strip()
    if said != "OK":
        raise RecoveryError(f"dqlite did not take the new list of members: {said}")
    if len(survivors) > 1:
        _pack(host, HANDOVER, _data_files(host))


def _adopt(host: hosts.Host, found: Survey, archive: str) -> None:
    path = archive or HANDOVER
    if not host.exists(path):
        raise RecoveryError(f"there is no {path}: copy it from the machine that wrote it")
    _check_handover(host, found, path)
    for name in _data_files(host):
        host.remove(f"{microk8s.BACKEND}/{name}")
    unpack = (TAR, "--extract", "--gzip", f"--file={path}", f"--directory={microk8s.BACKEND}")
    host.run(unpack, timeout_s=_TAR_TIMEOUT_S)


def _check_handover(host: hosts.Host, found: Survey, path: str) -> None:
    """Refuse an archive that holds anything but a datastore of which this machine is a member."""
    try:
        with tarfile.open(host.path(path), "r:gz") as content:
            members = {item.name.removeprefix("./"): item for item in content}
            listing = content.extractfile(members["cluster.yaml"])
            text = listing.read().decode() if listing else ""
    except (OSError, EOFError, KeyError, ValueError, tarfile.TarError, zlib.error) as e:
        raise RecoveryError(f"{path} is no archive of the step reconfigure: {e}") from e
    odd = sorted(name for name, item in members.items() if not (_is_data(name) and item.isfile()))
    if odd:
        raise RecoveryError(f"{path} holds what does not belong there: {', '.join(odd)}")
    if not re.search(rf"\bID: {found.own}$", text, re.MULTILINE):
        raise RecoveryError(f"{path} lists no member {found.address}: wrong survivors?")


def _data_files(host: hosts.Host) -> list[str]:
    """Return the names of the files that hold the datastore's content and its members."""
    names = [path.rpartition("/")[2] for path in host.glob(f"{microk8s.BACKEND}/*")]
    return [name for name in names if _is_data(name)]


def _is_data(name: str) -> bool:
    shapes = (_SEGMENT, _SNAPSHOT, _OPEN)
    return name == "cluster.yaml" or any(shape.fullmatch(name) for shape in shapes)


def _pack(host: hosts.Host, path: str, names: Sequence[str]) -> None:
    """Write an archive of the datastore's files that only root may read."""
    folder = host.path(FOLDER)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    partial = f"{path}.partial"
    options = ("--create", "--gzip", f"--file={partial}", f"--directory={microk8s.BACKEND}")
    host.run((TAR, *options, *names), timeout_s=_TAR_TIMEOUT_S)
    host.path(partial).chmod(0o600)
    host.path(partial).replace(host.path(path))


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
