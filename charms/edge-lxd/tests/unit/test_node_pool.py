"""Hosted nodes from nothing to gone, on simulated machines, with a small control plane."""

import contextlib
import dataclasses
import json

import pytest

import arriving
import hosted_node
import hosting
import node_pool
import pool_memory
import pool_plan
import pools
import renewing
import replacement
from edgecloud.interfaces.cluster_join import (
    Admission,
    ClusterRecord,
    JoinOffer,
    Member,
    NodeReport,
    Refusal,
)
from edgecloud.lxd import errors
from edgecloud.lxd_member import renewal
from edgelab import pi

UNIT = "edge-lxd/0"
KUBECTL = (
    "/snap/microk8s/current/kubectl",
    "--kubeconfig=/var/snap/microk8s/current/credentials/client.config",
)
FIRST, SECOND = "edge-lxd-0-1a", "edge-lxd-0-2a"
STABLE = renewing.Release("1.35/stable")


class PowerCut(BaseException):
    """Nothing in the code under test catches it."""


class Pool:
    """Instances that are simulated machines."""

    unit, client = UNIT, None
    ground = pool_plan.Ground("disk", {}, "10.20.1.1/24")
    made_of = "image-1"

    def __init__(self, world):
        self.world = world
        self.there = {}
        self.numbers = iter(range(1, 100))

    def build(self, plan, *, may_start=True):
        changed = [node.name for node in plan.nodes if self.ensure(node)]
        return pools.Outcome(tuple(changed))

    def ensure(self, node):
        if node.name in self.there:
            return False
        number = str(next(self.numbers))
        self.world.add_machine(number, hostname=node.name)
        self.there[node.name] = (number, pool_plan.Present(node.name, node.slot, node.address))
        return True

    def remove(self, names):
        gone = tuple(name for name in names if name in self.there)
        for name in gone:
            number, _ = self.there.pop(name)
            self.world.machines[number].power_off()
        return gone

    def guest(self, name):
        return self.world.machines[self.there[name][0]].host()

    def survey(self, *_):
        return tuple(present for _, present in self.there.values())


class Plane:
    """A control plane on machine 0, and the end of the relation to it."""

    def __init__(self, world):
        self.world = world
        self.relation = object()
        self.said = NodeReport()
        self.now = ClusterRecord()
        self.urls = {}
        self.log = []
        self.holds = set()
        world.add_machine("0", hostname="plane")
        self.machine = world.machines["0"].host()
        self.run("/usr/bin/snap", "install", "microk8s", "--classic", "--channel=1.35/stable")
        self.pass_time()
        ca = hosted_node.authority(self.machine, worker=False)
        self.now = ClusterRecord(cluster=ca, steward="plane/0")

    def run(self, *words):
        return self.machine.run(words, timeout_s=900).stdout

    def pass_time(self, seconds=120):
        for _ in range(4):
            self.world.clock.advance(seconds / 4)
            self.world.tick()

    # What the charm sees.

    def record(self):
        return self.now

    def report(self):
        return self.said

    def publish(self, report):
        changed, self.said = report != self.said, report
        return changed

    def offer(self, hosted=""):
        admission = self.now.admission
        if admission is None or admission.unit != f"{UNIT}:{hosted}":
            return None
        return JoinOffer(admission.unit, admission.attempt, f"secret:{hosted}")

    def url(self, offer):
        return self.urls.get(offer.unit)

    # What the leader and the steward do.

    def act(self):
        reports = {f"{UNIT}:{one.name}": one.report for one in self.said.hosted}
        members = {member.unit: member for member in self.now.members}
        admission = self.now.admission
        for unit, member in list(members.items()):
            report = reports.get(unit, NodeReport())
            if report.leaving and member.node not in self.holds:
                self._let_go(member)
                del members[unit]
            elif report.joined and report.ca == self.now.cluster:
                members[unit] = dataclasses.replace(member, state="joined")
        if admission and (
            members.get(admission.unit, Member()).state != "joining"
            or reports.get(admission.unit, NodeReport()).error
            or admission.until <= self.world.clock.now()
        ):
            if members.get(admission.unit, Member()).state == "joining":
                del members[admission.unit]
            admission = None
        for unit, report in sorted(reports.items()):
            ready = report.node and report.address and report.ca and not report.leaving
            if admission is None and ready and not report.joined and unit not in members:
                attempt = (report.attempt or 0) + 1
                admission = Admission(unit, attempt, self.world.clock.now() + 900)
                members[unit] = Member(unit, report.node, report.address, "worker", "joining")
                words = ("/snap/bin/microk8s", "add-node", "--format", "json")
                self.urls[unit] = json.loads(self.run(*words))["urls"][0]
        self.now = dataclasses.replace(
            self.now, members=tuple(members.values()), admission=admission
        )

    def _let_go(self, member):
        if member.node in self.nodes():
            self.run(*KUBECTL, "drain", member.node, "--ignore-daemonsets", "--force")
            self.log.append(f"drained {member.node}")
            self.run("/snap/bin/microk8s", "remove-node", member.node, "--force")

    def nodes(self):
        return [
            one["metadata"]["name"]
            for one in json.loads(self.run(*KUBECTL, "get", "nodes", "-o", "json"))["items"]
        ]

    def workers(self):
        return sorted(name for name in self.nodes() if name != "plane")


