"""Sites of simulated Pis whose nodes are upgraded by the real agent."""

import dataclasses
import json
import os
import shutil

import pytest

from edgecloud.agent import agent, exchange, hardware, journal, settings
from edgecloud.host import rejoin_offer
from edgecloud.rollout import inventory, messages, state
from edgelab import pi
from edgelab.pi import two_slots
from tests.agent import plans, signed_bench

ADMIN = "/var/snap/microk8s/current/credentials/client.config"
OLD, NEW = "1.35", "1.36"


ENDS = frozenset(
    {
        state.State.DONE,
        state.State.FAILED_SAFE,
        state.State.ROLLED_BACK,
        state.State.QUARANTINED,
        state.State.SKIPPED,
    }
)

TAINTED = frozenset({state.State.QUARANTINED})


@dataclasses.dataclass
class Site:
    """Some machines, and the coordinator's part, which a test plays."""

    world: pi.World
    serial: int = 0
    members: dict = dataclasses.field(default_factory=dict)

    def machine(self, at) -> pi.Machine:
        return self.world.machines[str(at)]

    def host(self, at) -> pi.PiHost:
        return self.machine(at).host()

    def run(self, at, *words, **options):
        return self.host(at).run(words, timeout_s=900, check=False, **options)

    def wait(self, seconds):
        self.world.clock.advance(seconds)
        self.world.tick()

    def revision(self, minor):
        return int(self.world.store.find("microk8s", f"{minor}/stable", "arm64").revision)

    def plan(self, **changes):
        releases = {m: {"revision": {"arm64": self.revision(m)}} for m in (OLD, NEW)}
        given = {
            "canary": {"name": "canary", "size": "1", "soak": "3m"},
            "drain": {"timeout": "60s"},
            "floors": {},
            "deadlines": {"validate": "150s"},
            **changes,
        }
        return plans.read("p1", {"kubernetes": {"to": NEW, "releases": releases}}, **given)

    def member(self, at):
        node = self.cluster().nodes[f"pi-{at}"]
        is_worker = self.host(at).exists("/var/snap/microk8s/current/var/lock/clustered.lock")
        role = "worker" if is_worker else "control-plane"
        return inventory.Member(
            f"pi-{at}", role=role, voter=not is_worker, version=node.kubelet_version
        )

    def order(self, at, verb, accepted=None, **changes):
        """Give an order, as the controller would through the charm."""
        self.serial += 1
        accepted = accepted or self.plan()
        part = changes.pop("part", f"kubernetes/{NEW}")
        order = messages.Order(
            stamp=(1, self.serial),
            verb=messages.Verb(verb),
            digest=accepted.digest,
            part=part,
            expires=int(self.world.clock.now()) + 100_000,
            **changes,
        )
        given = exchange.Inbox(order, accepted, self.members[at])
        exchange.write_inbox(self.host(at), given)

    def prepare(self, *which):
        """Make machines ready for their agents; their part in the site is frozen here."""
        self.members = {at: self.member(at) for at in which}
        for at in which:
            machine, member = self.host(at), self.members[at]
            is_worker = member.role == "worker"
            place = settings.Settings(f"pi-{at}", f"pi-{at}", worker=is_worker)
            if is_worker:
                machine.write("/root/admin.config", self._admin(), mode=0o600)
                place = dataclasses.replace(place, kubeconfig="/root/admin.config")
            settings.write(machine, place)
            self.synchronise(at)
            self.offer(at)
        return self

    def _admin(self):
        return self.host(0).read(ADMIN)

    def synchronise(self, at):
        self.host(at).write(hardware.SYNCHRONISED, "")

    def offer(self, at):
        """Mint what a voter needs to come back."""
        others = [n for n, m in self.members.items() if n != at and m.role == "control-plane"]
        if not others:
            return
        words = ("add-node", "--format", "json", "--token-ttl", "1000000")
        found = self.run(others[0], "/snap/bin/microk8s", *words)
        urls = tuple(json.loads(found.stdout)["urls"])
        rejoin_offer.write(self.host(at), rejoin_offer.Offer(urls, self.world.clock.now() + 1e6))

    def wake(self, at, boundary=None):
        machine = self.host(at)
        made = agent.Agent(
            machine,
            settings.read(machine),
            sleep=self.wait,
            **({"boundary": boundary} if boundary else {}),
        )
        made.wake()
        return made

    def wake_for(self, at, seconds, every=60):
        for _ in range(int(seconds / every)):
            self.wait(every)
            made = self.wake(at)
        return made

    def upgrade(self, at, accepted=None, boundary=None):
        """Order, grant, and let the agent work until it rests or soaks."""
        self.order(at, "prepare", accepted)
        self.wake(at, boundary)
        self.order(at, "grant", accepted)
        return self.wake(at, boundary)

    def finish(self, at):
        """Go on as a coordinator would until the node rests: it grants whoever waits."""
        for _ in range(60):
            found = self.wake(at).node
            if found.state in ENDS and (found.isolated or found.state not in TAINTED):
                return found
            if found.state is state.State.IDLE:
                self.order(at, "prepare")
            elif found.state is state.State.WAITING:
                self.order(at, "grant")
            elif found.state is state.State.REGRESSED:
                self.order(at, "roll-back")
            self.wait(60)
        raise AssertionError(f"pi-{at} never rests: {self.node(at)}")

    def cut_power(self, at):
        """Pull the plug and put it in again."""
        self.machine(at).power_off()
        self.wait(30)
        self.machine(at).power_on()
        self.wait(90)
        self.synchronise(at)

    def spoil(self, at, how):
        """Make the new build a bad one on a machine."""
        self.world.bad_revisions[f"{at}/{self.revision(NEW)}"] = how

    def node(self, at) -> state.Node:
        return journal.Journal(self.host(at)).node

    def states(self, at):
        return [link.entry["to"] for link in journal.chain(self.host(at))]

    def cluster(self, at=0):
        return self.world.clusters[self.machine(at).node.cluster]

    def kube(self, at):
        return self.cluster().nodes[f"pi-{at}"]

    def running(self, at):
        return int(self.machine(at).snaps["microk8s"].revision)


