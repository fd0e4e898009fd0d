"""The agent in real containers with real systemd; ``lxc stop --force`` is the power cut.

The matrix of cuts comes from the state table: every state that an upgrade passes, after its line
is in the journal and after its effect ended. What is on the disk just before a line or an effect
is the same as just after what came before it. Each cut has an upgrade of its own, from a clean
state on, which must come to its end without another. The cuts on the way forward are on the last
node of a site, those on the way back on the first, so that one version runs everywhere in the end.
"""

import collections
import concurrent.futures
import dataclasses
import pathlib
import threading
import time

import agent_site
import pytest

from edgecloud.agent import exchange, journal, units
from edgecloud.agent.gauges import writing
from edgecloud.rollout import audit, ledger, messages, state

State = state.State
METRICS = f"{units.NAME}-metrics.service"
BACK = (State.ROLLING_BACK, State.ROLLBACK_VALIDATING, State.UNCORDONING, State.ROLLED_BACK)
ELSEWHERE = {
    State.IDLE: "nothing was begun",
    State.REBOOTING: "on two systems: test_agent_slots",
    State.COMMITTING: "on two systems: test_agent_slots",
    State.SKIPPED: "another end, without anything changed",
    State.FAILED_SAFE: "another end, without anything changed",
    State.REGRESSED: "a voter in its soak that waits to be told",
    State.QUARANTINED: "a way back that failed",
}
"""States that the upgrades here do not pass; cuts in them are made on simulated machines."""
FORWARD = tuple(
    each for each in State if each not in ELSEWHERE and (each not in BACK or each is BACK[2])
)


def boundaries(states):
    """Return every boundary of the journal in these states, as the state table has them."""
    found = []
    for each in states:
        found.append(f"after writing {each.value}")
        effect = state.EFFECTS.get(each)
        if effect:
            found.append(f"after {effect.value} in {each.value}")
    return found


@dataclasses.dataclass(frozen=True)
class Case:
    """One upgrade of one node, and the boundary at which its power is cut."""

    cut: str
    bad: str = ""
    """How the build is bad, if it is."""
    fills: bool = False
    """Whether it eats up the disk; the power goes then, too."""

    def __str__(self):
        return f"{self.cut} {self.bad}".strip()


FAULTS = {
    "not ready": "sick",
    "will not start": "crash:0",
    "disk full": "silent",
    "port taken": "crash:1",
    "crashes after 30 s": "crash:3",  # The time to be steady is a tenth here, too.
    "hangs": "silent",
    "bad configuration": "fails",
}
BAD = {
    fault: Case(cut, FAULTS[fault], fault == "disk full")
    for fault, cut in zip(FAULTS, boundaries(BACK), strict=True)
}
FILLED_AT = "after apply in applying"
BURNT = BAD["not ready"]


@pytest.fixture(scope="module")
def nodes(site, lone, progress):
    """Return three containers with the agent."""
    folder = pathlib.Path(site.folder) / "agent"
    folder.mkdir(mode=0o755)
    made = agent_site.make(lambda: lone.api, folder, progress)
    yield made
    made.close()


@pytest.fixture(scope="module")
def together(nodes):
    """Return the containers as the nodes of one cluster."""
    nodes.gather()
    return nodes


@dataclasses.dataclass
class Outcome:
    """How an upgrade ended."""

    ended: state.Node
    shown: dict
    at: str
    entries: list
    passed: set
    is_whole: bool
    again: state.Node | None = None
    """How another plan with the same build ended, when nothing was wrong with it any more."""

    @property
    def mine(self):
        return self.shown["nodes"][self.at]


class Matrix:
    """Plays all cases that are wanted, one on each container at a time."""

    def __init__(self, nodes, cases):
        self._nodes, self._lock = nodes, threading.Lock()
        # Those that take longest come first, so that all containers end at about the same time.
        self._left = collections.deque(sorted(cases, key=lambda case: not case.bad))
        self._found = {case: concurrent.futures.Future() for case in cases}
        self._threads = [
            threading.Thread(target=self._work, args=(at,)) for at in range(agent_site.COUNT)
        ]
        for thread in self._threads:
            thread.start()

    def outcome(self, case):
        return self._found[case].result(timeout=900)

    def close(self):
        with self._lock:
            self._left.clear()
        for thread in self._threads:
            thread.join()

    def _next(self, at):
        with self._lock:
            fit = [case for case in self._left if not case.fills or at == agent_site.FILLED]
            fit.sort(key=lambda case: not case.fills)
            if fit:
                self._left.remove(fit[0])
            return fit[0] if fit else None

    def _work(self, at):
        while case := self._next(at):
            began = time.monotonic()
            try:
                found = self._play(at, case)
            except BaseException as e:  # The test of this case raises it again.
                self._found[case].set_exception(e)
                continue
            self._nodes.say(f"pi-{at}, {case}: {time.monotonic() - began:.0f} s")
            self._found[case].set_result(found)

    def _play(self, at, case):
        nodes = self._nodes
        if case.bad:
            nodes.part(at, bad=case.bad)
        else:
            nodes.part(at, last=True, steady_s=1)
        accepted = nodes.plan(at, "bad" if case.bad else "new")
        cuts = [FILLED_AT, case.cut] if case.fills else [case.cut]
        ended = nodes.upgrade(at, accepted, cuts, fill_at=FILLED_AT if case.fills else "")
        entries, passed, again = journal.history(nodes.tree(at)), nodes.passed(at), None
        if case == BURNT:
            nodes.world(at).ask("spoil", str(at), "")
            again = nodes.upgrade(at, nodes.plan(at, "bad", id="again"))
        is_whole = audit.first_bad(journal.chain(nodes.tree(at))) is None
        return Outcome(ended, nodes.settled(at), str(at), entries, passed, is_whole, again)


