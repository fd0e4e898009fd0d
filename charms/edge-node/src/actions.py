"""What operators ask of one node."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import program
from edgecloud import host as machines
from edgecloud.agent import healing, health, journal, paths, units
from edgecloud.agent import settings as agent_settings
from edgecloud.host import failures, files
from edgecloud.rollout import audit, state
from machine_facts import STATE

REPORT = f"{STATE}/support.json"

_LINKS = 60
_ENDS = frozenset(each.value for each in state.RESTING) - {"idle"}
_JOURNAL_S = 30
_SECRET = re.compile(
    r"""(?i)((?:token|password|secret)["']?\s*[=:]\s*["']?[^\s"',]+|\b[0-9a-f]{32,}\b"""
    r"""|\b[A-Za-z0-9+_-]{40,}={0,2}|(?<=://)[^/\s@]+(?=@))"""
)


@dataclass(frozen=True)
class Context:
    """What an action knows."""

    host: machines.Host
    params: Mapping[str, Any]


Results = dict[str, str]


def node_status(context: Context) -> Results:
    """Show what this node is, where its upgrade stands, and how it is."""
    found = facts(context.host)
    if context.params.get("format") == "json":
        return {"status": json.dumps(found, indent=1, sort_keys=True)}
    return {"status": _as_text(found)}


def facts(host: machines.Host) -> dict[str, Any]:
    """Return what can be seen of this node on its own machine."""
    settings = agent_settings.read(host)
    verdict = health.run(host, settings)
    node = journal.Journal(host).node or state.Node(settings.name)
    links = journal.chain(host)
    bad = audit.first_bad(links)
    return {
        "name": settings.name,
        "kubernetes": settings.node or "none",
        "state": node.state.value,
        "plan": node.work.plan_id if node.work else "none",
        "step": node.work.part if node.work else "none",
        "target": node.target or "none",
        "reason": node.reason or "none",
        "last-end": _last_end(links),
        "failed-before": list(node.burnt),
        "vetoed": files.read(host, paths.VETO).strip() or "no",
        "required-checks-that-fail": dict(verdict.failed),
        "wanted-checks-that-fail": dict(verdict.warned),
        "audit": f"link {bad} does not hold" if bad else f"{len(links)} links hold",
        "program": "another than this charm's" if program.is_outdated(host) else "this charm's",
    }


def _last_end(links: Sequence[audit.Record]) -> str:
    """Return how the last upgrade here ended; what a node is now no longer says that."""
    for link in reversed(links):
        if link.entry.get("to") in _ENDS:
            why = link.entry.get("reason")
            return f"{link.entry['to']}: {why}" if why else str(link.entry["to"])
    return "none"


def veto(context: Context) -> Results:
    """Let nothing begin on this machine."""
    reason = " ".join(str(context.params["reason"]).split())
    context.host.write(paths.VETO, f"{reason}\n")
    return {"vetoed": reason}


def unveto(context: Context) -> Results:
    """Take the veto back."""
    there = context.host.remove(paths.VETO)
    return {"vetoed": "no", "before": "vetoed" if there else "not vetoed"}


def heal_history(context: Context) -> Results:
    """Show which remedies were tried, when and why."""
    tried = healing.look(context.host).tried
    lines = [f"{_moment(each.at)}  {each.rung}  because of {each.because}" for each in tried]
    return {"tried": str(len(tried)), "history": "\n".join(lines) or "nothing was ever tried"}


def collect_support(context: Context) -> Results:
    """Write what a supporter needs to see, without secrets, and say where."""
    host = context.host
    links = journal.chain(host)[-_LINKS:]
    found = {
        "collected": _moment(host.now()),
        "node": facts(host),
        "settings": vars(agent_settings.read(host)),
        "report": files.read_state(host, paths.OUTBOX),
        "healing": [vars(each) for each in healing.look(host).tried],
        "audit": [{"seq": link.seq, **link.entry} for link in links],
        "agent-log": _log(host),
        "free-bytes": host.free_bytes("/var/lib"),
        "os": files.read(host, "/etc/os-release").splitlines()[:4],
    }
    text = json.dumps(_cleaned(found), indent=1, sort_keys=True)
    host.write(REPORT, text + "\n", mode=0o600)
    return {"file": REPORT, "bytes": str(len(text)), "get-it": f"juju ssh UNIT sudo cat {REPORT}"}


def redacted(text: str) -> str:
    """Return a text without anything that looks like a token, a key or a password. Pure.

    Digests of plans and artefacts go as well: what is lost by that can be asked for.
    """
    return _SECRET.sub("[left out]", text)


def _cleaned(value: Any) -> Any:
    """Return a value with every text in it redacted, so that what is written can be read again."""
    if isinstance(value, Mapping):
        items = cast("Mapping[str, Any]", value).items()
        return {str(key): _cleaned(each) for key, each in items}
    if isinstance(value, (list, tuple)):
        return [_cleaned(each) for each in cast("Sequence[Any]", value)]
    return redacted(value) if isinstance(value, str) else value


def _log(host: machines.Host) -> list[str]:
    command = ("/usr/bin/journalctl", "--no-pager", "-n", "200", "-u", f"{units.NAME}.service")
    try:
        return host.run(command, timeout_s=_JOURNAL_S).stdout.splitlines()
    except failures.FAILURES as e:
        return [failures.explain(e, "journalctl")]


def _as_text(found: Mapping[str, Any]) -> str:
    width = max(map(len, found))
    return "\n".join(f"{name:<{width}}  {_plain(value)}" for name, value in found.items())


def _plain(value: Any) -> str:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return "; ".join(f"{k}: {v}" for k, v in items) or "none"
    if isinstance(value, list):
        return ", ".join(map(str, cast("list[Any]", value))) or "none"
    return str(value)


def _moment(at: float) -> str:
    when = datetime.datetime.fromtimestamp(at, datetime.timezone.utc)
    return when.strftime("%Y-%m-%d %H:%M:%SZ")


ACTIONS: Mapping[str, Callable[[Context], Results]] = {
    "node-status": node_status,
    "veto": veto,
    "unveto": unveto,
    "heal-history": heal_history,
    "collect-support": collect_support,
}
