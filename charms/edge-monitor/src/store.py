"""Run VictoriaMetrics: take samples in, keep them for a while, answer questions about them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import locks
from edgecloud import host as hosts
from edgecloud.telemetry import daemons
from sizing import Size

PROGRAM = "/usr/bin/victoria-metrics"
NAME = "edge-monitor-store"
PORT = 18428
URL = f"http://127.0.0.1:{PORT}"
DATA = f"/var/lib/{NAME}"
SCRAPE = "scrape.yml"
KEYS = "/etc/edge-monitor/store.env"
_CLOSED = ("deleteAuthKey", "snapshotAuthKey", "forceMergeAuthKey")
"""What removes all that is kept, or fills the disk. It is asked by address alone, and a page that
is scraped may have a name that leads to this machine."""

FLUSH_OPTION = "inmemoryDataFlushInterval"
MOST_LABELS = 20_000
"""Of a series. Beyond it, the last are cut off, and those that a door puts on come last. A series
with as many has a longer name than the store takes, so none is there without them."""
STALE_INTERVALS = 3
"""How many missed scrapes make a series one that nobody answers for any more."""


def ensure_keys(host: hosts.Host) -> None:
    """Ensure that nobody removes what is kept."""
    locks.ensure(host, KEYS, _CLOSED)


def waits(known: Collection[str]) -> bool:
    """Return whether this version keeps samples in memory for as long as it is told."""
    return FLUSH_OPTION in known


def stale_s(interval_s: int) -> int:
    """Return after how many seconds without a sample a series is gone."""
    return max(20, STALE_INTERVALS * interval_s)


def daemon(
    size: Size,
    known: Collection[str],
    *,
    interval_s: int,
    retention_days: int,
    series: int,
    scrape_file: str = "",
    secrets: Mapping[str, str] | None = None,
) -> daemons.Daemon:
    """Return how this version of the store is run.

    Args:
        size: what it is given.
        known: the options that the program has.
        interval_s: between two samples of a series.
        retention_days: how long samples are kept.
        series: how many may be active; samples of further ones are dropped and counted.
        scrape_file: what it scrapes itself; empty if something else scrapes for it.
        secrets: files that scrape jobs name: name of the credential → root-only file.
    """
    wanted = {
        "httpListenAddr": f"127.0.0.1:{PORT}",
        "storageDataPath": f"{daemons.STATE}/{NAME}/data",
        "retentionPeriod": f"{retention_days}d",
        "memory.allowedBytes": f"{size.cache_mb}MB",
        "storage.minFreeDiskSpaceBytes": f"{size.guard_mb}MB",
        "storage.maxHourlySeries": str(series),
        "maxLabelsPerTimeseries": str(MOST_LABELS),
        FLUSH_OPTION: f"{size.flush_s}s",
        # By itself it answers half a minute in the past, and for five minutes for a dead target.
        "search.latencyOffset": "1s",
        "search.maxStalenessInterval": f"{stale_s(interval_s)}s",
        "search.maxLookback": f"{stale_s(interval_s)}s",
        "search.maxConcurrentRequests": "4",
        "search.maxQueryDuration": "20s",
        "promscrape.config": f"{daemons.CREDENTIALS}/{SCRAPE}" if scrape_file else "",
        **locks.OPTIONS,
        "loggerLevel": "WARN",
        "enableTCP6": "true",
    }
    return daemons.Daemon(
        name=NAME,
        purpose="Metrics of this site",
        command=(
            PROGRAM,
            *(f"-{key}={value}" for key, value in wanted.items() if value and key in known),
        ),
        secrets={**(secrets or {}), **({SCRAPE: scrape_file} if scrape_file else {})},
        # One core is plenty, leaves the others to what the site is for, and needs fewer buffers.
        environment={"GOMAXPROCS": "1", "GOMEMLIMIT": f"{size.heap_mb}MiB"},
        environment_file=KEYS,
        memory_mb=size.store_mb,
        # What lies in memory goes to the disk first.
        stop_s=120,
    )
