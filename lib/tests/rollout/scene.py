"""A rollout, what its nodes say, and its coordinator, as a test plays them."""

from __future__ import annotations

from dataclasses import replace

from edgecloud.rollout import intent, ledger, messages, site
from tests.rollout import sites

Status = messages.Status
THREE = sites.frozen(sites.planes("a", "b", "c"))
ALL = frozenset(THREE)


class Scene:
    """A rollout and what its nodes say."""

    def __init__(self, members=THREE, **changes):
        self.accepted = sites.make(**changes)
        self.rollout = intent.accept(self.accepted, members, 0)
        self.sight = ledger.Sight(voters=ALL, answering=ALL)
        self.decide()

    def decide(self, now=0):
        found = site.decide(ledger.Site(self.rollout, self.sight), self.accepted, now)
        self.rollout = found.rollout
        return found

    def say(self, name, status, **changes):
        entry = self.rollout.entries[name]
        part = self.rollout.steps[entry.order_step].part
        said = messages.Report(status, self.accepted.digest, part, entry.stamp, **changes)
        self.sight = replace(self.sight, reports={**self.sight.reports, name: said})

    def all_wait(self, now=0):
        for name in self.rollout.entries:
            self.say(name, Status.WAITING)
        return self.decide(now)

    @property
    def digest(self):
        return self.accepted.digest
