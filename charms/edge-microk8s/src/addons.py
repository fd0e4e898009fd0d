"""Which add-ons are wished, which this revision offers, and the next single change to make.

MicroK8s' word is not enough: ``enable`` exits 0 for a mistyped prefixed name, and for an add-on
that is enabled already, whose new arguments it then drops. So what this charm enabled is
remembered, with which arguments, and every change is looked at afterwards.
"""

from __future__ import annotations

import dataclasses
import enum
import ipaddress
import logging
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence

import addon_catalogue as catalogue
import addon_state
from edgecloud import host as hosts
from edgecloud.host import failures

logger = logging.getLogger(__name__)

MICROK8S = "/snap/bin/microk8s"
STATUS_TIMEOUT_S = 90
CHANGE_TIMEOUT_S = 420

_NAME = re.compile(r"[a-z0-9][a-z0-9-]*(/[a-z0-9][a-z0-9-]*)?")
Wish = addon_state.Wish
State = addon_state.State

_FIRST = ("dns", "rbac", "community", "hostpath-storage")
"""What other add-ons build on."""


class AddonsError(failures.WorkloadError):
    """A list of add-ons is wrong, or MicroK8s did not answer."""


class Availability(enum.Enum):
    """Whether a wish can come true here."""

    AVAILABLE = "available"
    NEEDS_INTERNET = "needs internet"
    NEEDS_COMMUNITY = "needs the add-on community"
    REMOVED = "removed in this revision"
    AMD64_ONLY = "amd64 only"
    UNKNOWN = "unknown"


_MISSING = (Availability.REMOVED, Availability.AMD64_ONLY, Availability.UNKNOWN)


@dataclasses.dataclass(frozen=True)
class Offer:
    """An add-on that this revision has on this architecture."""

    name: str
    repository: str
    enabled: bool


@dataclasses.dataclass(frozen=True)
class Verdict:
    """What becomes of a wish, and what the operator ought to know about it."""

    wish: Wish
    availability: Availability
    note: str = ""

    @property
    def is_possible(self) -> bool:
        """Return whether enabling it may be tried."""
        return self.availability in (Availability.AVAILABLE, Availability.NEEDS_INTERNET)


@dataclasses.dataclass(frozen=True)
class Change:
    """One add-on to enable or to disable."""

    wish: Wish
    enable: bool

    @property
    def command(self) -> tuple[str, ...]:
        """Return the command that makes the change."""
        if not self.enable:
            return (MICROK8S, "disable", self.wish.name)
        if "::" in self.wish.arguments:
            # MicroK8s splits at every colon, which an IPv6 address does not survive.
            return (MICROK8S, "enable", self.wish.name, self.wish.arguments)
        return (MICROK8S, "enable", str(self.wish))

    def __str__(self) -> str:
        return f"enable {self.wish}" if self.enable else f"disable {self.wish.name}"


# --- what is wished ----------------------------------------------------------------------------


def wanted(text: str, *, rbac: bool) -> tuple[Wish, ...]:
    """Return the wishes of the options ``addons`` and ``rbac`` together.

    Raises:
        AddonsError: naming every problem at once.
    """
    return (*parse(text), *([Wish("rbac")] if rbac else []))


def adopt(host: hosts.Host, wishes: Sequence[Wish]) -> None:
    """Note that these came with the installation, so that they are ours to disable."""
    addon_state.save(host, addon_state.adopted(addon_state.load(host), wishes))


def parse(text: str) -> tuple[Wish, ...]:
    """Return the wishes in an option such as ``dns metallb:10.0.0.10-10.0.0.20``.

    Raises:
        AddonsError: naming every problem at once.
    """
    wishes = [_wish(word) for word in text.split()]
    problems = [problem for wish in wishes for problem in _problems(wish)]
    names = [wish.name for wish in wishes]
    twice = sorted({name for name in names if names.count(name) > 1})
    problems += [f"{name} is named twice" for name in twice]
    if problems:
        raise AddonsError("; ".join(problems))
    return tuple(wishes)


def _wish(word: str) -> Wish:
    name, _, arguments = word.partition(":")
    return Wish(catalogue.ALIASES.get(name, name), arguments)


def _problems(wish: Wish) -> Iterator[str]:
    addon = catalogue.known(wish.name)
    if not _NAME.fullmatch(wish.name):
        yield f"{wish.name or '(nothing)'} is no name of an add-on"
    elif addon and addon.forbidden:
        yield f"{wish.name} cannot be set by an option: {addon.forbidden}"
    elif wish.name == "metallb":
        yield from _range_problems(wish)
    elif wish.name == "dns" and wish.arguments:
        servers = wish.arguments if "::" in wish.arguments else wish.arguments.partition(":")[0]
        yield from (
            f"dns: {server} is no address of a name server"
            for server in servers.split(",")
            if server and not _is_address(server)
        )


