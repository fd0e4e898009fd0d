"""Collect what this machine tells of itself, and deliver it to the monitor of its site.

The exporter listens on the loopback address alone. The forwarder keeps on disk what the monitor
cannot take just now, over restarts and power cuts, up to a cap; then the oldest goes first.
Nothing of it runs without a monitor, but the exporter for an agent beside this unit.
"""

from __future__ import annotations

import hashlib
import logging
import pathlib
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgecloud import host as machines
from edgecloud.host import failures, files, systemd
from edgecloud.interfaces import node_metrics
from edgecloud.telemetry import daemons, exporter, forwarder, packages, scrape
from machine_facts import GUARD
from machine_facts import WATCHED as SCRAPE

logger = logging.getLogger(__name__)

PACKAGES = (exporter.PACKAGE, forwarder.PACKAGE)
DAEMONS = (exporter.NAME, forwarder.NAME)
FILES = "/etc/edge-node"
KEYS = f"{FILES}/monitors"
PAGE = f"{FILES}/page"
"""What the exporter needs where it is scraped from elsewhere."""
TRIED = "/var/lib/edge-node/packages.json"
TRY_AGAIN_S = 900
"""An archive that cannot be reached is not tried in every hook: that takes a while."""

SERIES = 5000
"""Of one page; most machines have a tenth."""

# What tells how full the queue is stays; how the forwarder's own insides are is not worth it.
_INSIDES = (
    "(go|process|flag|vm_(promscrape|protoparser|tcplistener|zstd|relabel|cache))_.*",
    "vmagent_.*_bucket",
)
_SECRET = 0o600


class CollectionError(failures.WorkloadError):
    """Nothing can be collected yet; says why."""


@dataclass(frozen=True)
class Wish:
    """What is to be collected here, and for whom."""

    accesses: tuple[node_metrics.Access, ...]
    node: str
    role: str
    buffer_mb: int


def attempt(host: machines.Host, wish: Wish, *, may_install: bool) -> str:
    """Ensure that exporter and forwarder run, as far as that can be done now.

    Returns:
        Why nothing is delivered; empty if all is as it should be.
    """
    return tried(host, lambda: ensure(host, wish, may_install=may_install), DAEMONS)


def attempt_export(host: machines.Host, *, may_install: bool) -> str:
    """Ensure that the exporter alone runs, as far as that can be done now: others scrape it.

    Returns:
        Why it does not run; empty if all is as it should be.
    """

    def ensure_alone() -> None:
        ensure_packages(host, may_install, PACKAGES[:1])
        ensure_exporter(host)

    return tried(host, ensure_alone, DAEMONS[:1])


def tried(host: machines.Host, step: Callable[[], None], wanted: Sequence[str]) -> str:
    """Take a step that lets these daemons run. Return why they do not; empty if they do."""
    try:
        step()
        still = [name for name in wanted if not systemd.is_active(host, f"{name}.service")]
    except (failures.WorkloadError, OSError) as error:
        logger.warning("collecting: %s", error)
        return " ".join(str(error).split())
    return f"{' and '.join(still)} not running" if still else ""


def ensure(host: machines.Host, wish: Wish, *, may_install: bool) -> None:
    """Ensure that exporter and forwarder run as they should.

    Args:
        host: the machine.
        wish: what is collected, for whom.
        may_install: whether packages may be fetched now.

    Raises:
        CollectionError: packages are missing, or nobody lets this machine in yet.
    """
    ensure_packages(host, may_install, PACKAGES)
    if not wish.accesses:
        # What runs goes on as it is: a queue is not thrown away for a moment of silence.
        raise CollectionError("the monitor has not let this machine in yet")
    text = config(wish)
    host.write(SCRAPE, text, mode=_SECRET)
    ensure_exporter(host)
    remotes = tuple(_remote(host, access) for access in wish.accesses)
    _forget_others(host, remotes)
    wanted = forwarder.Forwarder(remotes, SCRAPE, queue_mb=wish.buffer_mb)
    known = packages.options(host, forwarder.PROGRAM)
    secrets = [f"{access.password}\0{access.ca}" for access in wish.accesses]
    daemons.ensure(host, forwarder.daemon(wanted, known), _fingerprint(text, *secrets))


