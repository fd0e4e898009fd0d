"""The lab's Juju and Pis, with real LXD daemons in the place of the lab's own.

Everything that the charm does with LXD goes to a real daemon: its socket, and its program. What
snapd and systemd would do is played.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import time

from edgecloud.lxd import cluster, daemon, instances, transport
from edgelab import model, pi
from edgelab.model import entities
from edgelab.pi.lxd import daemon as pi_daemon

CHARM = pathlib.Path(__file__).parents[2] / "charms" / "edge-lxd"
APP = "edge-lxd"


NO_NETWORK = {"eth0": {"type": "none"}}
"""The bridge of these machines is played."""


def plan(name, image, member=""):
    """Return an instance of an image, by its alias, without a network."""
    source = instances.Source.alias(image)
    return instances.Plan(name, source, devices=NO_NETWORK, member=member)


class RealLxdHost(pi.PiHost):
    """A simulated Pi on which a real daemon runs."""

    def __init__(self, machine, real):
        super().__init__(machine)
        self.real = real
        self.delays = []
        """Seconds by which the next joins are late, one after the other."""

    def run(self, command, *, timeout_s, stdin=None, env=None, check=True):
        """Run LXD's program for real; let the daemon follow what snapd does with its snap."""
        words = list(map(str, command))
        if words[0] == daemon.SNAP.program:
            return self._lxd(words[1:], timeout_s, stdin, check)
        result = super().run(command, timeout_s=timeout_s, stdin=stdin, env=env, check=check)
        if words[:1] == ["/usr/bin/snap"] and "lxd" in words and result.returncode == 0:
            if words[1] in ("install", "start") and not self.real.serves():
                self.real.start()
            elif words[1] == "remove":
                self.real.remove()
            elif words[1] == "stop":
                self.real.stop()
        if words[-1] == pi_daemon.UNIT and result.returncode == 0:
            ended = self.real.start_anew(by_force=words[1] == "restart")
            self.write(pi_daemon.NOTE, "" if ended else "reload\n")
        return result

    def exists(self, path):
        """Return whether a file is there; the daemon's socket, whether somebody listens."""
        if path == daemon.SNAP.socket:
            return self.real.serves()
        return super().exists(path)

    def dial(self, path, timeout_s):
        """Connect to the real daemon."""
        return transport.UnixSocket(self.real.folder / "unix.socket").open(timeout_s)

    def _lxd(self, words, timeout_s, stdin, check):
        if words[0] == "init" and self.delays:
            time.sleep(self.delays.pop(0))
        self.machine.world.calls.append(
            pi.Call(self.machine.id, ("lxd", *words), len(stdin or ""), 0, 0.0, 0.0)
        )
        return subprocess.run(
            ("/usr/bin/lxd", *words),
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            env={**os.environ, "LXD_DIR": str(self.real.folder)},
            timeout=timeout_s,
            check=check,
            capture_output=True,
            text=True,
        )


class RealSite(model.Model):
    """A model whose machines have real daemons."""

    def __init__(self, folder, site, *, seed=0, **config):
        super().__init__(folder, seed=seed)
        self.site = site
        self.real = {}
        self.made = 0
        wanted = {"network": "br0", "disk": "boot", "storage-size": "256MiB", **config}
        self.add_application(APP, CHARM, config=wanted)

    def add_pi(self, prepare=None, delays=()):
        """Add a unit on a machine of its own, with an empty daemon.

        Args:
            prepare: is given the daemon before the charm comes.
            delays: seconds by which its first joins are late.
        """
        self.made += 1
        name = f"{self.site.id}-{id(self)}-{self.made}"
        real = self.site.daemon(name, listens=False, starts=False)
        if prepare:
            real.start()
            prepare(real)
        machine = self.add_machine(address=real.address.partition(":")[0])
        found = self.world.machines[machine]
        bridge = found.path("/sys/class/net/br0/bridge/stp_state")
        bridge.parent.mkdir(parents=True)
        bridge.write_text("0\n")
        host = RealLxdHost(found, real)
        host.delays += delays
        found.host = lambda: host
        unit = self.add_unit(APP, machine)
        self.real[unit.name] = real
        return unit

    def settle(self, **limits):
        """Settle, in far fewer hooks than a simulated site may take: each takes real time."""
        super().settle(**{"within_s": 3600, "max_hooks": 300, **limits})

    def api(self, unit):
        return self.real[unit].api

    def leader(self):
        return self.applications[APP].leader

    def statuses(self):
        return {unit.name: unit.status.name for unit in self.units.values()}

    def do(self, unit, action, **params):
        """Run an action, and return its results."""
        run = self.run(unit, action, {key.replace("_", "-"): v for key, v in params.items()})
        assert run.status == "completed", run.message
        return run.results

    def refused(self, unit, action, **params):
        """Run an action, and return why it was refused."""
        run = self.run(unit, action, {key.replace("_", "-"): v for key, v in params.items()})
        assert run.status == "failed", run.results
        return run.message

    def host(self, unit):
        """Return a unit's machine."""
        return self.world.machines[self.units[unit].machine].host()

    def wake(self, unit):
        """Have one unit run its update-status now."""
        self.units[unit].queue.insert(0, entities.Hook("update-status"))
        self.step()

    def upgrade_snap(self, unit):
        """Have snapd say that a machine has another build of the snap."""
        snap = self.world.machines[self.units[unit].machine].snaps["lxd"]
        self.world.store.publish("lxd", "5.21/edge", "arm64", "39000", "5.21.5-1")
        snap.revision, snap.version = "39000", "5.21.5-1"
        snap.versions["39000"] = "5.21.5-1"

    def names(self, unit):
        """Return the members as a unit's daemon sees them."""
        return [one.name for one in cluster.members(self.api(unit))]

    def messages(self):
        return {unit.name: unit.status.message for unit in self.units.values()}

    def unplug(self, unit):
        """Cut a machine's power, which it has no time to notice."""
        self.real[unit].kill()
        self.power_off(self.units[unit].machine)
