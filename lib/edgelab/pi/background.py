"""What goes on by itself: who has something to do, in which order, and when next."""

from __future__ import annotations

import typing
from collections.abc import Callable

from edgelab.pi import certificates, datastore, kube_nodes, kube_pods, launcher, proxy, snapd

if typing.TYPE_CHECKING:
    from edgelab.pi import world as worlds

_JOBS: tuple[Callable[[worlds.World], float], ...] = (
    snapd.background,  # changes that go on without a client, and refreshes that nobody held
    launcher.background,  # launch configurations, read every 5 s
    certificates.background,  # the kicker, which re-issues a certificate when addresses change
    datastore.background,  # leaders, and roles every 30 s
    proxy.background,  # the API servers that workers know, every 30 s
    kube_nodes.background,  # readiness of nodes
    kube_pods.background,  # starting, moving and evicting pods
)


def run(world: worlds.World) -> float:
    """Do all that is due. Return when there is something to do next."""
    return min([job(world) for job in _JOBS])