@dataclasses.dataclass
class Site:
    pool: Pool
    plane: Plane
    world: pi.World
    cut: object = lambda _: None
    release: renewing.Release = STABLE

    def pool_now(self):
        host = self.world.machines["host"].host()
        return node_pool.NodePool(
            host, self.pool, self.release, self.plane, guest=self.pool.guest, boundary=self.cut
        )

    def hook(self, size):
        outcome = self.pool_now().act(size)
        self.plane.pass_time(40)
        self.plane.act()
        return outcome

    def until_settled(self, size, *, hooks=30):
        for _ in range(hooks):
            outcome = self.hook(size)
            if outcome.settled:
                return outcome
        raise AssertionError(outcome)

    def replace(self, name):
        return self.pool_now().replace(name)

    def journal(self):
        return pool_memory.Memory(self.world.machines["host"].host(), UNIT)

    def memory(self):
        return self.world.machines["host"].host().glob("/var/lib/edge-lxd/*")


@pytest.fixture
def site(tmp_path, monkeypatch):
    world = pi.World(tmp_path, pi.Clock(1_800_000_000), seed=1)
    world.add_machine("host", hostname="host")
    made = Site(Pool(world), Plane(world), world)
    monkeypatch.setattr(pools, "survey", made.pool.survey)
    return made


# --- joining and leaving -------------------------------------------------------------------------


def test_given_two_nodes_wanted_when_hooks_run_then_both_are_ready_workers(site):
    outcome = site.until_settled(2)

    assert (outcome.joined, outcome.size) == (2, 2)
    assert site.plane.workers() == [FIRST, SECOND]


def test_given_a_node_that_is_ready_at_once_when_others_wait_then_the_pool_is_not_settled(
    site, monkeypatch
):
    monkeypatch.setattr(hosted_node, "ensure_microk8s", lambda *_: False)
    seen = hosting.Seen("10.20.1.254", site.plane.now.cluster, worker=True, ready=True)
    monkeypatch.setattr(arriving.Arrivals, "_look", lambda *_: seen)
    monkeypatch.setattr(arriving.Arrivals, "_use_offer", lambda *_: True)

    outcome = site.pool_now().act(2)

    assert (outcome.joined, outcome.waits_for) == (1, f"{SECOND} is next")


def test_given_a_settled_pool_when_a_hook_runs_then_nothing_is_run_inside_and_nothing_is_news(
    site,
):
    site.until_settled(2)
    before, said = len(site.world.calls), site.plane.said

    outcome = site.pool_now().act(2)

    assert len(site.world.calls) == before
    assert site.plane.said == said
    assert outcome == node_pool.Outcome(2, 2, outdated=())


def test_given_a_node_on_its_way_out_when_it_shall_stay_after_all_then_it_joins_anew(site):
    site.until_settled(2)
    site.plane.holds.add(SECOND)
    site.hook(1)
    members = (dataclasses.replace(m, state="leaving") for m in site.plane.now.members)
    site.plane.now = dataclasses.replace(site.plane.now, members=tuple(members))

    outcome = site.pool_now().act(2)
    said = {one.name: one.report for one in site.plane.said.hosted}
    site.plane.now = dataclasses.replace(site.plane.now, members=())
    site.plane.run(*KUBECTL, "delete", "node", SECOND)
    site.until_settled(2)

    assert f"{SECOND} is being drained, and joins anew then" in outcome.waits_for
    assert said["2a"].joined is None
    assert site.plane.workers() == [FIRST, SECOND]


