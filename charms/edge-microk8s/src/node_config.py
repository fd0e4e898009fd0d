"""The options, checked once, every problem at once."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Any

import addons as addon_wishes
import backup
import footprint
import registries as image_registries

CONTROL_PLANE = "control-plane"
WORKER = "worker"
ROLES = (CONTROL_PLANE, WORKER)

FOREVER = "forever"
FOREVER_S = 10 * 365 * 86400
"""Ten years: the API server wants a number of seconds, and takes no infinite one."""

OLDEST_MINOR = 29
"""Older versions do not check join URLs, and lack options that this charm sets."""

_CHANNEL = re.compile(r"1\.([0-9]{2})(?:/(stable|candidate|beta|edge))?")
_NAME = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,61}[A-Za-z0-9])?"
_PART = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_DOMAIN = rf"{_PART}(?:\.{_PART})*"
_LABEL_KEY = re.compile(rf"(?:(?=[^/]{{1,253}}/){_DOMAIN}/)?{_NAME}")
_LABEL_VALUE = re.compile(rf"(?:{_NAME})?")
_SAN_NAME = re.compile(rf"(?=.{{1,253}}$)(?:\*\.)?{_DOMAIN}")
_LOOKS_LIKE_ADDRESS = re.compile(r"(?:.*\.)?[0-9]+")
_NO_PROXY = re.compile(r"[A-Za-z0-9.*:/_-]+")
_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_TAKEN = {
    "topology.kubernetes.io/zone": "set failure-domain instead",
    "kubernetes.io/hostname": "the node sets it itself",
    "kubernetes.io/arch": "the node sets it itself",
    "kubernetes.io/os": "the node sets it itself",
}


class ConfigError(ValueError):
    """One or more options are wrong; ``problems`` says for each what to do."""

    def __init__(self, problems: list[str]):
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclasses.dataclass(frozen=True)
class Birth:
    """What cannot be changed once a node is installed. None where it is not known."""

    role: str | None = None
    service_cidr: str | None = None
    cluster_cidr: str | None = None


@dataclasses.dataclass(frozen=True)
class NodeConfig:
    """The options as the operator wrote them; properties hold what they mean."""

    channel: str = "1.35/stable"
    role: str = CONTROL_PLANE
    profile: str = footprint.AUTO
    addons: str = "dns"
    strict_addons: bool = False
    rbac: bool = True
    encrypt_secrets: bool = False
    extra_sans: str = ""
    node_labels: str = ""
    node_taints: str = ""
    failure_domain: str = ""
    service_cidr: str = "10.152.183.0/24"
    cluster_cidr: str = "10.1.0.0/16"
    containerd_http_proxy: str = ""
    containerd_https_proxy: str = ""
    containerd_no_proxy: str = ""
    registries: str = ""
    registry_credentials: Any = None
    """Juju's secret, unread; None if there is none."""
    autonomy: str = "300"
    datastore: str = "sd"
    backup_schedule: str = "daily"
    backup_keep: int = 7

    def __post_init__(self) -> None:
        problems = list(_problems(self))
        if problems:
            raise ConfigError(problems)

    @property
    def full_channel(self) -> str:
        """The channel with both its parts."""
        return self.channel if "/" in self.channel else f"{self.channel}/stable"

    @property
    def minor(self) -> int:
        """35 for ``1.35/stable``."""
        return _minor(self.channel)

    @property
    def is_worker(self) -> bool:
        """Whether this application's nodes run no control plane."""
        return self.role == WORKER

    @property
    def sans(self) -> tuple[str, ...]:
        """The additional names and addresses of the API."""
        return tuple(self.extra_sans.split())

    @property
    def labels(self) -> dict[str, str]:
        """The labels of the node."""
        pairs = (word.partition("=") for word in self.node_labels.split())
        return {key: value for key, _, value in pairs}

    @property
    def taints(self) -> tuple[str, ...]:
        """The taints of the node, each as ``key=value:Effect`` or ``key:Effect``."""
        return tuple(word.replace("=:", ":") for word in self.node_taints.split())

    @property
    def toleration_s(self) -> int:
        """How long pods stay with a node that does not answer."""
        return FOREVER_S if self.autonomy == FOREVER else int(self.autonomy)

    @property
    def image_registries(self) -> tuple[image_registries.Registry, ...]:
        """Where images come from."""
        return image_registries.parse(self.registries)

    @property
    def proxies(self) -> dict[str, str]:
        """The environment of containerd."""
        found = {
            "HTTP_PROXY": self.containerd_http_proxy,
            "HTTPS_PROXY": self.containerd_https_proxy,
        }
        found = {key: value for key, value in found.items() if value}
        if found or self.containerd_no_proxy:
            # The cluster's own registries are never behind the proxy.
            own = ["127.0.0.1", "localhost", self.service_cidr, self.cluster_cidr]
            wished = [word for word in self.containerd_no_proxy.split(",") if word]
            found["NO_PROXY"] = ",".join(dict.fromkeys([*wished, *own]))
        return found


