"""Say how a daemon of the monitoring runs: its command, its files, and a unit that confines it.

A unit runs as a user of its own that systemd makes up. It owns one folder below ``/var/lib``, sees
the rest of the machine read-only, and gets its secrets as credentials, which root alone can read.
Only what looks at the machine itself runs as a user of the system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from edgecloud import host as hosts
from edgecloud.host import systemd

CREDENTIALS = "%d"
"""systemd's word for the folder with a unit's credentials."""

STATE = "%S"
"""systemd's word for the folder below which units keep what they have to remember."""


@dataclass(frozen=True)
class Daemon:
    """A process that runs for ever."""

    name: str
    purpose: str
    command: tuple[str, ...]
    """Words that may hold :data:`CREDENTIALS` and :data:`STATE`. Never a secret."""
    secrets: Mapping[str, str] = field(default_factory=dict[str, str])
    """Files that only root may read: name of the credential → path."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variables that everybody may see."""
    environment_file: str = ""
    """Root-only file of variables."""
    after: tuple[str, ...] = ()
    memory_mb: int = 0
    """What it may take at most; 0 for no limit."""
    stop_s: int = 30
    peers: tuple[str, ...] | None = None
    """Networks that it may have to do with, besides this machine; None for any."""
    user: str = ""
    """Empty for a user that systemd makes up, with a view of the machine of its own. One of the
    system sees devices, processes and mounts as they are."""


def unit(daemon: Daemon, fingerprint: str = "") -> str:
    """Return the text of a daemon's unit.

    Args:
        daemon: what to run.
        fingerprint: changes with the files it reads, so that a change restarts it.
    """
    after = " ".join(("network-online.target", "time-sync.target", *daemon.after))
    lines = [
        "# Written by a charm, which puts it back when it is changed.",
        "[Unit]",
        f"Description={daemon.purpose}",
        f"After={after}",
        "Wants=network-online.target",
        # A full disk or a port in use mends itself or not; giving up mends nothing.
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        f"ExecStart={' '.join(map(quoted, daemon.command))}",
        "Restart=always",
        "RestartSec=30s",
        f"TimeoutStopSec={daemon.stop_s}s",
        *(f"Environment={name}={value}" for name, value in sorted(daemon.environment.items())),
        *([f"Environment=EDGE_FILES={fingerprint}"] if fingerprint else []),
        *([f"EnvironmentFile={daemon.environment_file}"] if daemon.environment_file else []),
        *(f"LoadCredential={name}:{path}" for name, path in sorted(daemon.secrets.items())),
        *_memory(daemon.memory_mb),
        *_network(daemon.peers),
        f"StateDirectory={daemon.name}",
        "StateDirectoryMode=0700",
        *(_rights(daemon.user) if daemon.user else walls()),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
    ]
    return "\n".join(lines) + "\n"


def ensure(host: hosts.Host, daemon: Daemon, fingerprint: str = "") -> bool:
    """Ensure that a daemon runs as it should. Return whether it was started anew."""
    return systemd.ensure_service(host, daemon.name, unit(daemon, fingerprint))


def remove(host: hosts.Host, name: str) -> bool:
    """Remove a daemon; what it has stored stays. Return whether it was there."""
    return systemd.remove_service(host, name)


def _memory(memory_mb: int) -> list[str]:
    if not memory_mb:
        return []
    # High slows it down before Max ends it.
    return [f"MemoryHigh={memory_mb * 9 // 10}M", f"MemoryMax={memory_mb}M"]


def fingerprint(*texts: str) -> str:
    """Return what changes with any of these texts, and does not tell what they say."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _network(peers: tuple[str, ...] | None) -> list[str]:
    if peers is None:
        return []
    allowed = " ".join(("localhost", *peers))
    return ["IPAddressDeny=any", f"IPAddressAllow={allowed}"]


def walls() -> list[str]:
    """Return the lines that confine a service that has no business with the machine itself."""
    return [
        "DynamicUser=yes",
        *_FEW_RIGHTS,
        "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
        "ProtectSystem=strict",
        "ProtectHome=yes",
        "PrivateTmp=yes",
        "ProtectKernelModules=yes",
        "ProtectKernelTunables=yes",
        "ProtectControlGroups=yes",
        "PrivateDevices=yes",
        "ProtectProc=invisible",
        "ProtectKernelLogs=yes",
        "ProtectClock=yes",
        "ProtectHostname=yes",
    ]


def _rights(user: str) -> list[str]:
    """Return the lines for a service that looks at the machine: few rights, but no walls.

    Each wall is a mount, and within one the machine's root looks read-only, as if its card died.
    """
    families = "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK"
    return [f"User={user}", *_FEW_RIGHTS, families]


_FEW_RIGHTS = (
    "UMask=0077",
    "CapabilityBoundingSet=",
    "NoNewPrivileges=yes",
    "RestrictNamespaces=yes",
    "RestrictRealtime=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "MemoryDenyWriteExecute=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "SystemCallErrorNumber=EPERM",
    "OOMScoreAdjust=500",
)


def quoted(word: str) -> str:
    """Return a word as systemd reads it back: only ``%d`` and ``%S`` keep their meaning."""
    kept = word.replace("%", "%%").replace("%%d", "%d").replace("%%S", "%S").replace("$", "$$")
    if not kept or any(letter in kept for letter in " \t\"'\\;"):
        escaped = kept.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    return kept