def config(wish: Wish) -> str:
    """Return what is scraped: this machine, and the forwarder itself. Pure."""
    labels = {"node": wish.node, **({"role": wish.role} if wish.role else {})}
    jobs = (
        scrape.Job("node", ((f"127.0.0.1:{exporter.PORT}", labels),), series_limit=SERIES),
        scrape.Job("vmagent", ((f"127.0.0.1:{forwarder.PORT}", labels),), drop=_INSIDES),
    )
    # Whoever wants samples most often gets them so.
    return scrape.config(jobs, interval_s=min(access.interval_s for access in wish.accesses))


def remove(host: machines.Host) -> None:
    """Take everything off this machine but the distribution's packages."""
    _remove_daemon(host, exporter.NAME)
    _hide(host)
    host.remove(TRIED)
    stop_delivering(host)


def stop_delivering(host: machines.Host) -> None:
    """Take the forwarder off this machine, with what waits in its queue and what lets it in."""
    _remove_daemon(host, forwarder.NAME)
    for path in (*host.glob(f"{KEYS}/*"), SCRAPE):
        host.remove(path)


def ensure_exporter(
    host: machines.Host, daemon: daemons.Daemon | None = None, fingerprint: str = ""
) -> None:
    """Ensure that the exporter runs: on the loopback address, if nothing else is said."""
    host.path(exporter.TEXTFILES).mkdir(parents=True, exist_ok=True)
    if daemon is None:
        daemon = exporter.daemon(packages.options(host, exporter.PROGRAM))
    daemons.ensure(host, daemon, fingerprint)
    if not fingerprint:
        _hide(host)


def _hide(host: machines.Host) -> None:
    """Take away what a page on the site's network needs."""
    for path in (*host.glob(f"{PAGE}/*"), GUARD):
        host.remove(path)


def _remove_daemon(host: machines.Host, name: str) -> None:
    daemons.remove(host, name)
    for folder in (f"/var/lib/{name}", f"/var/lib/private/{name}"):
        _remove_tree(host.path(folder))


def ensure_packages(host: machines.Host, may_install: bool, wanted: Sequence[str]) -> None:
    """Ensure that packages are there. Raises :class:`CollectionError`, ``PackageError``."""
    if packages.missing(host, wanted):
        last = files.read_state(host, TRIED)
        if not may_install:
            raise CollectionError("no packages are installed while a plan is under way")
        if 0 <= host.now() - float(last.get("at", 0)) < TRY_AGAIN_S:
            raise CollectionError(str(last.get("why", "")))
    try:
        packages.ensure(host, wanted)
    except packages.PackageError as error:
        files.write_state(host, TRIED, {"at": int(host.now()), "why": str(error)})
        raise
    host.remove(TRIED)


def _remote(host: machines.Host, access: node_metrics.Access) -> forwarder.Remote:
    """Return a monitor as the forwarder knows it, once its secrets lie where only root reads."""
    stem = f"{KEYS}/{access.unit.replace('/', '-')}"
    host.write(f"{stem}.password", access.password, mode=_SECRET)
    authority = f"{stem}.crt" if access.ca else ""
    if authority:
        host.write(authority, access.ca, mode=_SECRET)
    return forwarder.Remote(access.url, access.username, f"{stem}.password", authority)


def _forget_others(host: machines.Host, remotes: Sequence[forwarder.Remote]) -> None:
    kept = {path for each in remotes for path in (each.password_file, each.ca_file)}
    for path in host.glob(f"{KEYS}/*"):
        if path not in kept:
            host.remove(path)


def _remove_tree(folder: pathlib.Path) -> None:
    if folder.is_symlink():  # To where systemd keeps it for a user that it makes up.
        folder.unlink()
    else:
        shutil.rmtree(folder, ignore_errors=True)


def _fingerprint(*texts: str) -> str:
    """Return what changes with any of these texts, and does not tell what they say."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]