def immutable_problems(config: NodeConfig, born: Birth) -> list[str]:
    """Return for each option that was changed but cannot be, what to set it back to."""
    pairs = (
        ("role", config.role, born.role),
        ("service-cidr", config.service_cidr, born.service_cidr),
        ("cluster-cidr", config.cluster_cidr, born.cluster_cidr),
    )
    return [
        f"{option}={now} cannot be changed after the deployment: set it back to {former}"
        for option, now, former in pairs
        if former is not None and former != now
    ]


def track_problem(config: NodeConfig, installed: str | None, accepted: str = "") -> str | None:
    """Return why the channel's version is out of the question, given the one installed.

    The channel that was accepted last is not: the node was upgraded past it since.
    """
    minor = _installed_minor(installed)
    if minor is None or config.minor >= minor or config.channel == accepted:
        return None
    return (
        f"channel={config.channel} is below the installed {installed}, and the datastore cannot"
        f" go back: set it to 1.{minor}/stable or above"
    )


def track_note(config: NodeConfig, installed: str | None) -> str | None:
    """Return what to say of a channel whose version is not the one installed."""
    minor = _installed_minor(installed)
    if minor is None or config.minor == minor:
        return None
    if config.minor > minor:
        return f"channel={config.channel} is for new nodes: this one stays on {installed}"
    return f"new nodes cannot join with channel={config.channel}: set it to 1.{minor}/stable"


def _installed_minor(version: str | None) -> int | None:
    found = re.match(r"v?1\.([0-9]+)", version or "")
    return int(found.group(1)) if found else None


def _problems(config: NodeConfig) -> Iterator[str]:
    for field in dataclasses.fields(config):
        option = field.name.replace("_", "-")
        value = getattr(config, field.name)
        for problem in _CHECKS.get(option, _fits)(value):
            yield f"{option}={_shown(option, value)}: {problem}"
    yield from _overlap(config)


def _fits(value: object) -> Iterator[str]:
    yield from ()


def _check_channel(value: str) -> Iterator[str]:
    found = _CHANNEL.fullmatch(value)
    if found is None:
        yield "set a version, such as 1.35 or 1.35/stable; never latest"
    elif int(found.group(1)) < OLDEST_MINOR:
        yield f"versions below 1.{OLDEST_MINOR} are not supported, set 1.{OLDEST_MINOR} or above"


def _one_of(*values: str) -> Callable[[str], Iterator[str]]:
    def check(value: str) -> Iterator[str]:
        if value not in values:
            yield f"set {', '.join(values[:-1])} or {values[-1]}"

    return check


def _check_addons(value: str) -> Iterator[str]:
    try:
        addon_wishes.parse(value)
    except addon_wishes.AddonsError as error:
        yield str(error)


def _check_sans(value: str) -> Iterator[str]:
    for word in value.split():
        if _is_address(word):
            continue
        # No host name ends in a number: 10.0.0.300 is an address gone wrong.
        if not _SAN_NAME.fullmatch(word) or _LOOKS_LIKE_ADDRESS.fullmatch(word):
            yield f"{word} is no host name and no address: divide them by spaces"


def _check_labels(value: str) -> Iterator[str]:
    keys = [word.partition("=")[0] for word in value.split()]
    for word in value.split():
        yield from _label_problems(word)
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield f"{key} is there twice"


def _label_problems(word: str) -> Iterator[str]:
    key, equals, text = word.partition("=")
    if not equals or not _is_key(key) or not _LABEL_VALUE.fullmatch(text):
        yield f"{word} is no label: write key=value"
    elif key in _TAKEN:
        yield f"{key}: {_TAKEN[key]}"
    elif key.partition("/")[0].endswith("microk8s.io") or "/microk8s-" in key:
        yield f"{key}: MicroK8s sets it itself"


