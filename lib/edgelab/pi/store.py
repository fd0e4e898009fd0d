"""A small snap store: which revision a channel holds, and what a revision is."""

from __future__ import annotations

import dataclasses
import hashlib

RISKS = ("stable", "candidate", "beta", "edge")
ARCHITECTURES = ("amd64", "arm64")
MINORS = range(28, 37)
NEWEST = 36
_OTHERS = {"snapd": "2.72", "core20": "20250730", "core22": "20250923", "core24": "20250920"}
_LXD = {"5.21": ("5.21.4-8caf727", 35_000), "6": ("6.6-0bd9d43", 36_000)}
"""Version of each track, and where the numbers of its revisions begin."""


@dataclasses.dataclass
class Release:
    """What one revision of a snap is."""

    name: str
    revision: str
    version: str
    arch: str
    size: int = 180 * 1000**2


@dataclasses.dataclass
class Store:
    """Channels and revisions of all snaps."""

    releases: dict[str, Release] = dataclasses.field(default_factory=dict[str, Release])
    channels: dict[str, str] = dataclasses.field(default_factory=dict[str, str])

    @classmethod
    def with_kubernetes(cls) -> Store:
        """Return a store with MicroK8s 1.28 to 1.36, and the snaps it needs."""
        store = cls()
        for arch in ARCHITECTURES:
            for minor in MINORS:
                for risk in reversed(RISKS):
                    patch = 2 + RISKS.index(risk)
                    store.publish(
                        "microk8s", f"1.{minor}/{risk}", arch, _revision(minor, risk, arch),
                        f"v1.{minor}.{patch}",
                    )  # fmt: skip
            for track, (version, first) in _LXD.items():
                for risk in RISKS:
                    number = first + 10 * RISKS.index(risk) + ARCHITECTURES.index(arch)
                    store.publish("lxd", f"{track}/{risk}", arch, str(number), version)
            newest = store.channels[f"lxd/{arch}/6/stable"]
            store.publish("lxd", "latest/stable", arch, newest, _LXD["6"][0])
            for number, (name, version) in enumerate(_OTHERS.items()):
                revision = str(500 + 10 * number + ARCHITECTURES.index(arch))
                store.publish(name, "latest/stable", arch, revision, version)
        return store

    def publish(self, name: str, channel: str, arch: str, revision: str, version: str) -> None:
        """Release a revision to a channel."""
        self.releases[f"{name}/{revision}"] = Release(name, revision, version, arch)
        self.channels[f"{name}/{arch}/{channel}"] = revision

    def find(self, name: str, channel: str, arch: str) -> Release | None:
        """Return what a channel holds; a risk without a release falls back to a safer one."""
        track, risk = channel.split("/")[:2]
        if name == "microk8s" and track == "latest":
            track = f"1.{NEWEST}"
        for safer in reversed(RISKS[: RISKS.index(risk) + 1]):
            revision = self.channels.get(f"{name}/{arch}/{track}/{safer}")
            if revision is not None:
                return self.releases[f"{name}/{revision}"]
        return None

    def release(self, name: str, revision: str) -> Release | None:
        """Return a revision by its number."""
        return self.releases.get(f"{name}/{revision}")

    def has(self, name: str) -> bool:
        """Return whether there is such a snap at all."""
        return any(key.startswith(f"{name}/") for key in self.releases)


def full_channel(text: str) -> str:
    """Return a channel with both its parts: ``1.35`` and ``edge`` are short for more."""
    if not text:
        return "latest/stable"
    if "/" in text:
        return text
    return f"latest/{text}" if text in RISKS else f"{text}/stable"


def snap_file(name: str, revision: str, version: str, arch: str, base: str = "") -> str:
    """Return the content of a stand-in for a ``.snap`` file."""
    base = base or ("core22" if name == "microk8s" else "none")
    return f"name: {name}\nrevision: {revision}\nversion: {version}\narch: {arch}\nbase: {base}\n"


def assertion(snap_text: str) -> str:
    """Return the assertions that ``snap download`` puts beside such a file."""
    return f"type: snap-revision\nsnap-sha3-384: {digest(snap_text)}\n"


def digest(snap_text: str) -> str:
    """Return the digest by which an assertion names a snap file."""
    return hashlib.sha3_384(snap_text.encode()).hexdigest()


def minor_of(version: str) -> int:
    """Return 35 for ``v1.35.2``."""
    return int(version.lstrip("v").split(".")[1])


def _revision(minor: int, risk: str, arch: str) -> str:
    number = 5000 + (minor - 20) * 240 + RISKS.index(risk) * 10 + ARCHITECTURES.index(arch)
    return str(number)
