"""Take in what applications of other charms write, by a way of its own and no more than allowed.

The published interface has no place for a password, so what comes this way is not believed: it is
marked with whose it is, and what rules and gates of this site go by is not taken in. A vmauth on
the site's network lets in the addresses that Juju names and no others; a vmagent behind it drops,
marks and counts. Both are there only where an operator has said how many series may come.
"""

from __future__ import annotations

import ipaddress
import json
import urllib.parse
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import door
import signed
import store
from edgecloud import host as hosts
from edgecloud.host import files
from edgecloud.interfaces import prometheus_remote_write
from edgecloud.telemetry import daemons, forwarder, packages

NAME, PORT = "edge-monitor-intake", 18431
DOOR, DOOR_PORT = "edge-monitor-intake-door", 8429
ALL = (DOOR, NAME)
RELABEL = "/etc/edge-monitor/intake-relabel.yml"
CONFIG = "/etc/edge-monitor/intake-door.yml"
MARK = "written_by"
"""Label that says which application wrote a series. What is of this site has none."""
OPEN = prometheus_remote_write.OPEN
"""The password of all that come here. It lets nobody in elsewhere."""
MEMORY_MB = 48
"""What both processes take."""
QUEUE_MB = forwarder.SMALLEST_QUEUE_MB

RELIED_ON = (
    "ALERTS.*|alertmanager_.*|apiserver_.*|edge_.*|kube_.*|kubelet_.*|lxd_.*|node_.*|scrape_.*"
    "|upgrade_.*|vm_.*|vmagent_.*|vmalert_.*"
)
"""Names that rules, gates or the page of a site ask for; of ``up`` they ask for the unmarked."""

_LABEL = "[a-zA-Z_][a-zA-Z0-9_]*"
_ONCE = "__once_"

_NEEDED = ("remoteWrite.maxHourlySeries", "remoteWrite.relabelConfig")
"""Without these options nothing could be kept out."""


@dataclass(frozen=True)
class Writer:
    """An application that writes here."""

    application: str
    addresses: tuple[str, ...]
    """Networks that its units write from, as Juju says."""


def writers(wanted: Mapping[str, Iterable[str]]) -> tuple[Writer, ...]:
    """Return who wants to write, given what Juju says of their addresses."""
    return tuple(Writer(name, networks(texts)) for name, texts in sorted(wanted.items()))


def networks(texts: Iterable[str]) -> tuple[str, ...]:
    """Return what are networks among texts, but none that is everybody."""
    return tuple(sorted({found for text in texts for found in _network(text)}))


def relabelling() -> str:
    """Return what is done to each series; JSON, which is YAML too.

    First each label is made to be there once, under a name that is one. Of a label that comes
    twice the first is looked at here, but the store keeps the last.
    """
    once = (
        {"action": "labelmap", "regex": f"({_LABEL})", "replacement": f"{_ONCE}$1"},
        {"action": "labelkeep", "regex": f"{_ONCE}.+"},
        {"action": "labelmap", "regex": f"{_ONCE}(.+)", "replacement": "$1"},
        {"action": "labeldrop", "regex": f"{_ONCE}.+"},
    )
    relied_on = {"action": "drop", "source_labels": ["__name__"], "regex": RELIED_ON}
    unmarked = {"action": "drop", "source_labels": [MARK], "regex": ""}
    return json.dumps([*once, relied_on, unmarked], indent=1) + "\n"


def rights(writers: Iterable[Writer]) -> str:
    """Return the configuration of the door: each writer's series get its mark."""
    users = [
        {
            "username": writer.application,
            "password": OPEN,
            "url_map": [{"src_paths": [door.WRITE], "url_prefix": _backend(writer)}],
        }
        for writer in sorted(writers, key=lambda each: each.application)
    ]
    return json.dumps({"users": users}, indent=1) + "\n"


def url(address: str, application: str) -> str:
    """Return where an application writes to, with the user and the password that are no secret."""
    return f"{door.open_url(address, application, OPEN, DOOR_PORT)}{door.WRITE}"


def collector(known: Collection[str], *, series: int, backend: str) -> daemons.Daemon:
    """Return how this version of vmagent is run behind the door.

    Args:
        known: the options that the program has.
        series: that may come in an hour.
        backend: what takes samples in.
    """
    wanted = {
        "httpListenAddr": f"127.0.0.1:{PORT}",
        "memory.allowedBytes": "32MB",
        "remoteWrite.url": f"{backend}/api/v1/write",
        "remoteWrite.relabelConfig": f"{daemons.CREDENTIALS}/relabel.yml",
        "remoteWrite.maxHourlySeries": str(series),
        "remoteWrite.tmpDataPath": f"{daemons.STATE}/{NAME}/queue",
        "remoteWrite.maxDiskUsagePerURL": str(QUEUE_MB * 2**20),
        "remoteWrite.queues": "1",
        "maxInsertRequestSize": "8MB",
        "loggerLevel": "ERROR",
        "enableTCP6": "true",
    }
    return daemons.Daemon(
        name=NAME,
        purpose="Samples of applications, taken in as far as they are allowed",
        command=(
            forwarder.PROGRAM,
            *(f"-{key}={value}" for key, value in wanted.items() if key in known),
        ),
        secrets={"relabel.yml": RELABEL},
        after=(f"{store.NAME}.service",),
        memory_mb=128,
    )


def entrance(
    known: Collection[str], *, address: str, shown: signed.Pair, writers: Iterable[Writer]
) -> daemons.Daemon:
    """Return how this version of vmauth is run for those who write."""
    allowed = {network for writer in writers for network in writer.addresses}
    return door.daemon(
        known,
        address=address,
        shown=shown,
        of=door.Entrance(
            DOOR, DOOR_PORT, CONFIG, "The way in for applications", tuple(sorted(allowed))
        ),
    )


def ensure(
    host: hosts.Host, writers: Collection[Writer], *, address: str, series: int, backend: str
) -> None:
    """Ensure that just these may write, and no more than so many series."""
    known = packages.options(host, forwarder.PROGRAM)
    host.write(RELABEL, relabelling())
    text = rights(writers)
    host.write(CONFIG, text, mode=0o600)
    inner = collector(known, series=series, backend=backend)
    daemons.ensure(host, inner, daemons.fingerprint(relabelling()))
    pair = signed.in_use(host)
    wanted = entrance(
        packages.options(host, door.PROGRAM), address=address, shown=pair, writers=writers
    )
    print_ = daemons.fingerprint(text, files.read(host, pair.certificate))
    daemons.ensure(host, wanted, print_)


def is_able(host: hosts.Host) -> bool:
    """Return whether this machine's vmagent can keep anything out."""
    known = packages.options(host, forwarder.PROGRAM)
    return all(option in known for option in _NEEDED)


def _backend(writer: Writer) -> str:
    mark = urllib.parse.urlencode([("extra_label", f"{MARK}={writer.application}")])
    return f"http://127.0.0.1:{PORT}/?{mark}"


def _network(text: str) -> Iterator[str]:
    if "%" in text:
        return  # Behind it, in version 6, may stand anything: even a further line of a unit.
    try:
        found = ipaddress.ip_network(text.strip(), strict=False)
    except ValueError:
        return
    if found.prefixlen:
        yield str(found)
