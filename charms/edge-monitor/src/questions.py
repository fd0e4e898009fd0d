"""The questions that this monitor answers well, for the gates of upgrade plans. Pure.

Each answers 1 for good and 0 for bad, and nothing at all unless rules are evaluated and every
unit that Juju knows was looked at of late: a controller takes no answer for no leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import alerting
from edgecloud.interfaces.health_gate import Question

LEAST_FREE_BYTES = 2 * 2**30
"""What an upgrade of Kubernetes takes for images and a snap, and some."""

ALIVE = f'ALERTS{{alertname="{alerting.WATCHDOG}",alertstate="firing"}}'


def offered(expected: Mapping[str, int]) -> list[Question]:
    """Return the questions of a site.

    Args:
        expected: application → how many of its units are scraped, as Juju knows them.
    """
    root = 'mountpoint=~"/|/writable"'
    judged = {
        "no-critical-alerts": '(count(ALERTS{alertstate="firing",severity="critical"}) or'
        " vector(0)) == bool 0",
        "nothing-holds-upgrades": '(count(ALERTS{alertstate="firing",gate="upgrade"}) or'
        " vector(0)) == bool 0",
        "clock-synchronised": "min(node_timex_sync_status) >= bool 1",
        "room-on-disk": f"min(node_filesystem_avail_bytes{{{root}}}) >= bool {LEAST_FREE_BYTES}",
        "root-writable": f"max(node_filesystem_readonly{{{root}}}) == bool 0",
    }
    if expected:
        judged["units-up"] = units_up(expected)
    return [
        Question(name, f"({query}) and on() {ALIVE}") for name, query in sorted(judged.items())
    ]


def units_up(expected: Mapping[str, int]) -> str:
    """Return the query for whether every page of every unit can be read.

    It is compared with the number that Juju knows, never with itself: of units that are not
    looked at, nothing is missing.
    """
    apps = "|".join(sorted(expected))
    pages = f'min by (juju_unit) (up{{juju_application=~"{apps}",written_by=""}})'
    return f"sum({pages}) >= bool {sum(expected.values())}"


def has_answer(document: Any) -> bool:
    """Return whether the store knew an answer at all."""
    try:
        data = cast("dict[str, Any]", document["data"])
        return document["status"] == "success" and bool(data["result"])
    except (KeyError, TypeError):
        return False
