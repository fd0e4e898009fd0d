"""Run vmagent: scrape what is near, keep it on disk while the store cannot be reached, send it on.

Its queue outlives a restart and a power cut, has a cap, and drops its oldest part first when it is
full. That is why it is not Prometheus' agent, which forgets what it has not sent when it restarts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from edgecloud.telemetry import daemons

PROGRAM = "/usr/bin/vmagent"
PACKAGE = "victoria-metrics"
NAME = "edge-forwarder"
PORT = 18429
SCRAPE = "scrape.yml"

SMALLEST_QUEUE_MB = 512
"""The queue's files are as large, so a smaller cap would not hold."""

BYTES_PER_SAMPLE = 39.0
"""What a sample takes in the queue, and on the wire, as Prometheus' protocol packs it."""

_CACHE_MB = 64


@dataclass(frozen=True)
class Remote:
    """A store that takes samples by Prometheus' remote-write protocol."""

    url: str
    username: str = ""
    password_file: str = ""
    """Root-only file with the password; with no user name it is a bearer token."""
    ca_file: str = ""


@dataclass(frozen=True)
class Forwarder:
    """What one vmagent does."""

    remotes: tuple[Remote, ...]
    scrape_file: str
    queue_mb: int = 1024
    """Cap of the queue of each store."""
    name: str = NAME
    port: int = PORT
    extra_secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    """Credentials that scrape jobs name: name → root-only file."""


def daemon(forwarder: Forwarder, known: Collection[str]) -> daemons.Daemon:
    """Return how this version of vmagent is run.

    Args:
        forwarder: what it shall do.
        known: the options that the program has.
    """
    remotes = forwarder.remotes
    secrets = {SCRAPE: forwarder.scrape_file, **forwarder.extra_secrets}
    for number, remote in enumerate(remotes):
        if remote.password_file:
            secrets[f"remote-{number}"] = remote.password_file
        if remote.ca_file:
            secrets[f"remote-{number}-ca"] = remote.ca_file
    wanted: list[tuple[str, str]] = [
        ("httpListenAddr", f"127.0.0.1:{forwarder.port}"),
        ("promscrape.config", f"{daemons.CREDENTIALS}/{SCRAPE}"),
        ("memory.allowedBytes", f"{_CACHE_MB}MB"),
        ("remoteWrite.tmpDataPath", f"{daemons.STATE}/{forwarder.name}/queue"),
        ("remoteWrite.maxDiskUsagePerURL", str(forwarder.queue_mb * 2**20)),
        # Two at once catch up after an outage; more would only take memory.
        ("remoteWrite.queues", "2"),
        ("loggerLevel", "WARN"),
        ("enableTCP6", "true"),
        *_each(remotes),
    ]
    return daemons.Daemon(
        name=forwarder.name,
        purpose="Metrics, kept on disk until their store takes them",
        command=(PROGRAM, *(f"-{key}={value}" for key, value in wanted if key in known)),
        secrets=secrets,
        # Memory is what a small Pi has least of: one core needs fewer buffers, and garbage goes
        # when there is a fifth of it, not when there is a third.
        environment={"GOGC": "20", "GOMAXPROCS": "1"},
        memory_mb=256,
    )


def _each(remotes: tuple[Remote, ...]) -> list[tuple[str, str]]:
    """Return the options that vmagent matches with its stores by their order.

    Those that may be empty are said once for all stores: vmagent drops an option that is said
    without a value, counts one less, and would show one store's password to every other.
    """
    found: dict[str, list[str]] = {}
    for number, remote in enumerate(remotes):
        file = f"{daemons.CREDENTIALS}/remote-{number}" if remote.password_file else ""
        authority = f"{daemons.CREDENTIALS}/remote-{number}-ca" if remote.ca_file else ""
        values = {
            "remoteWrite.basicAuth.username": remote.username,
            "remoteWrite.basicAuth.passwordFile": file if remote.username else "",
            "remoteWrite.bearerTokenFile": "" if remote.username else file,
            "remoteWrite.tlsCAFile": authority,
        }
        for key, value in values.items():
            found.setdefault(key, []).append(value)
    urls = [("remoteWrite.url", remote.url) for remote in remotes]
    return [*urls, *((key, _listed(values)) for key, values in found.items() if any(values))]


def _listed(values: list[str]) -> str:
    """Return values as one, each in quotes, so that a comma or nothing in one is no mistake."""
    return ",".join(map(json.dumps, values)) if len(values) > 1 else values[0]


def hours(queue_mb: int, *, series: int, interval_s: int) -> float:
    """Return for how long an outage a queue of one store lasts."""
    per_hour = series * 3600 / interval_s * BYTES_PER_SAMPLE
    return queue_mb * 2**20 / per_hour if per_hour else float("inf")