def test_given_a_join_when_looked_for_then_its_token_is_in_no_argument_and_no_file_of_the_host(
    site,
):
    site.until_settled(1)

    (url,) = site.plane.urls.values()
    token = url.partition("/")[2].partition("/")[0]
    assert not [call for call in site.world.calls if token in " ".join(call.argv)]
    host = site.world.machines["host"].host()
    assert not [path for path in site.memory() if token in host.read(path)]
    assert token not in repr(site.plane.said)


def test_given_a_smaller_pool_when_hooks_run_then_the_last_node_is_drained_before_it_is_deleted(
    site,
):
    site.until_settled(2)

    first = site.hook(1)

    assert first.waits_for == f"{SECOND} is being drained"
    assert SECOND in site.pool.there
    assert site.plane.log == [f"drained {SECOND}"]
    site.until_settled(1)
    assert set(site.pool.there) == {FIRST}
    assert site.plane.workers() == [FIRST]
    assert [one.name for one in site.plane.said.hosted] == ["1a"]


def test_given_a_node_that_cannot_be_drained_when_the_pool_shrinks_then_it_runs_on(site):
    site.until_settled(2)
    site.plane.holds.add(SECOND)

    outcomes = [site.hook(1) for _ in range(4)]

    assert {outcome.waits_for for outcome in outcomes} == {f"{SECOND} is being drained"}
    assert SECOND in site.pool.there


def test_given_no_word_of_the_control_plane_when_the_pool_shrinks_then_no_joined_node_goes(site):
    site.until_settled(2)
    site.plane.now = ClusterRecord()

    site.pool_now().act(0)

    assert set(site.pool.there) == {FIRST, SECOND}


def test_given_no_relation_when_the_pool_shrinks_then_its_nodes_go(site):
    site.plane.relation, site.plane.now = None, ClusterRecord()
    assert site.pool_now().act(2).waits_for == "nodes wait for a control plane"

    site.pool_now().act(1)

    assert set(site.pool.there) == {FIRST}


def test_given_a_lost_instance_when_hooks_run_then_its_node_leaves_and_another_name_comes(site):
    site.until_settled(1)
    site.pool.remove((FIRST,))

    site.until_settled(1)

    assert site.plane.workers() == ["edge-lxd-0-1b"]
    assert set(site.pool.there) == {"edge-lxd-0-1b"}


def test_given_another_cluster_when_hooks_run_then_nodes_of_the_former_one_are_made_anew(site):
    site.until_settled(1)
    number = site.pool.there[FIRST][0]
    guest = site.pool.guest(FIRST)
    guest.write("/var/snap/microk8s/current/certs/ca.remote.crt", "another authority")
    site.plane.said = NodeReport()
    site.plane.now = dataclasses.replace(site.plane.now, members=())

    site.until_settled(1)

    assert site.pool.there[FIRST][0] != number
    assert site.plane.workers() == [FIRST]


def test_given_a_store_that_does_not_answer_when_a_hook_runs_then_it_is_said_and_tried_again(site):
    site.hook(1)
    machine = site.world.machines[site.pool.there[FIRST][0]]
    machine.faults.add(pi.Fault(("/usr/bin/snap", "install"), pi.fail(1, "no route to store")))
    site.pool.remove(())

    outcomes = [site.hook(1)]

    assert outcomes[0].waits_for
    assert site.until_settled(1).joined == 1


def test_given_a_node_that_the_leader_refuses_when_a_hook_runs_then_its_reason_is_said(site):
    for _ in range(2):
        site.pool_now().act(1)
        site.plane.pass_time()
    refusal = Refusal(f"{UNIT}:1a", 1, 0.0, "Kubernetes 1.35.2 does not go with 1.34")
    site.plane.now = dataclasses.replace(site.plane.now, refusals=(refusal,))

    outcome = site.pool_now().act(1)

    assert outcome.waits_for == f"{FIRST}: {refusal.reason}"
    assert site.plane.said.hosted[0].report.version == "1.35.2"


def test_given_a_join_that_fails_when_hooks_run_then_the_error_is_told_and_a_new_offer_used(site):
    site.hook(1)
    machine = site.world.machines[site.pool.there[FIRST][0]]
    machine.faults.add(pi.Fault(("/usr/bin/snap", "run"), pi.fail(1, "Connection failed (500).")))

    outcome = site.until_settled(1)

    assert outcome.joined == 1
    assert site.plane.said.hosted[0].report.attempt == 2


