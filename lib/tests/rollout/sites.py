"""Small sites and plans for the tests."""

from __future__ import annotations

import datetime as dt

from edgecloud.rollout import inventory, plan, schema


def at(text: str) -> int:
    return int(dt.datetime.fromisoformat(text + "+00:00").timestamp())


def document(**changes):
    return {
        "apiVersion": plan.API_VERSION,
        "kind": plan.KIND,
        "id": "p1",
        "expires": "2030-02-01T00:00:00Z",
        "windows": "always",
        "targets": kubernetes("1.35"),
        **changes,
    }


def kubernetes(*minors):
    releases = {m: {"revision": {"arm64": int(m.replace(".", ""))}} for m in minors}
    return {"kubernetes": {"to": minors[-1], "releases": releases}}


def make(**changes):
    return plan.read(document(**changes))


def planes(*names, version="1.34.2", **changes):
    return [
        inventory.Member(name, role="control-plane", voter=True, version=version, **changes)
        for name in names
    ]


def workers(*names, version="1.34.2", **changes):
    return [inventory.Member(name, version=version, **changes) for name in names]


def frozen(*groups):
    return inventory.freeze(member for group in groups for member in group)


NO_LABELS = schema.Pairs()
