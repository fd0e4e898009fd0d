"""What the machine itself says, read afresh for each event."""

from __future__ import annotations

from edgecloud import host
from edgecloud.agent import effects, hardware, kube, packages, paths
from edgecloud.agent import settings as machine_settings
from edgecloud.agent.context import Context, Look
from edgecloud.host import kubectl, snap
from edgecloud.rollout import state


def gather(
    machine: host.Host,
    settings: machine_settings.Settings,
    node: state.Node,
    context: Context | None,
) -> state.Facts:
    """Return the facts; without a piece of work there is nothing of an artefact to tell."""
    found, seen = _look(context), _node(machine, settings)
    ours = node.cordon is state.Cordon.OURS
    return state.Facts(
        running=found.running,
        default=found.default,
        staged=found.staged,
        version=found.version or (seen.version if seen else ""),
        # While the API server is away, what the journal says of the cordon stands.
        cordoned=seen.cordoned if seen else node.cordon is not state.Cordon.NONE,
        owner=seen.owner if seen else (node.owner if ours else ""),
        boot=hardware.boot_id(machine),
        pending=found.pending,
        undone=found.undone,
        ready=seen.ready if seen else not settings.node,
        clock_trusted=hardware.is_clock_trusted(machine, settings),
        veto=machine.exists(paths.VETO),
        foreign=found.busy or hardware.foreign(machine),
    )


def _look(context: Context | None) -> Look:
    driver = effects.driver(context) if context else None
    if context is None or driver is None:
        return Look()
    try:
        return driver.look(context)
    except snap.SnapError:
        return Look(busy="snapd does not answer")
    except packages.PackageError:
        return Look(busy="dpkg does not answer")


def _node(machine: host.Host, settings: machine_settings.Settings) -> kube.Seen | None:
    if not settings.node:
        return None
    try:
        return kube.look(machine, settings)
    except kubectl.KubectlError:
        return None