@pytest.mark.parametrize("at", range(16))
def test_given_a_power_cut_at_any_step_of_joining_when_up_again_then_both_nodes_join(site, at):
    cut_at(site, at)
    with pytest.raises(PowerCut):
        for _ in range(20):
            site.hook(2)
    site.cut = lambda _: None
    site.plane.act()

    assert site.until_settled(2, hooks=60).joined == 2
    assert site.plane.workers() == [FIRST, SECOND]


# --- replacing -----------------------------------------------------------------------------------


def cut_at(site, number):
    reached = []

    def cut(name):
        reached.append(name)
        if len(reached) == number + 1:
            raise PowerCut(name)

    site.cut = cut
    return reached


def test_given_a_node_when_replaced_then_the_new_one_is_in_before_the_old_one_is_drained(site):
    site.until_settled(2)
    site.replace(FIRST)
    both = []

    for _ in range(30):
        outcome = site.hook(2)
        both.append((len(site.plane.workers()), bool(site.plane.log)))
        if outcome.replaced:
            break

    assert outcome.replaced == f"edge-lxd-0-1b took the place of {FIRST}"
    assert site.plane.workers() == ["edge-lxd-0-1b", SECOND]
    assert min(count for count, _ in both) == 2
    assert (3, False) in both
    assert site.plane.log == [f"drained {FIRST}"]
    assert site.until_settled(2) == node_pool.Outcome(2, 2)


def test_given_a_new_node_that_does_not_come_up_when_time_is_over_then_the_old_one_stays(site):
    site.until_settled(1)
    begun = site.replace(FIRST)
    site.pool.ensure(pool_plan.Node(begun.new, 1, begun.address))
    machine = site.world.machines[site.pool.there[begun.new][0]]
    machine.faults.add(pi.Fault(("/usr/bin/snap", "install"), pi.fail(1, "no route"), times=0))

    outcomes = []
    for _ in range(60):
        outcomes.append(site.hook(1))
        if outcomes[-1].replaced:
            break

    assert outcomes[-1].replaced.startswith(f"{FIRST} stays, {begun.new} was given up: ")
    assert set(site.pool.there) == {FIRST}
    assert site.plane.workers() == [FIRST]
    assert site.plane.log == []


def test_given_an_lxd_that_cannot_make_the_new_node_when_time_is_up_then_it_is_given_up(site):
    site.until_settled(1)
    begun = site.replace(FIRST)
    ensure, site.pool.ensure = site.pool.ensure, lambda node: refuse(node, begun.new, ensure)

    for _ in range(60):
        over = site.hook(1).replaced
        if over:
            break

    assert over == f"{FIRST} stays, {begun.new} was given up: no space left on device"
    assert site.plane.workers() == [FIRST]


def refuse(node, name, ensure):
    """Be an LXD that has no room for one node."""
    if node.name == name:
        raise errors.LxdError("no space left on device")
    return ensure(node)


@pytest.mark.parametrize("phase", ["build", "join"])
def test_given_hours_without_power_or_juju_when_back_then_the_new_node_still_has_its_time(
    site, phase
):
    site.until_settled(1)
    begun = site.replace(FIRST)
    while site.journal().replacement().phase.value != phase:
        site.hook(1)

    site.plane.pass_time(6 * 3600)
    site.until_settled(1)

    assert site.plane.workers() == [begun.new]


def test_given_an_exact_build_when_a_node_is_replaced_then_the_new_one_has_it(site):
    site.until_settled(1)
    build = site.world.store.find("microk8s", "1.35/candidate", "arm64").revision
    site.release = renewing.Release("1.35/stable", build)

    site.replace(FIRST)
    site.until_settled(1)

    assert {one.revision for one in site.pool_now().builds().values()} == {build}


def test_given_a_node_of_a_minor_that_is_past_when_it_has_not_joined_then_it_is_made_anew(site):
    for _ in range(2):
        site.pool_now().act(1)
        site.plane.pass_time()
    site.release = renewing.Release("1.36/stable")

    for _ in range(4):
        site.pool_now().act(1)
        site.plane.pass_time()

    assert site.plane.said.hosted[0].report.version.startswith("1.36.")
    assert [one.version[:5] for one in site.pool_now().builds().values()] == ["v1.36"]


def test_given_a_node_in_the_cluster_when_new_ones_get_another_minor_then_it_is_left_alone(site):
    site.until_settled(1)
    before = site.pool.there
    site.release = renewing.Release("1.36/stable")

    assert site.hook(1).settled
    assert site.pool.there == before


