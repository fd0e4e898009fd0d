"""When this charm runs again: soon while something is unfinished, briefly when all is well."""

from __future__ import annotations

import calm
import heartbeats
import join_tokens
import patience
from edgecloud import host as machines
from edgecloud.host import systemd
from node_status import Line


def wake_up_later(
    host: machines.Host, unit: str, *, looks: str | None, not_before: float | None
) -> None:
    """Run this charm again soon, without keeping a hook waiting; later, if nothing moves.

    Args:
        host: this machine.
        unit: this charm's unit on it.
        looks: what there is to see of all that is unfinished; None if nothing is.
        not_before: when what failed is to be tried again; None if nothing has a date.
    """
    name = f"edge-microk8s-{unit.replace('/', '-')}"
    before, now = patience.load(host), host.now()
    if looks is not None:
        with_tokens = join_tokens.has_minted(host)
        longest_s = patience.LONGEST_WITH_TOKENS_S if with_tokens else patience.LONGEST_S
        wait = patience.after(before, looks, now, longest_s=longest_s)
    else:
        wait = patience.Wait("", 0, max(not_before or now, now + patience.FIRST_S))
    if wait.until < before.until and now < before.until:
        systemd.disarm(host, name)
    patience.save(host, wait)
    systemd.arm(host, name, wait.until - now, systemd.dispatch_command(unit))


def keep_calm(host: machines.Host, seen: heartbeats.Seen, line: Line, *, leader: bool) -> None:
    """Note that all is well, so that the next update-status has little to do."""
    who = ("unit", "app") if leader else ("unit",)
    lines = {each: [line.status, line.message] for each in who}
    calm.remember(host, seen, lines, leader=leader)
