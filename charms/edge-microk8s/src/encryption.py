"""Encryption of Kubernetes secrets at rest: the keys, their file, and the order of every change.

All control planes must be able to read a key before one of them writes with it, and must go on
reading with the former key until every secret is written anew. So turning it on, off, or over to
a new key is a sequence of stages, and each begins only when all nodes are at the one before.
"""

from __future__ import annotations

import base64
import dataclasses
import enum
import json
import re
import secrets
from collections.abc import Mapping
from typing import Any

from edgecloud import host as hosts
from edgecloud.host import failures, files, kubectl

FILE = "/var/snap/microk8s/common/etc/edge-encryption.json"
FLAG = "--encryption-provider-config"
APISERVER = "/var/snap/microk8s/current/args/kube-apiserver"
ANNOTATION = "edge-microk8s/written-with"

_KEY_BYTES = 32
_REWRITE_TIMEOUT_S = 300


class EncryptionError(failures.WorkloadError):
    """Secrets could not be written anew."""


class Stage(enum.Enum):
    """How far a change has come; the names say what API servers do meanwhile."""

    OFF = "off"
    LEARNING = "learning"
    """Plain text is written, the key is known."""
    WRITING = "writing"
    """Everything is being written anew with the key; plain text is still read."""
    ON = "on"
    ROTATING = "rotating"
    """The old key writes, the new one is known."""
    REWRITING = "rewriting"
    """Everything is being written anew with the new key; the old one is still read."""
    LEAVING = "leaving"
    """Everything is being written anew in plain text; the key is still read."""


@dataclasses.dataclass(frozen=True)
class Key:
    """A key and its name, which stands before every value that it wrote."""

    name: str
    secret: str = dataclasses.field(repr=False)


@dataclasses.dataclass(frozen=True)
class Encryption:
    """What all control planes share, in a Juju secret: the stage, and the keys, in use first."""

    stage: Stage = Stage.OFF
    keys: tuple[Key, ...] = ()

    @property
    def rewrites(self) -> bool:
        """Return whether this stage ends only when every secret was written anew."""
        return self.stage in (Stage.WRITING, Stage.REWRITING, Stage.LEAVING)

    @property
    def version(self) -> str:
        """Return a word that tells this state from every other, and betrays no key."""
        return "-".join((self.stage.value, *(key.name for key in self.keys)))


def new_key(name: str) -> Key:
    """Return a new random key."""
    return Key(name, base64.b64encode(secrets.token_bytes(_KEY_BYTES)).decode())


def advance(
    state: Encryption,
    *,
    wanted: bool,
    everywhere: bool,
    rewritten: bool,
    rotate: Key | None = None,
) -> Encryption:
    """Return the next state, or the same one while it has to wait.

    Args:
        state: where things stand.
        wanted: whether secrets shall be encrypted.
        everywhere: whether every control plane runs with this very state.
        rewritten: whether every secret was written anew since it does.
        rotate: a new key to begin with, or to change to.
    """
    if not everywhere or (state.rewrites and not rewritten):
        return state
    keys = state.keys
    if state.stage is Stage.OFF:
        return Encryption(Stage.LEARNING, (rotate,)) if wanted and rotate else state
    if state.stage is Stage.LEARNING:
        return Encryption(Stage.WRITING, keys) if wanted else Encryption()
    if state.stage is Stage.ROTATING:
        return Encryption(Stage.REWRITING, tuple(reversed(keys)))
    if state.stage is Stage.LEAVING:
        return Encryption()
    if state.stage is Stage.WRITING:
        return Encryption(Stage.ON, keys)
    if state.stage is Stage.REWRITING:
        return Encryption(Stage.ON, keys[:1])
    if not wanted:
        return Encryption(Stage.LEAVING, keys)
    return Encryption(Stage.ROTATING, (*keys, rotate)) if rotate else state


def render(state: Encryption) -> str:
    """Return the file for the API server; empty if nothing is or was encrypted."""
    if state.stage is Stage.OFF:
        return ""
    provider: dict[str, Any] = {
        "secretbox": {"keys": [{"name": key.name, "secret": key.secret} for key in state.keys]}
    }
    plain: dict[str, Any] = {"identity": {}}
    plain_first = state.stage in (Stage.LEARNING, Stage.LEAVING)
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": [
            {
                "resources": ["secrets"],
                "providers": [plain, provider] if plain_first else [provider, plain],
            }
        ],
    }
    return json.dumps(document, indent=1) + "\n"


def ensure(host: hosts.Host, state: Encryption) -> bool:
    """Ensure this node's file and flag. Return whether kubelite must be restarted."""
    text = render(state)
    if text:
        changed = host.write(FILE, text, mode=0o600)
        return _ensure_flag(host, wanted=True) or changed
    changed = _ensure_flag(host, wanted=False)
    # The API server that still runs has read the file; the next one no longer asks for it.
    return host.remove(FILE) or changed


def write_anew(host: hosts.Host, kubeconfig: str, state: Encryption) -> None:
    """Have every secret written again, with what is in use now. None is read for it.

    Raises:
        EncryptionError: the cluster refused, or not all were written.
    """
    mark = f"{ANNOTATION}={state.version}"
    everything = ("secrets", "--all", "--all-namespaces")
    try:
        kubectl.run(
            host,
            kubeconfig,
            "annotate",
            *everything,
            mark,
            "--overwrite",
            timeout_s=_REWRITE_TIMEOUT_S,
        )
    except kubectl.KubectlError as e:
        raise EncryptionError(str(e)) from e


def encode(state: Encryption) -> dict[str, str]:
    """Return the content of the Juju secret that control planes share."""
    keys = [dataclasses.asdict(key) for key in state.keys]
    return {"stage": state.stage.value, "keys": json.dumps(keys)}


def decode(content: Mapping[str, str]) -> Encryption:
    """Return the state that a Juju secret holds.

    Raises:
        ValueError: it holds none.
    """
    try:
        keys = tuple(Key(**key) for key in json.loads(content.get("keys", "[]")))
        return Encryption(Stage(content.get("stage", Stage.OFF.value)), keys)
    except TypeError as e:
        raise ValueError("the secret holds no keys of this charm") from e


def _ensure_flag(host: hosts.Host, *, wanted: bool) -> bool:
    text = files.read(host, APISERVER)
    kept = re.sub(rf"^{FLAG}=.*\n?", "", text, flags=re.MULTILINE)
    if wanted:
        kept = f"{kept.rstrip()}\n{FLAG}={FILE}\n"
    return kept != text and files.rewrite(host, APISERVER, kept)
