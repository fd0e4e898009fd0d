"""Random sites of up to fifty nodes, with faults: no rule is ever broken, and every plan ends."""

from dataclasses import replace

import hypothesis
import hypothesis.stateful as stateful
from hypothesis import strategies as st

from edgecloud.rollout import intent, ledger, messages, route, site, state
from edgecloud.twin import box as world
from edgecloud.twin import rules
from tests.rollout import search, sites

HOUR = 3600


class Rollouts(stateful.RuleBasedStateMachine):
    """A coordinator and its machines; every message may be late, every effect may fail."""

    @stateful.initialize(
        planes=st.sampled_from((1, 3, 5)),
        workers=st.integers(0, 45),
        most=st.integers(1, 5),
        failures=st.integers(1, 4),
        per_domain=st.integers(1, 3),
    )
    def site_of_nodes(self, planes, workers, most, failures, per_domain):
        names = [f"p{n}" for n in range(planes)]
        spread = [
            replace(sites.workers(f"w{n:02}")[0], domain=f"shelf{n % 4}") for n in range(workers)
        ]
        self.members = sites.frozen(sites.planes(*names), spread)
        accepted = sites.make(
            limits={"max-unavailable": most, "per-domain": per_domain},
            waves=[{"name": "half", "size": "50%", "min-success": 50}, {"name": "rest"}],
            abort={"node-failures": failures},
            drain={"single-node": "accept-downtime"},
            offline={"grace": "60s"},
            windows=search.WINDOW,
        )
        self.now = search.NIGHT
        self.case = search.Case("random", self.members, accepted, (self.now,), 0, frozenset())
        self.rollout = intent.accept(accepted, self.members, self.now)
        self.boxes = {n: world.fresh(n, m.version, f"{n}-old") for n, m in self.members.items()}
        self.said = {name: world.report(box) for name, box in self.boxes.items()}
        self.away = {}

    @stateful.rule()
    def decide(self):
        voters = frozenset(name for name, member in self.members.items() if member.voter)
        sight = ledger.Sight(
            reports=dict(self.said),
            silent=dict(self.away),
            unready=frozenset(self.away),
            voters=voters,
            answering=voters - set(self.away),
        )
        accepted, before = self.case.accepted, self.rollout
        found = site.decide(ledger.Site(before, sight), accepted, self.now)
        problem = rules.grant_problem(self.case, before, sight, found, self.now)
        assert not problem, problem
        self.rollout = ledger.read(ledger.write(found.rollout))
        assert self.rollout == found.rollout

    @stateful.rule(data=st.data())
    def some_machines_move(self, data):
        for name in self._some(data):
            self._read(name)
            for _ in range(data.draw(st.integers(0, 4))):
                self._run(name, data)

    @stateful.rule(data=st.data())
    def some_are_heard(self, data):
        for name in self._some(data):
            self._hear(name)

    @stateful.rule(data=st.data())
    def one_is_cut_off(self, data):
        if len(self.away) < 2:
            self.away[data.draw(st.sampled_from(sorted(self.boxes)))] = self.now

    @stateful.rule()
    def all_are_back(self):
        self.away.clear()

    @stateful.rule(hours=st.integers(1, 30))
    def time_passes(self, hours):
        self.now += hours * HOUR // 2

    @stateful.rule()
    def leader_changes(self):
        self.rollout = intent.lead(self.rollout)

    @stateful.rule(mode=st.sampled_from(intent.MODES))
    @stateful.precondition(lambda self: self.now > search.NIGHT + 40 * HOUR)
    def operator_aborts(self, mode):
        self.rollout = intent.abort(self.rollout, self.rollout.digest, mode)

    @stateful.invariant()
    @stateful.precondition(lambda self: hasattr(self, "boxes"))
    def machines_are_sound(self):
        boxes = list(self.boxes.values())
        assert [box.wrong for box in boxes if box.wrong] == []
        assert rules.state_problem(self.case, self.rollout.phase, boxes) == ""

    def teardown(self):
        """Let everybody be heard and every effect succeed: then it must end."""
        if not hasattr(self, "boxes"):
            return
        self.away.clear()
        self.now = max(self.now, search.NIGHT)
        self.now += (search.NIGHT - self.now) % 86400
        for _ in range(40 * len(self.boxes)):
            before = (self.rollout, dict(self.boxes))
            self._settle()
            hypothesis.event(
                f"ends {self.rollout.phase.value}"
            ) if self.rollout.phase in ledger.TERMINAL else None
            if self.rollout.phase in ledger.TERMINAL - {ledger.Phase.COMPLETED_WITH_DEBT}:
                return
            if before == (self.rollout, self.boxes):
                self.now += 86400
        raise AssertionError(f"it does not end: {site.headline(self.rollout)}")

    def _settle(self):
        for name in self.boxes:
            self._read(name)
            while self.boxes[name].pending:
                self.boxes[name] = next(world.outcomes(self.boxes[name], self.now))[2]
            if self.boxes[name].node.state in TICKING:
                self.boxes[name] = world.tick(self.boxes[name], self.now)
            self._hear(name)
        self.decide()

    def _some(self, data):
        return data.draw(st.lists(st.sampled_from(sorted(self.boxes)), max_size=12, unique=True))

    def _read(self, name):
        order = site.orders(self.rollout).get(name)
        if order is None or name in self.away:
            return
        work = route.work(self.case.accepted, order.part, order.wave, self.members[name])
        read = messages.read_order(messages.write(order))
        self.boxes[name] = world.order(self.boxes[name], read, work, self.now)

    def _hear(self, name):
        if name not in self.away:
            said = world.report(self.boxes[name])
            self.said[name] = messages.read_report(messages.write(said))
            assert self.said[name] == said

    def _run(self, name, data):
        box = self.boxes[name]
        if box.pending:
            ways = list(world.outcomes(box, self.now))
            weighted = [ways[0]] * 8 + ways
            box = data.draw(st.sampled_from(range(len(weighted))).map(lambda i: weighted[i][2]))
        elif box.node.state in TICKING:
            box = world.tick(box, self.now, healthy=data.draw(st.integers(0, 9)) > 0)
        self.boxes[name] = replace(box, node=state.read(state.write(box.node)))
        assert self.boxes[name].node == box.node


TICKING = (state.State.SOAKING, state.State.UNCORDONING, state.State.QUARANTINED)

TestRollouts = Rollouts.TestCase
TestRollouts.settings = hypothesis.settings(
    max_examples=100, stateful_step_count=40, deadline=None, derandomize=True
)
