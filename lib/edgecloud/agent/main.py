"""The agent's command line: systemd wakes it, people ask it, and veto by it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from edgecloud import host
from edgecloud.agent import (
    agent,
    exchange,
    healing,
    health,
    journal,
    paths,
    settings,
    trial,
    wake_lock,
)
from edgecloud.rollout import audit, state

_STEADY_S = 45
_PAUSE_S = 5

Words = argparse.Namespace


_COMMITTED = frozenset({state.State.UNCORDONING, state.State.SOAKING, state.State.DONE})


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    words = _parser().parse_args(arguments)
    try:
        return _COMMANDS[words.command](host.this(), words)
    except wake_lock.BusyError:
        return 0
    except (journal.JournalError, exchange.ExchangeError, OSError) as e:
        sys.stderr.write(f"edge-agent: {e}\n")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="edge-agent", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("wake", help="do all that can be done now, then end")
    commands.add_parser("check", help="say whether this machine is well")
    validate = commands.add_parser("validate", help="wait until this machine is well for a while")
    validate.add_argument("--seconds", type=int, default=300, help="how long to wait at most")
    veto = commands.add_parser("veto", help="let nothing begin on this machine")
    veto.add_argument("reason", help="what to tell those who wait")
    commands.add_parser("unveto", help="take the veto back")
    commands.add_parser("status", help="say what the agent remembers, as JSON")
    commands.add_parser("verify-audit", help="check the chain of what was done here")
    commands.add_parser("metrics", help="write what the node exporter reads of this machine")
    commands.add_parser("give-up", help="reboot out of a system on trial that is not good yet")
    return parser


def _wake(machine: host.Host, words: Words) -> int:
    with wake_lock.lock(machine):
        agent.Agent(machine, settings.read(machine), sleep=time.sleep).wake()
    return 0


def _check(machine: host.Host, words: Words) -> int:
    verdict = health.run(machine, settings.read(machine))
    sys.stdout.write(json.dumps({"failed": verdict.failed, "warned": verdict.warned}) + "\n")
    return 0 if verdict.is_well else 1


def _validate(machine: host.Host, words: Words) -> int:
    """Wait by the monotonic clock: a clock that is set meanwhile must not cut this short."""
    began, well_since = time.monotonic(), None
    while True:
        verdict = health.run(machine, settings.read(machine))
        now = time.monotonic()
        well_since = (now if well_since is None else well_since) if verdict.is_well else None
        if well_since is not None and now - well_since >= min(_STEADY_S, words.seconds / 2):
            return 0
        if now - began >= words.seconds:
            sys.stderr.write(f"edge-agent: {verdict}\n")
            return 1
        time.sleep(min(_PAUSE_S, words.seconds / 10))


def _veto(machine: host.Host, words: Words) -> int:
    machine.write(paths.VETO, words.reason + "\n")
    return 0


def _unveto(machine: host.Host, words: Words) -> int:
    machine.remove(paths.VETO)
    return 0


def _status(machine: host.Host, words: Words) -> int:
    node = journal.Journal(machine).node
    said = {
        "node": state.write(node) if node else None,
        "healing": [vars(each) for each in healing.look(machine).tried],
        "vetoed": machine.exists(paths.VETO),
    }
    sys.stdout.write(json.dumps(said, indent=1, sort_keys=True) + "\n")
    return 0


def _verify_audit(machine: host.Host, words: Words) -> int:
    links = journal.chain(machine)
    bad = audit.first_bad(links)
    sys.stdout.write(f"link {bad} does not hold\n" if bad else f"{len(links)} links hold\n")
    return 1 if bad else 0


def _metrics(machine: host.Host, words: Words) -> int:
    """Write without asking for the lock: a long upgrade is what the metrics are to show."""
    from edgecloud.agent.gauges import writing  # No wake-up needs it.

    return 0 if writing.write(machine) else 1


def _give_up(machine: host.Host, words: Words) -> int:
    """Reboot without asking for the lock: an agent that hangs is one of the reasons for this."""
    node = journal.Journal(machine).node
    if trial.is_on_trial(machine) and not (node and node.state in _COMMITTED):
        trial.reboot(machine)
    return 0


_COMMANDS: Mapping[str, Callable[[host.Host, Words], int]] = {
    "wake": _wake,
    "check": _check,
    "validate": _validate,
    "veto": _veto,
    "unveto": _unveto,
    "status": _status,
    "verify-audit": _verify_audit,
    "metrics": _metrics,
    "give-up": _give_up,
}