@pytest.fixture(scope="module")
def matrix(nodes, request):
    found = [getattr(item, "callspec", None) for item in request.session.items]
    cases = [each.params["case"] for each in found if each and "case" in each.params]
    made = Matrix(nodes, dict.fromkeys(cases))
    yield made
    made.close()


def after(passed):
    """Return the boundaries at which power can be cut here; before each lies the same."""
    return {each for each in passed if each.startswith("after ")}


def assert_one_version(shown, which):
    """One version everywhere, no cordon and no note of ours, no revert of a voter."""
    found = shown["nodes"].values()
    assert [each["revision"] for each in found] == [shown[which]] * agent_site.COUNT
    assert len({each["version"] for each in found}) == 1
    assert all(each["ready"] and each["voter"] for each in found)
    assert not any(each["cordoned"] or each["annotations"] for each in found)
    assert not any("revert-snap" in each["kinds"] for each in found)


def test_given_the_state_table_when_compared_with_the_cuts_then_no_state_is_left_out():
    assert {*FORWARD, *BACK, *ELSEWHERE} == set(State)
    assert not {*FORWARD, *BACK} & set(ELSEWHERE)


def test_given_a_whole_plan_when_its_build_is_bad_or_good_then_one_version_runs_everywhere(
    together,
):
    nodes = together
    for at in range(agent_site.COUNT):
        nodes.world(at).ask("spoil", str(at), "sick")

    first = nodes.carry_out(nodes.plan(build="bad", id="first"))

    assert first.phase is ledger.Phase.HELD
    assert_one_version(nodes.shown(), "old")
    ends = [node.state for node in map(nodes.node, range(agent_site.COUNT)) if node.work]
    assert ends.count(State.ROLLED_BACK) == 1

    second = nodes.carry_out(nodes.plan(id="second"), alone=1, former=first)

    assert second.phase is ledger.Phase.COMPLETED
    assert_one_version(nodes.shown(), "new")
    for at in range(agent_site.COUNT):
        assert exchange.read_outbox(nodes.tree(at)).status is messages.Status.DONE
        assert audit.first_bad(journal.chain(nodes.tree(at))) is None


def test_given_real_systemd_when_its_timer_fires_then_metrics_are_written_and_no_journal_is(
    together,
):
    nodes = together
    nodes.run(0, "systemctl.real", "start", f"{units.NAME}-metrics.timer")
    deadline = time.monotonic() + 60
    while "upgrade_node_state" not in (text := nodes.run(0, "cat", writing.TEXTFILE).stdout):
        assert time.monotonic() < deadline, nodes.run(0, "systemctl.real", "status", METRICS)
        time.sleep(1)

    assert 'edge_power_fault{fault="under_voltage",since="now"} 0' in text
    assert "edge_datastore_voters_answering 3" in text
    assert "edge_kubernetes_ready 1" in text
    assert nodes.run(0, "stat", "-c", "%a %U", writing.TEXTFILE).stdout.strip() == "644 root"
    shown = ("-p", "Result", "-p", "Nice", "-p", "NextElapseUSecMonotonic")
    said = nodes.run(0, "systemctl.real", "show", METRICS, f"{units.NAME}-metrics.timer", *shown)
    assert said.stdout.count("Result=success") == 2
    assert "Nice=19" in said.stdout
    assert "NextElapseUSecMonotonic=0" not in said.stdout
    noise = nodes.run(0, "journalctl", "--no-pager", "-q", "-o", "cat", "-u", METRICS)
    assert noise.stdout == ""


@pytest.mark.parametrize("case", [Case(cut=cut) for cut in boundaries(FORWARD)], ids=str)
def test_given_a_power_cut_at_a_boundary_when_power_returns_then_the_node_is_upgraded(
    matrix, case
):
    found = matrix.outcome(case)

    assert found.ended.state is State.DONE
    assert not found.ended.burnt
    assert after(found.passed) == set(boundaries(FORWARD))
    assert found.mine["kinds"].count("refresh-snap") == 1
    assert found.is_whole
    assert_one_version(found.shown, "new")


@pytest.mark.parametrize("case", BAD.values(), ids=BAD)
def test_given_a_fault_after_the_upgrade_and_a_power_cut_on_the_way_back_then_the_old_build_runs(
    matrix, case
):
    found = matrix.outcome(case)

    assert found.ended.state is State.ROLLED_BACK
    assert found.ended.burnt == (f"microk8s:{found.shown['bad']}",)
    assert set(boundaries(BACK)) <= after(found.passed) <= set(boundaries({*FORWARD, *BACK}))
    assert found.mine["kinds"].count("refresh-snap") == 1
    assert found.is_whole
    assert_one_version(found.shown, "old")
    began = {entry.node.state: entry.at for entry in reversed(found.entries)}
    # The plan leaves 15 s to validate; the rest is to apply, and to boot with a filled disk.
    assert began[State.ROLLING_BACK] - began[State.APPLYING] <= 45


@pytest.mark.parametrize("case", [BURNT], ids=str)
def test_given_a_burnt_build_when_another_plan_has_it_then_it_is_not_tried(matrix, case):
    found = matrix.outcome(case)

    assert found.again.state is State.FAILED_SAFE
    assert found.again.reason == "it failed here before"
    assert found.mine["kinds"].count("refresh-snap") == 1
