"""Two bare Pis in one LXD cluster; on one of them a Kubernetes node lives, and a database."""

import dataclasses

from edgecloud.agent import agent, settings
from edgecloud.lxd import cluster, daemon, instances, server
from edgecloud.lxd_member import nodes
from edgecloud.rollout import inventory, state
from edgelab import pi
from edgelab.pi import apt

HOST, OTHER, INSIDE = 2, 3, 1
"""Who reboots, who stays, and the machine in the instance that is a node."""
MEMBER, NODE, PLAIN = "lxd-2", "pi-1", "database"
STAMP = "20250201T000000Z"
PART = "os/24.04.4"
OLD, NEW = {"base-tool": "1.0", "service": "1.0"}, {"base-tool": "1.1", "service": "2.0"}
ENDS = (
    state.State.DONE,
    state.State.ROLLED_BACK,
    state.State.FAILED_SAFE,
    state.State.QUARANTINED,
    state.State.SKIPPED,
)


@dataclasses.dataclass
class Hosting:
    """A site of a control plane and two members of LXD; the agent of one of them is tried."""

    site: object

    def api(self, at=OTHER):
        return daemon.connect(self.site.host(at), daemon.SNAP)

    def status(self):
        found = cluster.members(self.api())
        return next(one.status for one in found if one.name == MEMBER)

    def instance(self, name):
        return instances.find(self.api(), name)

    def inside(self, client, node):
        """Return the machine in an instance; it has power while the instance runs."""
        self.follow()
        return self.site.host(INSIDE)

    def follow(self):
        machine, key = self.site.machine(INSIDE), f"instances/default/{NODE}"
        known = (site.objects.get(key, {}) for site in self.site.world.lxd_sites.values())
        is_started = any(one.get("status") == instances.RUNNING for one in known)
        runs = is_started and self.site.machine(HOST).powered
        (machine.power_on if runs else machine.power_off)()

    def plan(self, **changes):
        system = {"kind": "apt-snapshot", "version": "24.04.4", "snapshot-stamp": STAMP}
        return self.site.plan(targets={"os": system}, **changes)

    def order(self, verb, **changes):
        self.site.order(HOST, verb, self.plan(**changes), part=PART)

    def wake(self, boundary=None):
        self.follow()
        machine = self.site.host(HOST)
        made = agent.Agent(
            machine,
            settings.read(machine),
            sleep=self.sleep,
            **({"boundary": boundary} if boundary else {}),
        )
        made.wake()
        return made.node

    def sleep(self, seconds):
        self.site.wait(seconds)
        self.follow()

    def upgrade(self, boundary=None, **changes):
        """Play coordinator and power until the machine rests; return its node."""
        for _ in range(40):
            try:
                found = self.wake(boundary)
            except pi.PowerCut:
                self.power_on()
                continue
            if found.state in (state.State.IDLE, state.State.WAITING):
                waits = found.state is state.State.WAITING
                self.order("grant" if waits else "prepare", **changes)
            elif found.state in ENDS:
                return found
            self.sleep(60)
        raise AssertionError(f"never rests: {self.site.node(HOST)}")

    def cut_power(self):
        self.site.machine(HOST).power_off()
        self.follow()
        self.site.wait(30)
        self.power_on()

    def power_on(self):
        self.site.machine(HOST).power_on()
        self.follow()
        self.site.wait(90)
        self.site.synchronise(HOST)

    def reboots(self):
        return [call for call in self.site.world.calls if call.argv[0].endswith("/reboot")]


def build(site, bad=""):
    """Make the two members and what lives on them, and a newer moment of their archive."""
    world = site.world
    for number in (HOST, OTHER):
        world.add_machine(str(number), hostname=f"lxd-{number}")
        site.run(number, "/usr/bin/snap", "install", "lxd", "--channel=5.21/stable")
        site.synchronise(number)
    made = Hosting(site)
    site.wait(30)
    address = {number: f"{site.machine(number).address}:8443" for number in (HOST, OTHER)}
    server.ensure_config(made.api(HOST), {"core.https_address": address[HOST]})
    cluster.bootstrap(made.api(HOST), MEMBER)
    token = cluster.mint(made.api(HOST), "lxd-3")
    daemon.join(site.host(OTHER), daemon.SNAP, daemon.Joining(token, address[OTHER]))
    for name, config in ((NODE, {nodes.OWNER: "edge-lxd/0"}), (PLAIN, {})):
        source = instances.Source.nothing()
        plan = instances.Plan(name, source, config=config, member=MEMBER)
        instances.create(made.api(), plan)
        instances.ensure_running(made.api(), name)
    site.host(INSIDE).write(nodes.KUBECONFIG, site.host(INSIDE).read("/root/admin.config"))
    settings.write(site.host(HOST), settings.Settings(MEMBER, lxd=MEMBER))
    site.members[HOST] = inventory.Member(MEMBER, lxd=True)
    for name, version in OLD.items():
        apt.publish(world, apt.HERE, name, version)
    for name, version in NEW.items():
        apt.publish(world, STAMP, name, version, bad=name == bad)
    apt.have(site.machine(HOST), **{name.replace("-", "_"): v for name, v in OLD.items()})
    site.host(HOST).write("/etc/apt/apt.conf.d/01base", "")
    site.machine(HOST).faults.add(pi.Fault(("reboot",), pi.cut_after(), times=0))
    return made