def make(folder, count, workers=0):
    site = Site(pi.World(folder, pi.Clock(), seed=1))
    for number in range(count):
        site.world.add_machine(str(number))
        words = ("microk8s", "--classic", f"--channel={OLD}/stable")
        assert site.run(number, "/usr/bin/snap", "install", *words).returncode == 0
        site.run(number, "/usr/bin/snap", "refresh", "--hold", "microk8s")
    site.wait(60)
    for number in range(1, count):
        words = ("--worker",) if number >= count - workers else ()
        found = site.run(0, "/snap/bin/microk8s", "add-node", "--format", "json")
        url = json.loads(found.stdout)["urls"][0]
        site.run(number, "/snap/bin/microk8s", "join", url, *words)
        site.wait(90)
    return site.prepare(*range(count))


class Made:
    """Sites as they are before any upgrade, made once and copied for each test."""

    def __init__(self, factory):
        self._factory = factory
        self._sites = {}

    def copy(self, folder, count, workers=0) -> Site:
        if (count, workers) not in self._sites:
            original = make(self._factory.mktemp(f"site-{count}-{workers}"), count, workers)
            original.world.save()
            self._sites[count, workers] = original
        original = self._sites[count, workers]
        shutil.copytree(original.world.root, folder, symlinks=True)
        return Site(pi.World.load(folder), original.serial, original.members)


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch):
    """Let the test's own disk alone: what is cut here is a simulated machine."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(scope="session")
def made(tmp_path_factory):
    """Return where copies of sites come from."""
    return Made(tmp_path_factory)


@pytest.fixture
def single(made, tmp_path):
    """One machine that is a cluster by itself."""
    return made.copy(tmp_path / "site", 1)


@pytest.fixture
def pair(made, tmp_path):
    """A control plane and a worker."""
    return made.copy(tmp_path / "site", 2, workers=1)


@pytest.fixture
def trio(made, tmp_path):
    """Three voters."""
    return made.copy(tmp_path / "site", 3)


@pytest.fixture
def pi_0(tmp_path):
    """One bare Pi, without any charm's doing."""
    return pi.World(tmp_path / "world", pi.Clock(), seed=1).add_machine("0")


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    """Who signs plans."""
    return signed_bench.make_key(tmp_path_factory.mktemp("key"))


@pytest.fixture(scope="module")
def registry():
    """Where images come from."""
    made = two_slots.Registry()
    yield made
    made.close()
