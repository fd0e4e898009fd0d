"""Random histories of one site: whatever is done to it, the simulation keeps its own rules."""

import pathlib
import shutil
import tempfile

import hypothesis
from hypothesis import stateful
from hypothesis import strategies as st

from edgelab import pi
from edgelab.pi import datastore, services

ADMIN = "--kubeconfig=/var/snap/microk8s/current/credentials/client.config"
MACHINES = st.sampled_from("0123")


class Site(stateful.RuleBasedStateMachine):
    """Four machines to which anything may happen, in any order."""

    def __init__(self):
        super().__init__()
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.world = pi.World(self.folder, pi.Clock(), seed=3)
        for number in "0123":
            self.world.add_machine(number)
            self.run(number, "/usr/bin/snap", "install", "microk8s", "--classic", "--channel=1.35")
        self.settle(60)

    def teardown(self):
        shutil.rmtree(self.folder)

    def run(self, at, *words):
        return self.world.machines[at].host().run(words, timeout_s=900, check=False)

    def settle(self, seconds):
        self.world.clock.advance(seconds)
        self.world.tick()

    def is_usable(self, at):
        machine = self.world.machines[at]
        return machine.powered and machine.node is not None

    @stateful.rule(seed=MACHINES, joiner=MACHINES, worker=st.booleans())
    def join(self, seed, joiner, worker):
        if seed != joiner and self.is_usable(seed) and self.is_usable(joiner):
            minted = self.run(seed, "/snap/bin/microk8s", "add-node", "--format", "short")
            if minted.returncode == 0:
                url = minted.stdout.split()[2]
                self.run(joiner, "/snap/bin/microk8s", "join", url, *["--worker"] * worker)

    @stateful.rule(at=MACHINES)
    def leave(self, at):
        if self.is_usable(at):
            self.run(at, "/snap/bin/microk8s", "leave")

    @stateful.rule(at=MACHINES, gone=MACHINES, by_address=st.booleans())
    def remove(self, at, gone, by_address):
        if at != gone and self.is_usable(at):
            name = self.world.machines[gone].address if by_address else f"pi-{gone}"
            self.run(at, "/snap/bin/microk8s", "remove-node", name, "--force")

    @stateful.rule(at=MACHINES)
    def toggle_power(self, at):
        machine = self.world.machines[at]
        (machine.power_off if machine.powered else machine.power_on)()

    @stateful.rule(one=MACHINES, other=MACHINES)
    def cut(self, one, other):
        if one != other:
            self.world.cut(one, other)

    @stateful.rule()
    def heal(self):
        self.world.heal()

    @stateful.rule(at=MACHINES)
    def rebuild(self, at):
        if self.is_usable(at):
            self.run(at, "/usr/bin/snap", "remove", "microk8s", "--purge")
            self.run(at, "/usr/bin/snap", "install", "microk8s", "--classic", "--channel=1.35")

    @stateful.rule(seconds=st.sampled_from([5, 40, 400]))
    def wait(self, seconds):
        self.settle(seconds)

    @stateful.invariant()
    def every_running_datastore_is_one_member_of_one_cluster(self):
        held = [
            (cluster.id, member.id)
            for cluster in self.world.clusters.values()
            for member in cluster.members
            if datastore.answers(self.world, cluster, member)
        ]
        assert len(held) == len(set(held)) <= 4

    @stateful.invariant()
    def no_cluster_has_two_members_at_one_address(self):
        for cluster in self.world.clusters.values():
            addresses = [item.address for item in cluster.members]
            assert len(addresses) == len(set(addresses))

    @stateful.invariant()
    def every_cluster_has_a_voter_and_never_too_many(self):
        for cluster in self.world.clusters.values():
            if cluster.members:
                assert 1 <= len(cluster.voters()) <= 4

    @stateful.invariant()
    def the_api_answers_exactly_where_the_leader_is_reached(self):
        for at, machine in self.world.machines.items():
            if not self.is_usable(at) or not services.is_active(machine, "kubelite"):
                continue
            if services.is_active(machine, "apiserver-proxy"):
                continue
            if machine.node.api_at > self.world.clock.now():
                continue
            try:
                datastore.leader_seen_by(machine)
                expected = 0
            except datastore.NoLeader:
                expected = 1
            kubectl = "/snap/microk8s/current/kubectl"
            limits = (ADMIN, "--request-timeout=1s")
            assert self.run(at, kubectl, *limits, "get", "nodes").returncode == expected

    @stateful.invariant()
    def a_saved_world_is_the_same_when_loaded(self):
        self.world.save()
        loaded = pi.World.load(self.folder)
        assert loaded.clusters == self.world.clusters


TestSite = Site.TestCase
TestSite.settings = hypothesis.settings(
    max_examples=12,
    derandomize=True,
    stateful_step_count=15,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