@pytest.mark.parametrize(
    "at",
    [
        "nowhere",
        "before noting what that means for a plan's wish",
        "before noting what follows give up",
    ],
)
def test_given_a_plans_wish_when_its_replacement_is_given_up_then_that_is_the_answer(site, at):
    host, wish, begun = wished(site, hindrance="kept")
    site.pool.ensure(pool_plan.Node(begun.new, 1, begun.address))
    machine = site.world.machines[site.pool.there[begun.new][0]]
    machine.faults.add(pi.Fault(("/usr/bin/snap", "install"), pi.fail(1, "no route"), times=0))

    until_replaced(site, at)

    said = renewal.answer(host)
    assert said.failed.startswith(f"{FIRST} stays, {begun.new} was given up: ")
    assert said.replaced == ()
    assert (said.wish, said.hindrance) == (wish, "kept")
    assert site.plane.workers() == [FIRST]


@pytest.mark.parametrize(
    "at",
    [
        "nowhere",
        "before noting what that means for a plan's wish",
        "before noting what follows remove",
    ],
)
def test_given_a_plans_wish_when_a_node_took_anothers_place_then_the_answer_names_it(site, at):
    host, wish, begun = wished(site)

    until_replaced(site, at)

    assert renewal.answer(host) == renewal.Answer(wish, replaced=(begun.new,))


def wished(site, **said):
    """Have a plan wish for a version, and begin to replace a node for it."""
    site.until_settled(1)
    host, wish = site.world.machines["host"].host(), renewal.Wish("w", "1.35")
    renewal.say(host, renewal.Answer(wish, **said))
    return host, wish, site.pool_now().replace(FIRST, "w")


def until_replaced(site, at):
    """Run hooks until nothing is being replaced, with a power cut at a point of that name."""
    site.cut = lambda name: power_cut(site, name, at)
    for _ in range(60):
        if not site.pool_now().replacing:
            break
        with contextlib.suppress(PowerCut):
            site.hook(1)


def power_cut(site, name, at):
    """Cut the power once at a point of that name."""
    if name == at:
        site.cut = lambda _: None
        raise PowerCut(name)


@pytest.mark.parametrize("at", range(31))
def test_given_a_power_cut_at_any_step_when_up_again_then_the_replacement_ends_well(site, at):
    site.until_settled(1)
    site.replace(FIRST)
    cut_at(site, at)
    with pytest.raises(PowerCut):
        for _ in range(40):
            site.hook(1)
    site.cut = lambda _: None
    site.plane.act()

    for _ in range(60):
        outcome = site.hook(1)
        assert site.plane.workers(), "somebody always serves"
        if outcome.settled:
            break

    assert outcome == node_pool.Outcome(1, 1, replaced=outcome.replaced)
    assert site.plane.workers() == ["edge-lxd-0-1b"]
    assert set(site.pool.there) == {"edge-lxd-0-1b"}
    assert site.journal().replacement() is None


def test_given_a_replacement_under_way_when_another_is_asked_for_then_it_is_refused(site):
    site.until_settled(2)
    site.replace(FIRST)

    with pytest.raises(pools.PoolError, match=f"{FIRST} is being replaced"):
        site.replace(SECOND)


def test_given_no_such_node_when_replaced_then_it_is_refused(site):
    with pytest.raises(pools.PoolError, match="this unit has no node nobody"):
        site.replace("nobody")


def test_given_a_unit_that_goes_when_forgotten_then_no_journal_is_left(site):
    site.until_settled(1)
    site.replace(FIRST)
    assert site.memory()

    site.journal().forget()

    assert site.memory() == []


def test_given_a_replacement_when_journalled_then_it_is_read_back_the_same():
    at = replacement.Phase.DRAIN
    one = replacement.Replacement("a", "b", 2, "10.0.0.2", at, 5.0, 6.0, "x", "wish")

    assert replacement.decode(replacement.encode(one)) == one
    assert replacement.decode({}) is None


def test_given_an_attempt_that_shows_nothing_when_late_then_it_counts_as_failed():
    seen = hosting.Seen("10.0.0.1", "ca", worker=False, ready=False)
    last = hosting.Attempt(2, at=1000.0)

    early = hosting.report("n", seen, {}, ClusterRecord(cluster="c"), last, 1200.0)
    late = hosting.report("n", seen, {}, ClusterRecord(cluster="c"), last, 1301.0)

    assert (early.error, late.attempt) == (None, 2)
    assert late.error == "the join ended well, but the node is not in the cluster"
