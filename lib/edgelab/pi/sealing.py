"""Encryption of secrets at rest: with which key an API server writes, and which it can read."""

from __future__ import annotations

import hashlib
import typing
from typing import Any, cast

import yaml

from edgelab.pi import files, paths

if typing.TYPE_CHECKING:
    from edgelab.pi import cluster as clusters
    from edgelab.pi import machine as machines

PLAIN = ""
MARK = "sealedWith"


def keys(machine: machines.Machine) -> list[str] | None:
    """Return what the API server's file offers, the first for writing; None if it is unusable."""
    path = paths.read_args(machine, "kube-apiserver").get("encryption-provider-config")
    if path is None:
        return [PLAIN]
    real = path.replace("${SNAP_DATA}", paths.DATA).replace("$SNAP_DATA", paths.DATA)
    try:
        document = cast("dict[str, Any]", yaml.safe_load(files.read(machine, real)))
        found: list[str] = []
        for resource in document["resources"]:
            if "secrets" in resource["resources"]:
                found += [mark for provider in resource["providers"] for mark in _marks(provider)]
        return found or [PLAIN]
    except (yaml.YAMLError, KeyError, TypeError):
        return None


def seal(machine: machines.Machine, secret: clusters.Object) -> None:
    """Note with which key the API server on this machine writes a secret down."""
    known = machine.node.seals if machine.node is not None else [PLAIN]
    secret["metadata"][MARK] = known[0]


def unreadable(machine: machines.Machine, secret: clusters.Object) -> bool:
    """Return whether the API server on this machine lacks the key for a secret."""
    known = machine.node.seals if machine.node is not None else [PLAIN]
    return secret["metadata"].get(MARK, PLAIN) not in (*known, PLAIN)


def _marks(provider: dict[str, Any]) -> list[str]:
    """Return a mark for each key of a provider: its name, and a digest of what it is."""
    if "identity" in provider:
        return [PLAIN]
    return [
        f"{key['name']}:{hashlib.sha256(str(key['secret']).encode()).hexdigest()[:12]}"
        for content in provider.values()
        for key in content["keys"]
    ]
