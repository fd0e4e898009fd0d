"""A step of MicroK8s on this node: fetch, back up, refresh, and go back the way its role allows.

A worker, and a node that is a cluster by itself, go back by ``snap revert``. A voter among others
never does: its old data know an older log than the one it acknowledged. It leaves, is installed
anew at the former build, and joins again.
"""

from __future__ import annotations

import pathlib
import tarfile
import zlib
from dataclasses import replace

from edgecloud.agent import context as contexts
from edgecloud.agent import kube, paths, rejoin, snap_step, snapd, staged, throttle
from edgecloud.agent.context import Context, EffectError, Look
from edgecloud.host import failures, kubectl, rejoin_offer, snap
from edgecloud.rollout import route, terms

NAME = "microk8s"
MICROK8S = "/snap/bin/microk8s"

_BACKUPS_KEPT = 2
_LEAST_OFFER_S = 600


def _look(context: Context) -> Look:
    found = snap_step.look(context.machine, NAME, context.node.target)
    revision = _staged_revision(context)
    return replace(found, staged=f"{NAME}:{revision}" if revision else "")


def _staged_revision(context: Context) -> str:
    """Return the staged build: the pinned one, or else what the channel held."""
    revision = context.node.target.partition(":")[2]
    if revision:
        return revision if staged.find(context.machine, NAME, revision) else ""
    pattern = f"{paths.STAGING}/{NAME}/{NAME}_*.snap"
    found = [snapd.revision_of(path) for path in context.machine.glob(pattern)]
    running = snap.info(context.machine, NAME)
    fresh = [each for each in found if not running or each != running.revision]
    return fresh[-1] if fresh and staged.find(context.machine, NAME, fresh[-1]) else ""


def _check(context: Context) -> None:
    if way_back(context) == "rejoin":
        offer = rejoin_offer.read(context.machine)
        if not offer.urls:
            raise EffectError("a voter needs an offer to join again before it is touched")
        left = offer.expires - context.machine.now()
        if left < max(_LEAST_OFFER_S, context.work.duration_s):
            raise EffectError("the offer to join again ends too soon")
    elif way_back(context) not in ("revert", "none"):
        raise EffectError(f"this node cannot go back by {way_back(context)}")


def way_back(context: Context) -> str:
    """Return how this node goes back; alone in its cluster, a voter may revert."""
    wanted = context.work.rollback
    if wanted == "rejoin" and len(rejoin.member_addresses(context.machine)) < 2:
        return "revert"
    return wanted


def _stage(context: Context) -> None:
    snap_step.forget(context.machine)
    revision = context.work.target.partition(":")[2]
    release = _release(context)
    digest = release.sha3_384.get(context.settings.arch) if release else None
    channel = "" if revision else f"{context.work.version}/stable"
    staged.fetch(context, staged.Wanted(NAME, revision, channel, digest or ""))
    running = snap.info(context.machine, NAME)
    if way_back(context) == "rejoin" and running:
        # Leaving purges the snap, and the uplink may be gone by then.
        staged.fetch(context, staged.Wanted(NAME, running.revision))
    _pull(context)


def _pull(context: Context) -> None:
    """Fetch what the new build will run, while nobody waits for it; the old one keeps it, too."""
    for image in context.plan.targets.images:
        command = (MICROK8S, "ctr", "images", "pull", image)
        try:
            with throttle.limited(context.plan.floors.download_kib_s) as environment:
                limit = context.plan.deadlines.stage_s
                context.machine.run(command, timeout_s=limit, env=environment)
        except failures.FAILURES as e:
            raise EffectError(failures.explain(e, f"pulling {image}")) from e


def _release(context: Context) -> terms.Release | None:
    kubernetes = context.plan.targets.kubernetes
    return kubernetes.releases.get(context.work.version) if kubernetes else None


def _back_up(context: Context) -> None:
    if context.settings.worker:
        return
    machine, name = context.machine, f"{context.work.digest[:12]}-{context.work.version}.tar.gz"
    # MicroK8s only restores an archive under the name that it was made with.
    part, whole = f"{paths.BACKUPS}/.partial/{name}", f"{paths.BACKUPS}/{name}"
    machine.path(part).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    machine.remove(part)
    command = (MICROK8S, "dbctl", "backup", "-o", part)
    try:
        machine.run(command, timeout_s=context.plan.deadlines.backup_s)
        file = machine.path(part)
        if not _holds_keys(file):
            raise EffectError("the backup cannot be read back")
        file.chmod(0o600)
        file.replace(machine.path(whole))
    except failures.FAILURES as e:
        raise EffectError(failures.explain(e, "microk8s dbctl backup")) from e
    _drop_old(context, whole)


def _holds_keys(file: pathlib.Path) -> bool:
    """Return whether an archive can be read to its end and holds what a restore looks for."""
    try:
        with tarfile.open(file) as archive:
            names = archive.getnames()
    except (tarfile.TarError, EOFError, zlib.error):
        return False
    stem = file.name.removesuffix(".tar.gz")
    return any(name.startswith(f"{stem}/") and name.endswith(".key") for name in names)


def _drop_old(context: Context, newest: str) -> None:
    machine = context.machine
    old = [path for path in machine.glob(f"{paths.BACKUPS}/*.tar.gz") if path != newest]
    old.sort(key=lambda path: machine.path(path).stat().st_mtime)
    for path in old[: max(0, len(old) - _BACKUPS_KEPT + 1)]:
        machine.remove(path)


def _apply(context: Context) -> None:
    snap_step.move(context, NAME, classic=True)
    try:
        snap.hold(context.machine, NAME)
        if context.settings.worker:
            kube.restart_network_pods(context.machine, context.settings)
    except (snap.SnapError, kubectl.KubectlError):
        return  # Neither makes the new build a bad one; the charm holds the snap again.


def _roll_back(context: Context) -> None:
    if way_back(context) == "rejoin" or rejoin_offer.is_under_way(context.machine):
        running = snap_step.look(context.machine, NAME, context.node.target).running
        untouched = not snap_step.was_tried(context) and running == context.node.prior
        if not untouched:
            rejoin.carry_out(context)
        return
    snap_step.revert(context, NAME)


def _reboot(context: Context) -> None:
    raise EffectError("a step of Kubernetes reboots nothing")


DRIVER = contexts.Driver(
    look=_look,
    check=_check,
    stage=_stage,
    back_up=_back_up,
    apply=_apply,
    roll_back=_roll_back,
    reboot=_reboot,
    commit=contexts.nothing,
)
KIND = route.Kind.KUBERNETES
