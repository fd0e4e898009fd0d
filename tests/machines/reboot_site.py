"""A machine whose agent is the real one and whose LXD is a real member; packages are played.

In the instance that is a Kubernetes node, ``kubectl`` is a script that remembers what it was told.
"""

import dataclasses
import json

import lxd_site
import real_lxd

from edgecloud.agent import agent, exchange, hardware, lxd_host, settings
from edgecloud.lxd import cluster, errors, guest, instances
from edgecloud.lxd_member import nodes
from edgecloud.rollout import inventory, messages, state
from edgelab import pi
from edgelab.pi import apt
from tests.agent import plans

NODE, PLAIN = "node", "database"
STAMP = "20250201T000000Z"
PART = "os/24.04.4"
OLD, NEW = {"base-tool": "1.0"}, {"base-tool": "1.1"}
CALLS = "/root/kubectl-calls"
KUBECTL = f"""\
#!/bin/sh
cd /root
echo "$*" >> {CALLS}
case "$*" in
*" patch node "*unschedulable*true*)
    echo "$*" | sed 's/.*cordon-owner": "//;s/".*//' > owner ;;
*" patch node "*)
    rm -f owner ;;
*" get node "*)
    note=""; test -f owner && note="\\"edgecloud/cordon-owner\\": \\"$(cat owner)\\""
    off=false; test -f owner && off=true
    echo '{{"metadata": {{"name": "{NODE}", "resourceVersion": "1",'
    echo "\\"annotations\\": {{$note}}}}, \\"spec\\": {{\\"unschedulable\\": $off}},"
    echo '"status": {{"conditions": [{{"type": "Ready", "status": "True"}}]}}}}' ;;
*" get "*)
    echo '{{"items": []}}' ;;
esac
"""


@dataclasses.dataclass
class Rebooting:
    """The machine ``m2``, on which a node and a database live; ``m1`` is asked how it is."""

    world: pi.World
    real: lxd_site.RealDaemon
    peer: lxd_site.RealDaemon
    serial: int = 0

    def __post_init__(self):
        machine = self.world.add_machine("2")
        self.host = real_lxd.RealLxdHost(machine, self.real)
        self.name = self.real.name
        settings.write(self.host, settings.Settings(self.name, lxd=self.name))
        apt.publish(self.world, apt.HERE, "base-tool", "1.0")
        apt.publish(self.world, STAMP, "base-tool", "1.1")
        apt.have(machine, base_tool="1.0")
        self.host.write("/etc/apt/apt.conf.d/01base", "")
        machine.faults.add(pi.Fault(("reboot",), pi.cut_after(), times=0))
        self.host.write(hardware.SYNCHRONISED, "")

    def furnish(self, alias, devices):
        """Make what lives on the machine."""
        api = self.peer.api
        for name, config in ((NODE, {nodes.OWNER: "edge-lxd/0"}), (PLAIN, {})):
            stays = {**config, "cluster.evacuate": "stop"}
            source = instances.Source.alias(alias)
            wanted = instances.Plan(name, source, config=stays, devices=devices, member=self.name)
            instances.create(api, wanted)
            instances.ensure_running(api, name)
        locks = "/var/snap/microk8s/current/var/lock"
        script = f"mkdir -p /root /snap/microk8s/current /var/lib/edge-lxd {locks}"
        script = f"{script}; echo > {locks}/clustered.lock"
        guest.run(api, NODE, ("/bin/sh", "-c", script), timeout_s=30)
        guest.push(api, NODE, "/snap/microk8s/current/kubectl", KUBECTL.encode(), mode=0o755)
        guest.push(api, NODE, nodes.KUBECONFIG, b"an account\n", mode=0o600)

    def order(self, verb):
        system = {"kind": "apt-snapshot", "version": "24.04.4", "snapshot-stamp": STAMP}
        accepted = plans.read("p1", {"os": system})
        self.serial += 1
        order = messages.Order(
            stamp=(1, self.serial),
            verb=messages.Verb(verb),
            digest=accepted.digest,
            part=PART,
            expires=int(self.world.clock.now()) + 100_000,
        )
        member = inventory.Member(self.name, lxd=True)
        exchange.write_inbox(self.host, exchange.Inbox(order, accepted, member))

    def wake(self, boundary=None):
        found = agent.Agent(
            self.host,
            settings.read(self.host),
            sleep=self.wait,
            **({"boundary": boundary} if boundary else {}),
        )
        found.wake()
        return found.node

    def wait(self, seconds):
        """Let simulated time pass, and a little of the real one: LXD lives in that."""
        self.world.clock.advance(seconds)
        self.world.tick()
        lxd_site.time.sleep(0.2)

    def upgrade(self, boundary=None):
        """Play coordinator and power until the machine rests; return its node."""
        for _ in range(40):
            try:
                found = self.wake(boundary)
            except pi.PowerCut:
                self.boot()
                continue
            if found.state in (state.State.IDLE, state.State.WAITING):
                self.order("grant" if found.state is state.State.WAITING else "prepare")
            elif found.state in state.RESTING:
                return found
            self.wait(60)
        raise AssertionError(f"never rests: {found}")

    def boot(self):
        """Shut the daemon down as the machine does, and start it as a boot does."""
        self.real.shut_down()
        self.come_back()

    def crash(self):
        """Kill the daemon, and have it started again."""
        self.real.kill()
        self.world.machines["2"].power_off()
        self.come_back()

    def come_back(self):
        self.real.start()
        self.world.machines["2"].power_on()
        self.world.clock.advance(90)
        self.host.write(hardware.SYNCHRONISED, "")
        lxd_site.until(lambda: self.status() is not cluster.Status.OFFLINE)

    def status(self):
        try:
            found = {one.name: one.status for one in cluster.members(self.peer.api)}
        except errors.LxdError:
            return cluster.Status.OFFLINE
        return found[self.name]

    def told(self):
        """Return what Kubernetes was told of the node, in order."""
        text = guest.pull(self.peer.api, NODE, CALLS).decode()
        known = ("unschedulable", "drain")
        return [line for line in text.splitlines() if any(word in line for word in known)]

    def instance(self, name):
        return instances.find(self.peer.api, name)

    def is_clean(self):
        return not self.host.exists(lxd_host.NOTE)


def is_cordon(line):
    """Return whether this takes a node out of service; otherwise it puts it back."""
    return json.dumps({"unschedulable": True})[1:-1] in line
