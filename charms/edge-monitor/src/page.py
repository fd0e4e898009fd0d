"""Serve the site's page: a socket on the loopback address, and a process for each look at it."""

from __future__ import annotations

from collections.abc import Sequence

import alerting
import site_facts
import store
from edgecloud import host as hosts
from edgecloud.host import systemd
from edgecloud.telemetry import daemons

NAME = "edge-monitor-page"
PORT = 18080
URL = f"http://127.0.0.1:{PORT}"

_AT_ONCE = 4


def socket() -> str:
    """Return the text of the socket's unit."""
    lines = (
        "[Unit]",
        "Description=The page of this site",
        "",
        "[Socket]",
        f"ListenStream=127.0.0.1:{PORT}",
        "Accept=yes",
        f"MaxConnections={_AT_ONCE}",
        "",
        "[Install]",
        "WantedBy=sockets.target",
    )
    return "\n".join(lines) + "\n"


def service(
    charm: str, site: str, *, silent_s: int = site_facts.SILENT_S, further: Sequence[int] = ()
) -> str:
    """Return the text of the unit that answers one request.

    Args:
        charm: folder of this charm on the machine.
        site: the site's name.
        silent_s: after how many seconds without a sample a node is shown as silent.
        further: ports of evaluators of rules beside the site's own.
    """
    path = ":".join(f"{charm}/{folder}" for folder in ("lib", "src", "venv"))
    rules, *others = (f"http://127.0.0.1:{port}" for port in (alerting.RULES_PORT, *further))
    words = " ".join((daemons.quoted(site), store.URL, rules, str(silent_s), *others))
    lines = (
        "[Unit]",
        "Description=A look at the page of this site",
        "CollectMode=inactive-or-failed",
        "",
        "[Service]",
        f"ExecStart=/usr/bin/python3 {charm}/src/site_main.py {words}",
        f"Environment=PYTHONPATH={path} PYTHONDONTWRITEBYTECODE=1",
        "StandardInput=socket",
        "StandardOutput=socket",
        "StandardError=journal",
        "RuntimeMaxSec=30",
        "MemoryMax=128M",
        *daemons.walls(),
    )
    return "\n".join(lines) + "\n"


def ensure(
    host: hosts.Host, *, charm: str, site: str, silent_s: int, further: Sequence[int] = ()
) -> bool:
    """Ensure that the page is served. Return whether anything changed."""
    text = service(charm, site, silent_s=silent_s, further=further)
    return systemd.ensure_socket(host, NAME, socket=socket(), service=text)


def remove(host: hosts.Host) -> bool:
    """Serve the page no more. Return whether it was."""
    return systemd.remove_socket(host, NAME)
