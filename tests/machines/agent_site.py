"""Three containers with real systemd, each a node of a simulated cluster.

They can be the nodes of one cluster, which an upgrade goes through from end to end. Or each of
them has a cluster to itself, whose other nodes are simulated only: then all three can be upgraded,
and lose their power, at the same time, again and again from the same clean state.
"""

import dataclasses
import os
import pathlib
import shutil
import subprocess
import threading
import time

import agent_containers
import agent_world

from edgecloud import host
from edgecloud.agent import exchange, journal, paths, settings
from edgecloud.host import rejoin_offer
from edgecloud.lxd import guest, instances
from edgecloud.rollout import intent, inventory, ledger, messages, site
from tests.agent import plans

COUNT = 3
SHARED = "shared"
FILLED, DISK_MIB, LEFT = 2, 768, 24 << 20
"""The node whose disk can be filled, how large it is, and what is left when it is filled."""
STEADY_S = 4
"""So long must a node be well without a break; a tenth of what it takes on a Pi."""
RESTS = frozenset({"done", "rolled-back", "failed-safe", "quarantined"})


@dataclasses.dataclass
class Nodes:
    """The containers, and the worlds that their stand-ins ask."""

    connect: object
    folder: pathlib.Path
    progress: object
    worlds: dict = dataclasses.field(default_factory=dict)
    places: dict = dataclasses.field(default_factory=dict)
    serial: int = 0
    _speaking: object = dataclasses.field(default_factory=threading.Lock)

    def say(self, text):
        with self._speaking:
            self.progress(text)

    def world(self, at):
        """Return the world that a node is in just now; it begins when somebody needs it."""
        return self._world(self.places[at])

    def _world(self, name):
        if name not in self.worlds:
            self.worlds[name] = agent_world.start(self.folder / "worlds" / name)
        return self.worlds[name]

    def settled(self, at, *, timeout_s=90):
        """Return what there is to see of a node's cluster once all its nodes serve and vote.

        A node that has just booted is not Ready yet, and the datastore gives roles now and then.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            found = self.shown(at)
            whole = all(each["ready"] and each["voter"] for each in found["nodes"].values())
            if whole or time.monotonic() > deadline:
                return found
            time.sleep(1)

    def shown(self, at=0):
        return self.world(at).ask("show")

    def home(self, at):
        return self.folder / "homes" / str(at)

    def tree(self, at):
        """Return the node's own files, from outside."""
        return host.LocalHost((self.home(at) / "machine").resolve())

    def gather(self):
        """Make all containers nodes of one new cluster."""
        for at in range(COUNT):
            self._stop(at)
        self._world(SHARED).ask("reset")
        for at in range(COUNT):
            self._move(at, SHARED)
            self._start(at)

    def part(self, at, *, last=False, bad="", steady_s=STEADY_S):
        """Make a container a node of a new cluster that it has to itself.

        Args:
            at: which.
            last: whether the other nodes run the new build already.
            bad: how the spoilt build is bad here.
            steady_s: so long must it be well without a break.
        """
        self._stop(at)
        own = self._world(f"own-{at}")
        own.ask("reset")
        self._move(at, f"own-{at}", steady_s)
        own.ask("spoil", str(at), bad)
        for other in range(COUNT):
            if last and other != at:
                own.ask("refresh", str(other))

    def _move(self, at, name, steady_s=STEADY_S):
        """Have a container find another machine and its programs when it starts."""
        self.places[at] = name
        self.home(at).mkdir(exist_ok=True)
        for link, target in (("machine", "machines"), ("programs", "programs")):
            (self.home(at) / link).unlink(missing_ok=True)
            (self.home(at) / link).symlink_to(self.folder / "worlds" / name / target / str(at))
        self._allow(at, ())
        (self.home(at) / "passed").write_text("")
        (self.home(at) / "steady").write_text(str(steady_s))
        settings.write(self.tree(at), settings.Settings(f"pi-{at}", f"pi-{at}", clock="kept"))
        url = self.world(at).ask("offer", str((at + 1) % COUNT))
        rejoin_offer.write(self.tree(at), rejoin_offer.Offer((url,), time.time() + 1e6))

    def _start(self, at):
        instances.ensure_running(self.connect(), agent_containers.name(at), timeout_s=60)

    def _stop(self, at):
        api, name = self.connect(), agent_containers.name(at)
        instances.ensure_stopped(api, name, force=True, timeout_s=60)

    def run(self, at, *words):
        return guest.run(self.connect(), agent_containers.name(at), words, timeout_s=120)

    def _fill(self):
        """Let the new build eat up the disk of the node that has a small one."""
        var = self.tree(FILLED).path("/var")
        usage = os.statvfs(var)
        size = usage.f_bavail * usage.f_frsize - LEFT
        with (var / "snap/microk8s/common/core").open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)
        self.say(f"{size >> 20} MiB of the disk of pi-{FILLED} are gone")

    def plan(self, at=0, build="new", **changes):
        shown = self.shown(at)
        releases = {
            minor: {"revision": {"arm64": int(shown[which])}}
            for minor, which in (("1.35", "old"), ("1.36", build))
        }
        given = {
            "canary": {"name": "canary", "size": "1", "soak": "1s"},
            "waves": [{"name": "rest", "soak": "1s"}],
            "drain": {"timeout": "20s"},
            "deadlines": {"validate": "15s"},
            **changes,
        }
        return plans.read("p1", {"kubernetes": {"to": "1.36", "releases": releases}}, **given)

    def order(self, at, verb, accepted):
        self.serial += 1
        given = messages.Order(
            (1, self.serial), messages.Verb(verb), accepted.digest, "kubernetes/1.36",
            expires=int(time.time()) + 3600,
        )  # fmt: skip
        exchange.write_inbox(self.tree(at), exchange.Inbox(given, accepted, member(at)))

    def passed(self, at):
        """Return the boundaries that a node came past since it is where it is."""
        return set((self.home(at) / "passed").read_text().splitlines())

    def node(self, at):
        return journal.Journal(self.tree(at)).node

    def upgrade(self, at, accepted, cuts=(), *, timeout_s=180, fill_at=""):
        """Order and grant a node's upgrade, and cut its power once at each of the boundaries.

        Args:
            at: which node; it is started if it does not run.
            accepted: the plan.
            cuts: the boundaries.
            timeout_s: until when it has to rest, with every boundary behind it.
            fill_at: the boundary at which the disk is filled while the power is away.
        """
        left = list(cuts)
        self._allow(at, left)
        self.order(at, "prepare", accepted)
        self._start(at)
        deadline, seen = time.monotonic() + timeout_s, ""
        while time.monotonic() < deadline:
            time.sleep(0.1)
            if self._cut_if_reached(at, left, fill_at):
                continue
            found = self.node(at)
            state = found.state.value if found and found.work else "idle"
            if state == "waiting" and seen != state:
                self.order(at, "grant", accepted)
            seen = state
            is_over = state in RESTS and f"after writing {state}" in self.passed(at)
            if is_over and not left and found.work.digest == accepted.digest:
                return found
        log = self.run(at, "journalctl", "-u", "edge-agent", "-n", "30", "--no-pager").stdout
        raise AssertionError(f"{self.node(at)}\nnot reached: {left}\n{log}")

    def _allow(self, at, left):
        """Say at which boundaries the agent of a node waits for its power to be cut."""
        (self.home(at) / "left.new").write_text("\n".join(left))
        (self.home(at) / "left.new").replace(self.home(at) / "left")
        (self.home(at) / "at").unlink(missing_ok=True)

    def _cut_if_reached(self, at, left, fill_at):
        """Cut a node's power, and give it back, if it waits at a boundary. Return whether it did.

        The plug is pulled of the container, and of the machine that its stand-ins play.
        """
        try:
            reached = (self.home(at) / "at").read_text()
        except FileNotFoundError:
            return False
        left.remove(reached)
        self._stop(at)
        if reached == fill_at:
            self._fill()
        self._allow(at, left)
        self.world(at).ask("cut", str(at))
        self._start(at)
        return True

    def carry_out(self, accepted, *, alone=None, former=None, timeout_s=120):
        """Play the coordinator, with the real core, to the end of a plan. Return the rollout.

        Args:
            accepted: the plan.
            alone: the node for which the coordinator is away, and the inbox gone, from the moment
                on in which it is disturbed until it has arrived.
            former: the rollout before this one.
            timeout_s: how long the whole may take.
        """
        members = {f"pi-{at}": member(at) for at in range(COUNT)}
        rollout = intent.accept(accepted, members, int(time.time()), current=former)
        was_away, given = False, {}
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            time.sleep(0.3)
            if alone is not None and self._is_disturbed(alone):
                if not was_away:
                    self.tree(alone).remove(paths.INBOX)
                    self.say(f"pi-{alone} is on its own")
                was_away = True
                continue
            rollout = self._turn(rollout, accepted, given)
            if rollout.phase in ledger.TERMINAL:
                assert was_away or alone is None
                return rollout
        raise AssertionError(f"{site.headline(rollout)}\n{[self.node(at) for at in range(COUNT)]}")

    def _is_disturbed(self, at):
        report = exchange.read_outbox(self.tree(at))
        return report is not None and report.status in messages.DISRUPTED

    def _turn(self, rollout, accepted, given):
        shown = self.shown()["nodes"]
        voters = frozenset(f"pi-{at}" for at, each in shown.items() if each["voter"])
        reports = {f"pi-{at}": exchange.read_outbox(self.tree(at)) for at in range(COUNT)}
        sight = ledger.Sight(
            {name: report for name, report in reports.items() if report},
            frozenset(f"pi-{at}" for at, each in shown.items() if not each["ready"]),
            voters=voters,
            answering=voters,
        )
        decided = site.decide(ledger.Site(rollout, sight), accepted, int(time.time()))
        for name, order in site.orders(decided.rollout).items():
            if given.get(name) != order:
                inbox = exchange.Inbox(order, accepted, rollout.members[name])
                exchange.write_inbox(self.tree(name[-1]), inbox)
                given[name] = order
        return decided.rollout

    def close(self):
        """Remove the containers, and let go of the worlds."""
        for at in range(COUNT):
            instances.ensure_absent(self.connect(), agent_containers.name(at), timeout_s=60)
        for world in self.worlds.values():
            world.close()
        for place in (self._card(), self.folder / "worlds"):
            subprocess.run(("umount", place), check=True, timeout=60)

    def _card(self):
        return self.folder / f"worlds/own-{FILLED}/machines/{FILLED}/var"

    def confine(self):
        """Put what a node keeps in ``/var`` on a small disk of its own, which can be filled."""
        image, var = self.folder / "card", self._card()
        with image.open("wb") as file:
            file.truncate(DISK_MIB << 20)
        subprocess.run(("mkfs.ext4", "-q", image), check=True, timeout=60)
        shutil.rmtree(var)
        var.mkdir()
        subprocess.run(("mount", "-o", "loop", image, var), check=True, timeout=60)


def member(at):
    return inventory.Member(f"pi-{at}", role="control-plane", voter=True, version="v1.35.2")


def make(connect, folder, progress):
    """Make the clusters, the containers and their agents."""
    made = Nodes(connect, folder, progress)
    clean = folder / "worlds/clean"
    clean.parent.mkdir()
    # In memory: a container that loses its power loses nothing that this machine was told to keep.
    command = ("mount", "-t", "tmpfs", "-o", "size=1g", "worlds", clean.parent)
    subprocess.run(command, check=True, timeout=60)
    agent_world.build(clean, COUNT)
    for name in (SHARED, *(f"own-{at}" for at in range(COUNT))):
        shutil.copytree(clean, clean.with_name(name), symlinks=True)
    for at in range(COUNT):
        made.home(at).mkdir(parents=True)
    made.confine()
    agent_containers.make(connect(), folder, progress, COUNT)
    return made
