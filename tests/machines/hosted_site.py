"""Hosted nodes with real systemd in real containers, and a simulated cluster that they join."""

import dataclasses
import pathlib

import hosted_world
import lxd_site

import node_pool
import pool_profile
import pools
import renewing
from edgecloud import host
from edgecloud.interfaces.cluster_join import (
    Admission,
    ClusterRecord,
    JoinOffer,
    Member,
    NodeReport,
)
from edgecloud.lxd import guest, instances
from edgecloud.lxd_member import guest_host

SHAPE = pool_profile.Shape(cpu=2, memory="1GiB", disk="1GiB")
SETTLE = """
set -e
for program in snap curl systemctl; do
    ln -sf FOLDER/world/programs/NODE/$program /usr/local/bin/$program
done
ln -sf FOLDER/world/programs/NODE/snap /usr/bin/snap
for path in /snap /var/snap; do
    rm -rf $path
    mkdir -p FOLDER/world/machines/NODE$path
    ln -sfn FOLDER/world/machines/NODE$path $path
done
touch /etc/settled
"""


@dataclasses.dataclass
class Plane:
    """What the leader and the steward of the control plane do, on a simulated machine."""

    folder: pathlib.Path
    unit: str
    world: object
    relation: object = "related"
    now: ClusterRecord = dataclasses.field(default_factory=ClusterRecord)
    said: NodeReport = dataclasses.field(default_factory=NodeReport)
    urls: dict = dataclasses.field(default_factory=dict)
    drained: list = dataclasses.field(default_factory=list)

    def record(self):
        return self.now

    def report(self):
        return self.said

    def publish(self, report):
        changed, self.said = report != self.said, report
        return changed

    def offer(self, hosted=""):
        admission = self.now.admission
        if admission is None or admission.unit != f"{self.unit}:{hosted}":
            return None
        return JoinOffer(admission.unit, admission.attempt, f"secret:{hosted}")

    def url(self, offer):
        return self.urls[offer.unit]

    def workers(self):
        return self.world.ask("workers")

    def act(self):
        reports = {f"{self.unit}:{one.name}": one.report for one in self.said.hosted}
        members = {member.unit: member for member in self.now.members}
        for unit, member in list(members.items()):
            report = reports.get(unit, NodeReport())
            if report.leaving:
                self.world.ask("let_go", member.node)
                self.drained.append(member.node)
                del members[unit]
            elif report.joined and report.ca == self.now.cluster:
                members[unit] = dataclasses.replace(member, state="joined")
        joining = [unit for unit, member in members.items() if member.state == "joining"]
        admission = self.now.admission if joining else None
        for unit, report in sorted(reports.items()):
            ready = report.address and report.ca and not report.leaving
            if admission is None and ready and unit not in members:
                admission = Admission(unit, (report.attempt or 0) + 1, host.this().now() + 900)
                members[unit] = Member(unit, report.node, report.address, "worker", "joining")
                self.urls[unit] = self.world.ask("offer")
        found = tuple(members.values())
        self.now = dataclasses.replace(self.now, members=found, admission=admission)


@dataclasses.dataclass
class HostedSite:
    """The daemon, the pool on it, and the control plane."""

    pools: object
    plane: Plane
    machine: host.LocalHost
    progress: object
    build: str = ""
    """The build that new nodes get; what the channel holds if empty."""

    def guest(self, name):
        """Return a node as a host, its stand-ins in their places."""
        api, folder = self.pools.api, self.plane.folder
        if guest.run(api, name, ("test", "-e", "/etc/settled"), timeout_s=30).exit_code:
            lxd_site.until(lambda: self._is_up(name))
            script = SETTLE.replace("FOLDER", str(folder)).replace("NODE", name)
            done = guest.run(api, name, ("sh", "-c", script), timeout_s=60)
            assert done.exit_code == 0, done
        return guest_host.GuestHost(api, name)

    def _is_up(self, name):
        done = guest.run(
            self.pools.api, name, ("/bin/systemctl", "is-system-running"), timeout_s=30
        )
        return done.stdout.strip() in ("running", "degraded")

    def now(self):
        pool = pools.Pool(
            self.pools.api, self.pools.unit, SHAPE, "node", pools.ground(self.pools.api)
        )
        release = renewing.Release("1.35/stable", self.build)
        return node_pool.NodePool(self.machine, pool, release, self.plane, guest=self.guest)

    def hook(self, size):
        outcome = self.now().act(size)
        self.plane.act()
        return outcome

    def until_settled(self, size, *, hooks=40):
        for _ in range(hooks):
            outcome = self.hook(size)
            if outcome.settled:
                return outcome
        raise AssertionError(outcome)

    def running(self):
        return sorted(one.name for one in instances.every(self.pools.api) if one.running)


def make(pool_host, folder, state, progress, names):
    """Make the cluster, and the machines that the nodes of these names will play."""
    folder.mkdir()
    hosted_world.build(folder / "world", names)
    world = hosted_world.start(folder / "world")
    plane = Plane(folder, pool_host.unit, world)
    plane.now = ClusterRecord(cluster=world.ask("authority"), steward="plane/0")
    return HostedSite(pool_host, plane, host.LocalHost(state), progress)
