"""Lock the pages by which a program can be harmed. Nobody is told the keys.

They come by the environment: arguments are for everybody to see.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping

from edgecloud import host as hosts
from edgecloud.host import files

PREFIX = "EDGE_"
OPTIONS: Mapping[str, str] = {"envflag.enable": "true", "envflag.prefix": PREFIX}
"""What tells a program to look there."""


def ensure(host: hosts.Host, path: str, names: Collection[str]) -> None:
    """Ensure a key for each of these options, in a file for the program's environment."""
    if not files.read(host, path):
        lines = [f"{PREFIX}{name}={secrets.token_urlsafe(32)}" for name in names]
        host.write(path, "\n".join(lines) + "\n", mode=0o600)
