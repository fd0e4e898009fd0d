"""Bring a machine's part of the monitoring to where it should be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import store
from edgecloud import host as hosts
from edgecloud.host import files
from edgecloud.telemetry import daemons, exporter, packages, scrape
from monitor_options import MonitorOptions
from sizing import MB, Machine, Size, fit

FILES = "/etc/edge-monitor"
SCRAPE = f"{FILES}/scrape.yml"
DAEMONS = (store.NAME, exporter.NAME)


def look(host: hosts.Host) -> Machine:
    """Return what this machine has for the store."""
    memory = 0
    for line in files.read(host, "/proc/meminfo").splitlines():
        if line.startswith("MemTotal:"):
            memory = int(line.split()[1]) // 1024
    return Machine(memory_mb=memory, disk_mb=(host.free_bytes(store.DATA) + held(host)) // MB)


def held(host: hosts.Host) -> int:
    """Return the bytes that the store holds already."""
    # The link that systemd makes for a unit whose user it makes up.
    folder = host.path(store.DATA)
    return sum(each.stat().st_size for each in folder.rglob("*") if each.is_file())


def fitting(host: hosts.Host, options: MonitorOptions) -> tuple[Size, list[str]]:
    """Return the size of the store on this machine, and what does not fit."""
    known = packages.options(host, store.PROGRAM)
    return fit(look(host), options.wish(), flushes=store.flushes(known))


def ensure(host: hosts.Host, options: MonitorOptions, size: Size) -> None:
    """Ensure that everything runs as it should."""
    _ensure_exporter(host)
    jobs = [own_job(options), *self_jobs()]
    text = scrape.config(jobs, interval_s=options.scrape_interval, labels=options.labels)
    host.write(SCRAPE, text, mode=0o600)
    daemon = store.daemon(
        size,
        packages.options(host, store.PROGRAM),
        interval_s=options.scrape_interval,
        retention_days=options.retention_days,
        series=options.series,
        scrape_file=SCRAPE,
    )
    daemons.ensure(host, daemon, fingerprint(text))


def own_job(options: MonitorOptions) -> scrape.Job:
    """Return the job that scrapes this machine."""
    target = f"127.0.0.1:{exporter.PORT}"
    return scrape.Job("node", ((target, {}),), series_limit=min(options.series, 2000))


def self_jobs() -> list[scrape.Job]:
    """Return the jobs that scrape the monitor's own processes."""
    return [scrape.Job("store", ((f"127.0.0.1:{store.PORT}", {}),), series_limit=2000)]


def remove(host: hosts.Host) -> None:
    """Remove what runs here; what the store has kept stays until an operator removes it."""
    for name in DAEMONS:
        daemons.remove(host, name)
    for path in host.glob(f"{FILES}/*"):
        host.remove(path)


def running(host: hosts.Host, names: Iterable[str]) -> list[str]:
    """Return the daemons that do not run although they should."""
    from edgecloud.host import systemd

    return [name for name in names if not systemd.is_active(host, f"{name}.service")]


def fingerprint(*texts: str) -> str:
    """Return what changes with any of these texts, and does not tell what they say."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _ensure_exporter(host: hosts.Host) -> None:
    host.path(exporter.TEXTFILES).mkdir(parents=True, exist_ok=True)
    known = packages.options(host, exporter.PROGRAM)
    daemons.ensure(host, exporter.daemon(known))
