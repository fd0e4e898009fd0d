"""``python -m edgecloud.twin INVENTORY.json PLAN.json``: rehearse a plan away from its site."""

from __future__ import annotations

import argparse
import dataclasses
import json
import pathlib
import sys
import time
from collections.abc import Sequence

from edgecloud.rollout import intent, plan, schema
from edgecloud.twin import rehearsal, saved, text


def main(arguments: Sequence[str] | None = None) -> int:
    """Rehearse, print the report, and return 1 if anything speaks against the plan."""
    words = _parser().parse_args(arguments)
    try:
        site = saved.read(_read(words.inventory))
        accepted = plan.parse(_read(words.plan))
        start = _moment(words.start) if words.start else int(time.time())
        report = rehearsal.rehearse(
            accepted,
            site.members,
            start,
            seed=words.seed if words.seed is not None else accepted.rehearsal.seed,
            bounds=_bounds(words, len(site.members)),
            budgets=site.budgets,
        )
    except (saved.SavedError, plan.PlanError, intent.IntentError, OSError, ValueError) as e:
        sys.stderr.write(f"twin: {e}\n")
        return 2
    if words.json:
        sys.stdout.write(json.dumps(dataclasses.asdict(report), indent=1, sort_keys=True) + "\n")
    else:
        sys.stdout.write("\n".join(text.lines(report)) + "\n")
    return int(bool(report.verdict))


def _bounds(words: argparse.Namespace, nodes: int) -> rehearsal.Bounds:
    return rehearsal.Bounds() if words.all else rehearsal.Bounds.short(nodes)


def _read(path: str) -> str:
    return sys.stdin.read() if path == "-" else pathlib.Path(path).read_text(encoding="utf-8")


def _moment(words: str) -> int:
    problems = list[str]()
    moment = schema.instant(words, "--start", problems)
    if moment is None:
        raise ValueError("; ".join(problems))
    return moment


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgecloud.twin", description=__doc__)
    parser.add_argument("inventory", help="as the action `rehearse` with save=true shows it")
    parser.add_argument(
        "plan", help="as JSON, such as the action `rehearse` shows it; Python alone reads no YAML"
    )
    parser.add_argument("--seed", type=int, help="instead of the plan's own")
    parser.add_argument("--start", help="such as 2030-01-31T20:00:00Z, instead of now")
    parser.add_argument("--all", action="store_true", help="every single fault: takes minutes")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
