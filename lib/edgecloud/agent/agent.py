"""One wake-up of the agent: read the journal and the facts, go on, report, and end.

The order of things is the whole of its safety. A line of the journal is on disk before the effect
that follows from it begins, and another after it ended. Between two effects the inbox is read.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from edgecloud import host
from edgecloud.agent import (
    ballast,
    bell,
    effects,
    exchange,
    facts,
    healing,
    health,
    journal,
    quiet,
    seen,
    tally,
)
from edgecloud.agent import settings as machine_settings
from edgecloud.agent.context import Context, EffectError, NotYetError
from edgecloud.host import failures
from edgecloud.rollout import messages, node, orders, state

_MOST_STEPS = 200
"""More than any upgrade has; a wake-up that takes more goes round in circles."""


def _no_boundary(name: str) -> None:
    """Pass a point between two things that a power cut can come between."""


def _is_disturbed(of: state.Node) -> bool:
    """Return whether an upgrade is what a node may be ill of just now."""
    return state.status(of) in messages.DISRUPTED


@dataclass
class Agent:
    """The agent of one machine, for as long as one wake-up lasts."""

    machine: host.Host
    settings: machine_settings.Settings
    sleep: Callable[[float], None] = time.sleep
    boundary: Callable[[str], None] = _no_boundary
    """Called with the name of every point at which a power cut makes a difference."""
    problem: str = ""
    awaits: str = ""
    """What goes on without this program, and is asked after at the next wake-up."""
    journal: journal.Journal = field(init=False)
    node: state.Node = field(init=False)
    facts: state.Facts = field(init=False)

    def __post_init__(self) -> None:
        self.journal = journal.Journal(self.machine)
        self.node = self.journal.node or state.Node(self.settings.name)
        self._look()

    def wake(self) -> None:
        """Do all that can be done now."""
        self._take(state.Resumed(self.facts, self._now()), "resume")
        self._keep_quiet()
        for _ in range(_MOST_STEPS):
            self._read_inbox()
            pending = node.pending(self.node)
            if not pending or not self._perform(pending[0]):
                break
        self._tick()
        self._report()
        tally.synced(self.machine, self.journal.synced_s)
        if self.node.work:
            exchange.forget_plans(self.machine, but=self.node.work.digest)

    def _now(self) -> int:
        return int(self.machine.now())

    def _look(self) -> None:
        self.facts = facts.gather(self.machine, self.settings, self.node, self._context())

    def _context(self) -> Context | None:
        work = self.node.work
        plan = exchange.kept_plan(self.machine, work.digest) if work else None
        if work is None or plan is None:
            return None
        return Context(self.machine, self.settings, plan, self.node, work, self.sleep)

    def _take(self, event: state.Event, what: str) -> bool:
        """Let the machine decide about an event, and write down what it decided."""
        after, _ = node.step(self.node, event)
        if after == self.node:
            return False
        self.boundary(f"before writing {after.state.value}")
        self.journal.append(self._now(), after, what, event)
        self.boundary(f"after writing {after.state.value}")
        moved = after.state is not self.node.state
        self.node = after
        if moved:
            self._keep_quiet()
            self._report()
        if moved and after.state is state.State.SOAKING:
            seen.seconds(self.machine, self.facts.boot)  # What came before is no part of the soak.
        return moved

    def _keep_quiet(self) -> None:
        """Keep apt off this machine, or let it go on; an upgrade goes on if that fails."""
        try:
            quiet.ensure(self.machine, self.node)
        except (failures.WorkloadError, OSError) as e:
            self.problem = str(e)

    def _read_inbox(self) -> None:
        """Obey what is new; what cannot be read is reported, and what is under way goes on."""
        self.problem = ""
        try:
            inbox = exchange.read_inbox(self.machine)
            if inbox is None or not orders.is_news(self.node, inbox.order):
                return
            exchange.admit(self.machine, self.settings, inbox)
            work = inbox.work if inbox.order.part else None
        except (exchange.ExchangeError, ValueError) as e:
            self.problem = str(e)
            return
        self._look()
        self._take(state.Ordered(inbox.order, work, self.facts, self._now()), "order")
        self._look()

    def _perform(self, effect: state.Effect) -> bool:
        """Carry one effect out. Return whether there is more to do at once."""
        context, before = self._context(), self.node.state
        problem: EffectError | None = None
        self.boundary(f"before {effect.value} in {before.value}")
        try:
            if context is None:
                raise EffectError("the plan of this work is gone")
            effects.perform(context, effect)
        except NotYetError as e:
            self.awaits = str(e)
            return False
        except EffectError as e:
            problem = e
        self.boundary(f"after {effect.value} in {before.value}")
        self._look()
        if problem:
            now, burns, passes = self._now(), problem.burns, problem.passes
            event = state.Failed(effect, self.facts, now, str(problem), burns, passes)
            return self._take(event, f"failed: {effect.value}")
        return self._take(state.Done(effect, self.facts, self._now()), f"done: {effect.value}")

    def _tick(self) -> None:
        """Count the time that a soak has been seen alive."""
        seconds = seen.seconds(self.machine, self.facts.boot)
        if _is_disturbed(self.node):
            return
        ballast.take(self.machine)
        verdict = health.run(self.machine, self.settings)
        if self.node.state is not state.State.SOAKING:
            self._tend(verdict)
            return
        event = state.Ticked(self.facts, self._now(), seconds, verdict.is_well)
        if self._take(event, "tick" if verdict.is_well else f"tick: {verdict}"):
            self._continue()

    def _tend(self, verdict: health.Verdict) -> None:
        """Try a remedy if this machine is ill and no upgrade is to blame."""
        healing.tend(self.machine, self.settings, verdict)
        if healing.is_at_an_end(self.machine, verdict):
            self.problem = f"nothing helps: {verdict}"

    def _continue(self) -> None:
        """Do at once what a tick gave to do: a rollback does not wait for the next wake-up."""
        while (pending := node.pending(self.node)) and self._perform(pending[0]):
            self._read_inbox()

    def _report(self) -> None:
        report = state.report(self.node, self.facts, self.journal.head)
        try:
            exchange.write_outbox(
                self.machine,
                report,
                state=self.node.state.value,
                problem=self.problem,
                awaits=self.awaits,
            )
        except OSError as e:
            # The journal is what counts; a report that finds no room comes with the next wake-up.
            self.problem = str(e)
        bell.ring(self.machine, self.settings, report, self.node.state.value)
