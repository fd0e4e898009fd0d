"""Run vmauth, the one way in from the site's network: TLS, and for each caller one narrow path."""

from __future__ import annotations

import json
import secrets
import urllib.parse
from collections.abc import Collection, Mapping
from dataclasses import dataclass

import locks
import page
import signed
import store
from edgecloud import host as hosts
from edgecloud.host import files
from edgecloud.telemetry import daemons

PROGRAM = "/usr/bin/vmauth"
NAME = "edge-monitor-door"
PORT = 8427
FILES = "/etc/edge-monitor"
CONFIG = f"{FILES}/door.yml"
KEYS = f"{FILES}/door.env"
PASSWORDS = f"{FILES}/passwords.json"

GATE = "gate"
"""Asks single questions; the upgrade controller does."""
READER = "reader"
"""Looks at the site's page; people do."""

_CLOSED = ("metricsAuthKey", "flagsAuthKey", "pprofAuthKey", "reloadAuthKey")
"""vmauth's own pages, which it otherwise shows to everybody."""

WRITE = "/api/v1/write"


@dataclass(frozen=True)
class Right:
    """What a caller may do."""

    user: str
    paths: tuple[str, ...]
    """Regular expressions of whole paths."""
    backend: str = store.URL
    password: str = ""
    """One that everybody may know; empty for one that is made here."""


RIGHTS = (
    Right(GATE, ("/api/v1/query",)),
    Right(READER, ("/",), page.URL),
)


ANYBODY = Right(
    "anybody",
    (
        "/api/v1/query",
        "/api/v1/query_range",
        "/api/v1/series",
        "/api/v1/labels",
        "/api/v1/label/[^/]+/values",
        "/api/v1/metadata",
        "/api/v1/status/buildinfo",
    ),
    password="anybody",
)
"""Asks whatever a Grafana asks, and changes nothing. For those whose interface has no place for a
password; vmauth of the distribution knows nobody without one."""


def writer(unit: str, labels: Mapping[str, str], backend: str) -> Right:
    """Return what a machine may that delivers its samples.

    Args:
        unit: of the machine.
        labels: put on all that it delivers, whatever it says itself: nobody speaks for another.
        backend: what takes samples in.
    """
    forced = [("extra_label", f"{name}={value}") for name, value in sorted(labels.items())]
    return Right(writer_name(unit), (WRITE,), f"{backend}/?{urllib.parse.urlencode(forced)}")


def writer_name(unit: str) -> str:
    """Return the user that a machine is; each has a password of its own."""
    return f"writer-{unit.replace('/', '-')}"


def password(host: hosts.Host, user: str) -> str:
    """Return the password of a user that was made before."""
    return str(files.read_state(host, PASSWORDS).get(user, ""))


def ensure_passwords(host: hosts.Host, rights: Collection[Right] = RIGHTS) -> Mapping[str, str]:
    """Return the password of each user; made once, and kept where only root may read them.

    Who is not among the users any more is forgotten.
    """
    known = files.read_state(host, PASSWORDS)
    kept = {
        right.user: right.password or known.get(right.user) or secrets.token_urlsafe(32)
        for right in rights
    }
    files.write_state(host, PASSWORDS, kept)
    return kept


def ensure_keys(host: hosts.Host) -> None:
    """Ensure that nobody sees vmauth's own pages."""
    locks.ensure(host, KEYS, _CLOSED)


def config(passwords: Mapping[str, str], rights: Collection[Right] = RIGHTS) -> str:
    """Return vmauth's configuration; JSON, which is YAML too."""
    users = [
        {
            "username": right.user,
            "password": passwords[right.user],
            "url_map": [{"src_paths": list(right.paths), "url_prefix": right.backend}],
        }
        for right in rights
    ]
    return json.dumps({"users": users}, indent=1) + "\n"


@dataclass(frozen=True)
class Entrance:
    """One of the ways in."""

    name: str
    port: int
    config: str
    purpose: str
    peers: tuple[str, ...] | None = None
    """Networks that it lets in, besides this machine; None for any."""


SITE = Entrance(NAME, PORT, CONFIG, "The way into the metrics of this site")


def daemon(
    known: Collection[str],
    *,
    address: str,
    shown: signed.Pair | None = None,
    of: Entrance = SITE,
) -> daemons.Daemon:
    """Return how this version of vmauth is run.

    Args:
        known: the options that the program has.
        address: of this machine on the site's network.
        shown: certificate and key; the site's own if there is no other.
        of: which of the ways in.
    """
    shown = shown or signed.Pair()
    wanted = {
        "auth.config": f"{daemons.CREDENTIALS}/door.yml",
        "httpListenAddr": f"{_bracketed(address)}:{of.port}",
        "tls": "true",
        "tlsCertFile": f"{daemons.CREDENTIALS}/server.crt",
        "tlsKeyFile": f"{daemons.CREDENTIALS}/server.key",
        **locks.OPTIONS,
        "loggerLevel": "ERROR",
        "enableTCP6": "true",
    }
    return daemons.Daemon(
        name=of.name,
        purpose=of.purpose,
        command=(PROGRAM, *(f"-{key}={value}" for key, value in wanted.items() if key in known)),
        secrets={
            "door.yml": of.config,
            "server.crt": shown.certificate,
            "server.key": shown.key,
        },
        environment_file=KEYS,
        peers=of.peers,
        memory_mb=64,
    )


def url(address: str) -> str:
    """Return where the door is."""
    return f"https://{_bracketed(address)}:{PORT}"


def open_url(
    address: str, user: str = ANYBODY.user, word: str = ANYBODY.password, port: int = PORT
) -> str:
    """Return where somebody is let in, with the user and the password that are no secret."""
    return f"https://{user}:{word}@{_bracketed(address)}:{port}"


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
