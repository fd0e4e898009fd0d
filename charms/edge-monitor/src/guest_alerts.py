"""Raise the alerts that applications of other charms bring rules for, beside the site's own.

They have an evaluator of their own. Whatever is wrong with their rules, or becomes so with the
next version of it, the site's own alerts go on.
"""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import alerting
import guest_rules
from edgecloud import host as hosts
from edgecloud.host import failures, files
from edgecloud.telemetry import packages

NAME = "edge-monitor-guest-rules"
PORT = 18881
RULES = "/etc/edge-monitor/guest-rules"
JOB = "vmalert-guests"
"""What this evaluator's own series are called; rules that watch the site's own leave them out."""
JUDGED = "/var/lib/edge-monitor/guest-rules.json"
EVALUATOR = alerting.Evaluator(NAME, PORT, RULES, "Alerts of its applications, raised", 64)

_TRIAL = f"{RULES}/trial"
_TRIAL_S = 20


class JudgementError(failures.WorkloadError):
    """The evaluator does not say whether it can read rules."""


@dataclass(frozen=True)
class Brought:
    """What applications bring, judged."""

    texts: Mapping[str, str] = field(default_factory=dict[str, str])
    """Application → file of its rules."""
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, "tuple[str, ...]"])
    """Application → groups that are not evaluated."""


NOTHING = Brought()


def judge(host: hosts.Host, taken: Iterable[guest_rules.Taken]) -> Brought:
    """Return which rules the evaluator can read. It is asked once for the same rules.

    Raises:
        JudgementError: it cannot be asked.
    """
    known, remembered = files.read_state(host, JUDGED), dict[str, Any]()
    texts, left_out = dict[str, str](), dict[str, tuple[str, ...]]()
    for each in taken:
        mark = _mark(host, each)
        bad = _remembered(known.get(each.application), mark)
        if bad is None:
            bad = _unreadable(host, each)
        remembered[each.application] = {"of": mark, "bad": bad}
        good = [group for group in each.groups if group.name not in bad]
        if good:
            texts[each.application] = guest_rules.document(each, good)
        if bad or each.left_out:
            left_out[each.application] = (*each.left_out, *bad)
    files.write_state(host, JUDGED, remembered)
    return Brought(texts, left_out)


def kept(host: hosts.Host) -> Brought:
    """Return what is evaluated already, for when nothing new can be judged."""
    found = {path: files.read(host, path) for path in host.glob(f"{RULES}/*.rules")}
    return Brought({path[len(RULES) + 1 : -len(".rules")]: text for path, text in found.items()})


def words(brought: Brought) -> list[str]:
    """Return what an operator may want to know."""
    return [
        f"rules of {name} left out: {', '.join(groups)}"
        for name, groups in sorted(brought.left_out.items())
    ]


def _mark(host: hosts.Host, taken: guest_rules.Taken) -> str:
    """Return what changes with the rules, and with the program that judges them."""
    about = host.path(alerting.RULES_PROGRAM).stat()
    text = guest_rules.document(taken, taken.groups)
    whole = f"{about.st_mtime_ns} {about.st_size}\0{text}"
    return hashlib.sha256(whole.encode()).hexdigest()


def _remembered(raw: object, mark: str) -> list[str] | None:
    if not isinstance(raw, dict):
        return None
    entry = cast("dict[str, Any]", raw)
    return [str(name) for name in entry.get("bad", [])] if entry.get("of") == mark else None


def _unreadable(host: hosts.Host, taken: guest_rules.Taken) -> list[str]:
    """Return the names of the groups that the evaluator cannot read."""
    try:
        if not taken.groups or _reads(host, guest_rules.document(taken, taken.groups)):
            return []
        return [
            group.name
            for group in taken.groups
            if not _reads(host, guest_rules.document(taken, [group]))
        ]
    finally:
        host.remove(_TRIAL)


def _reads(host: hosts.Host, text: str) -> bool:
    if "dryRun" not in packages.options(host, alerting.RULES_PROGRAM):
        return False
    host.write(_TRIAL, text)
    command = (alerting.RULES_PROGRAM, "-dryRun", "-rule", _TRIAL)
    try:
        return host.run(command, timeout_s=_TRIAL_S, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired) as error:
        reason = failures.explain(error, alerting.RULES_PROGRAM)
        raise JudgementError(f"rules of applications cannot be judged now: {reason}") from error