def _range_problems(wish: Wish) -> Iterator[str]:
    """Yield what is wrong with MetalLB's ranges; without any, enabling it would ask for them."""
    if not wish.arguments:
        yield "metallb needs addresses: metallb:10.0.0.10-10.0.0.20"
    for part in filter(None, wish.arguments.split(",")):
        first, dash, last = part.partition("-")
        try:
            if not dash:
                ipaddress.ip_network(part)
                continue
            begin, end = ipaddress.ip_address(first), ipaddress.ip_address(last)
        except ValueError:
            yield f"metallb: {part} is neither a range of addresses nor a network"
            continue
        if begin.version != end.version or int(begin) > int(end):
            yield f"metallb: {part} ends before it begins"


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


# --- what is offered ---------------------------------------------------------------------------


def read_status(text: str) -> tuple[Offer, ...] | None:
    """Return what ``microk8s status --format yaml`` offers; None while it lists nothing.

    Read line by line: descriptions are printed unquoted, so one with a colon in it is no YAML.
    """
    found: list[dict[str, str]] = []
    for line in text.partition("\naddons:")[2].splitlines():
        key, colon, value = line.strip().partition(":")
        if key.startswith("- "):
            found.append({})
        if colon and found:
            found[-1].setdefault(key.removeprefix("- ").strip(), value.strip())
    offers = tuple(
        Offer(item["name"], item.get("repository", ""), item.get("status") == "enabled")
        for item in found
        if item.get("name")
    )
    return offers or None


