"""One snap of an upgrade: where it stands, the move to another build, and the way back.

The move is written down before snapd is asked for it, with the number of snapd's last change. So
after a power cut it is plain whether snapd never heard of it, is still at it, did it, or took it
back; and it is asked for at most once.
"""

from __future__ import annotations

from edgecloud import host
from edgecloud.agent import paths, snapd, staged
from edgecloud.agent.context import Context, EffectError, Look
from edgecloud.host import files, snap


def look(machine: host.Host, name: str, target: str) -> Look:
    """Return how a snap stands towards a target such as ``microk8s:8600``."""
    installed = snap.info(machine, name)
    running = f"{name}:{installed.revision}" if installed else ""
    since = files.read_state(machine, paths.ATTEMPT)
    changes = snapd.changes(machine, name)
    ours = [each for each in changes if since.get("target") == target and each.id > since["after"]]
    return Look(
        running=running,
        default=running,
        version=installed.version if installed else "",
        pending=any(each.is_open for each in ours),
        undone=running != target and any(each.is_undone for each in ours),
        busy=_foreign([each for each in changes if each not in ours]),
    )


def _foreign(changes: list[snapd.Change]) -> str:
    open_ = [change for change in changes if change.is_open]
    return f"snapd: {open_[0].summary}" if open_ else ""


def move(context: Context, name: str, *, classic: bool) -> None:
    """Install the staged build over the one that runs, once."""
    machine, target = context.machine, context.node.target
    seen = look(machine, name, target)
    if seen.running == target:
        return
    limit = context.plan.deadlines.apply_s
    if seen.pending:
        snapd.settle(machine, name, limit)
    elif not seen.undone:
        _begin(context, name, classic=classic)
    if look(machine, name, target).running != target:
        raise EffectError(f"snapd did not install {target}")


def _begin(context: Context, name: str, *, classic: bool) -> None:
    machine, target = context.machine, context.node.target
    file = staged.find(machine, name, target.partition(":")[2])
    if not file:
        raise EffectError(f"{target} is not staged")
    staged.verify(machine, file)
    attempt = {"target": target, "after": snapd.newest(machine, name)}
    files.write_state(machine, paths.ATTEMPT, attempt)
    try:
        snapd.install(machine, file, classic=classic, timeout_s=context.plan.deadlines.apply_s)
    except snap.SnapError as e:
        give_up(context, name)
        raise EffectError(str(e)) from e


def give_up(context: Context, name: str) -> None:
    """Have snapd take back what it is still at, and wait until it has."""
    machine = context.machine
    for change in snapd.changes(machine, name):
        if change.is_open:
            snapd.abort(machine, change.id)
    snapd.settle(machine, name, context.plan.rollback.deadline_s)


def revert(context: Context, name: str) -> None:
    """Go back to the build that ran before, with the data that it had."""
    machine, prior = context.machine, context.node.prior
    give_up(context, name)
    if look(machine, name, context.node.target).running == prior:
        return
    try:
        revision = prior.partition(":")[2]
        snapd.revert(machine, name, revision, context.plan.rollback.deadline_s)
    except snap.SnapError as e:
        raise EffectError(str(e)) from e


def was_tried(context: Context) -> bool:
    """Return whether snapd was ever asked for the target at hand."""
    since = files.read_state(context.machine, paths.ATTEMPT)
    return since.get("target") == context.node.target


def forget(machine: host.Host) -> None:
    """Forget the last attempt, because another piece of work begins."""
    machine.remove(paths.ATTEMPT)