def _check_taints(value: str) -> Iterator[str]:
    names: list[tuple[str, str]] = []
    for word in value.split():
        body, _, effect = word.rpartition(":")
        key, _, text = body.partition("=")
        names.append((key, effect))
        if not _is_key(key) or not _LABEL_VALUE.fullmatch(text) or effect not in _EFFECTS:
            yield f"{word} is no taint: write key=value:Effect with {' or '.join(_EFFECTS)}"
        elif key.startswith("node.kubernetes.io/"):
            yield f"{key}: Kubernetes sets and removes it itself"
    for key, effect in sorted({name for name in names if names.count(name) > 1}):
        yield f"{key} with {effect} is there twice"


def _check_failure_domain(value: str) -> Iterator[str]:
    if not _LABEL_VALUE.fullmatch(value):
        yield "use up to 63 letters, digits, hyphens, dots and underscores"


def _network(largest: int, smallest: int) -> Callable[[str], Iterator[str]]:
    def check(value: str) -> Iterator[str]:
        try:
            network = ipaddress.IPv4Network(value)
        except ValueError as error:
            yield f"{error}: write an IPv4 network such as 10.1.0.0/16"
            return
        if not largest <= network.prefixlen <= smallest:
            yield f"use a prefix from /{largest} to /{smallest}"
        elif network.is_loopback or network.is_link_local or network.is_multicast:
            yield "choose a private network, such as one of 10.0.0.0/8"

    return check


def _check_proxy(value: str) -> Iterator[str]:
    if image_registries.hide_user(value) != value:
        yield "take the name and password out: let the proxy know the machines by address"
    elif value and not image_registries.is_url(value):
        yield "write a URL such as http://proxy.example:3128"


def _check_no_proxy(value: str) -> Iterator[str]:
    for word in value.split(","):
        if word and not _NO_PROXY.fullmatch(word):
            yield f"{word!r} is no name, address or network: divide them by commas, no spaces"


def _check_registries(value: str) -> Iterator[str]:
    try:
        image_registries.parse(value)
    except image_registries.RegistriesError as error:
        yield str(error)


def _check_autonomy(value: str) -> Iterator[str]:
    if value != FOREVER and (not re.fullmatch(r"[0-9]{1,9}", value) or int(value) < 1):
        yield f"set a number of seconds above 0, or {FOREVER}"


def _check_schedule(value: str) -> Iterator[str]:
    problem = backup.calendar_problem(value)
    if problem:
        yield problem


def _check_keep(value: int) -> Iterator[str]:
    if not 1 <= value <= 365:
        yield "set a number from 1 to 365"


_CHECKS: dict[str, Callable[[Any], Iterator[str]]] = {
    "channel": _check_channel,
    "role": _one_of(*ROLES),
    "profile": _one_of(*footprint.NAMES, footprint.AUTO),
    "addons": _check_addons,
    "extra-sans": _check_sans,
    "node-labels": _check_labels,
    "node-taints": _check_taints,
    "failure-domain": _check_failure_domain,
    "service-cidr": _network(12, 28),
    "cluster-cidr": _network(8, 24),
    "containerd-http-proxy": _check_proxy,
    "containerd-https-proxy": _check_proxy,
    "containerd-no-proxy": _check_no_proxy,
    "registries": _check_registries,
    "autonomy": _check_autonomy,
    "datastore": _one_of("sd", "ssd"),
    "backup-schedule": _check_schedule,
    "backup-keep": _check_keep,
}


def _overlap(config: NodeConfig) -> Iterator[str]:
    try:
        services = ipaddress.IPv4Network(config.service_cidr)
        pods = ipaddress.IPv4Network(config.cluster_cidr)
    except ValueError:
        return
    if services.overlaps(pods):
        yield (
            f"service-cidr={services} and cluster-cidr={pods} overlap: choose networks of which"
            " neither contains the other"
        )


def _shown(option: str, value: object) -> str:
    """Return a value as it may be shown: short, and without what may be a password."""
    if option == "registries":
        return "…"
    text = image_registries.hide_user(str(value)) if option.endswith("-proxy") else str(value)
    text = " ".join(text.split())
    return text if len(text) <= 60 else f"{text[:59]}…"


def _minor(channel: str) -> int:
    return int(channel.partition("/")[0].partition(".")[2])


def _is_key(key: str) -> bool:
    return _LABEL_KEY.fullmatch(key) is not None


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    # With a zone it means something on one machine only, and no certificate can hold it.
    return "%" not in text