def offered(host: hosts.Host) -> tuple[Offer, ...] | None:
    """Return what this revision offers; None while the cluster is not ready or this is a worker.

    Raises:
        AddonsError: MicroK8s did not answer.
    """
    command = (MICROK8S, "status", "--format", "yaml")
    try:
        result = host.run(command, timeout_s=STATUS_TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise AddonsError(f"microk8s status did not answer: {e}") from e
    return read_status(result.stdout)


def judge(wish: Wish, offers: Sequence[Offer], *, arch: str, track: catalogue.Track) -> Verdict:
    """Return whether a wish can come true on this revision and architecture, and what to note."""
    addon = catalogue.known(wish.name)
    if _offer(wish.name, offers) is None:
        return _judge_missing(wish, addon, arch=arch, track=track)
    notes: list[str] = []
    availability = Availability.AVAILABLE
    if addon and addon.internet_from and track >= addon.internet_from:
        availability = Availability.NEEDS_INTERNET
        notes.append("needs internet access while it is being enabled")
    if addon and addon.heavy and arch == catalogue.ARM64:
        notes.append(f"is much for a small machine: {addon.heavy}")
    return Verdict(wish, availability, f"{wish.name} {', and '.join(notes)}" if notes else "")


def _judge_missing(
    wish: Wish, addon: catalogue.Addon | None, *, arch: str, track: catalogue.Track
) -> Verdict:
    release = f"MicroK8s {track[0]}.{track[1]}"
    if addon is None:
        return Verdict(wish, Availability.UNKNOWN, f"{wish.name} is unknown to {release}")
    if addon.last and track > addon.last:
        last = f"{addon.last[0]}.{addon.last[1]}"
        return Verdict(
            wish, Availability.REMOVED, f"{wish.name} was removed from MicroK8s after {last}"
        )
    if addon.amd64_only and arch != "amd64":
        note = f"{wish.name} runs on amd64 only, not on {arch}"
        return Verdict(wish, Availability.AMD64_ONLY, note)
    if addon.community:
        note = f"{wish.name} is a community add-on: put community before it"
        return Verdict(wish, Availability.NEEDS_COMMUNITY, note)
    return Verdict(wish, Availability.UNKNOWN, f"{wish.name} is not offered by {release}")


def _offer(name: str, offers: Iterable[Offer]) -> Offer | None:
    repository, _, plain = name.rpartition("/")
    for offer in offers:
        if offer.name == plain and repository in ("", offer.repository):
            return offer
    return None


# --- what to change ----------------------------------------------------------------------------


def seen(state: State, offers: Sequence[Offer]) -> State:
    """Return the state without what somebody else has disabled since."""
    enabled = tuple(wish for wish in state.enabled if _is_enabled(wish.name, offers))
    return dataclasses.replace(state, enabled=enabled)


def next_change(
    verdicts: Sequence[Verdict], offers: Sequence[Offer], state: State, now: float
) -> Change | None:
    """Return the one change to make now, or None.

    What this charm enabled and nobody wishes any more is disabled first, or whose arguments
    changed; what somebody else enabled is left as it is.
    """
    waiting = state.waiting(now)
    wished = {verdict.wish.name: verdict.wish for verdict in verdicts}
    for ours in state.enabled:
        if ours.name in waiting or not _is_enabled(ours.name, offers):
            continue
        if ours.name not in wished or (wished[ours.name] != ours and not _holds_data(ours)):
            return Change(ours, enable=False)
    for verdict in sorted(verdicts, key=lambda verdict: _rank(verdict.wish.name)):
        name = verdict.wish.name
        if verdict.is_possible and name not in waiting and not _is_enabled(name, offers):
            return Change(verdict.wish, enable=True)
    return None


def notes(verdicts: Sequence[Verdict], offers: Sequence[Offer], state: State) -> tuple[str, ...]:
    """Return what the operator ought to know, in one sentence each."""
    ours = {wish.name: wish for wish in state.enabled}
    found: list[str] = []
    for verdict in verdicts:
        wish = verdict.wish
        if not _is_enabled(wish.name, offers):
            found += [verdict.note] if verdict.note else []
        elif wish.name not in ours and wish.arguments:
            found.append(f"{wish.name} was enabled by somebody else: its arguments are not set")
        elif wish.name in ours and ours[wish.name] != wish and _holds_data(wish):
            found.append(f"{wish.name} keeps its arguments: new ones would delete its data")
    found += [f"{failure.name} failed: {failure.reason}" for failure in state.failures]
    return tuple(found)


def _is_enabled(name: str, offers: Iterable[Offer]) -> bool:
    offer = _offer(name, offers)
    return offer is not None and offer.enabled


def _holds_data(wish: Wish) -> bool:
    addon = catalogue.known(wish.name)
    return addon is not None and addon.holds_data


def _rank(name: str) -> int:
    return _FIRST.index(name) if name in _FIRST else len(_FIRST)


# --- making it so ------------------------------------------------------------------------------


def ensure_next(
    host: hosts.Host, wishes: Sequence[Wish], *, arch: str, track: catalogue.Track
) -> bool:
    """Make the next change that is due, if any. Return whether one was tried.

    What is left to do, to wait for and to know is in :func:`addon_state.load` afterwards.

    Raises:
        AddonsError: MicroK8s did not answer.
    """
    state, now = addon_state.load(host), host.now()
    if not addon_state.needs_look(state, wishes, now):
        return False
    offers = offered(host)
    if offers is None:
        return False
    state = addon_state.forgotten(seen(_finished(state, offers, now), offers), wishes)
    verdicts = [judge(wish, offers, arch=arch, track=track) for wish in wishes]
    change = next_change(verdicts, offers, state, now)
    if change is None:
        state = addon_state.settled(state, wishes, now)
    else:
        logger.info("add-ons: %s", change)
        state = apply(host, change, state)
    missing = tuple(verdict.note for verdict in verdicts if verdict.availability in _MISSING)
    state = dataclasses.replace(state, notes=notes(verdicts, offers, state), missing=missing)
    addon_state.save(host, state)
    return change is not None


def apply(host: hosts.Host, change: Change, state: State) -> State:
    """Make one change, look whether it took, and return the state after it.

    A change that did not work is remembered with the tool's words and a later time to try again.
    One that keeps the API from answering for a while stays pending until the next look.
    """
    state = addon_state.begun(state, change.wish, enabling=change.enable)
    addon_state.save(host, state)
    reason = _run(host, change)
    if reason:
        return addon_state.failed(state, change.wish.name, reason, host.now())
    offers = offered(host)
    return state if offers is None else _finished(state, offers, host.now())


def _finished(state: State, offers: Sequence[Offer], now: float) -> State:
    """Return the state after the pending change, if there is one, by what is offered now."""
    wish = state.pending
    if wish is None:
        return state
    if _is_enabled(wish.name, offers) == state.enabling:
        return addon_state.succeeded(state, wish, enabled=state.enabling)
    change = Change(wish, state.enabling)
    return addon_state.failed(state, wish.name, f"{change} had no effect", now)


def _run(host: hosts.Host, change: Change) -> str:
    """Make a change and return why it failed, or nothing."""
    addon = catalogue.known(change.wish.name)
    answer = addon.disable_answer if addon and not change.enable else None
    try:
        result = host.run(change.command, timeout_s=CHANGE_TIMEOUT_S, stdin=answer, check=False)
    except subprocess.TimeoutExpired:
        return f"took longer than {CHANGE_TIMEOUT_S} s"
    except OSError as e:
        return str(e)
    if result.returncode == 0:
        return ""
    lines = (result.stderr.strip() or result.stdout.strip()).splitlines()
    return lines[-1] if lines else f"exit code {result.returncode}"
