"""The lab's Juju and Pis, with real LXD daemons in the place of the lab's own.

Everything that the charm does with LXD goes to a real daemon: its socket, and its program. What
snapd and systemd would do is played.
"""

from __future__ import annotations

import os
import pathlib
import subprocess

from edgecloud.lxd import cluster, daemon, transport
from edgelab import model, pi

CHARM = pathlib.Path(__file__).parents[2] / "charms" / "edge-lxd"
APP = "edge-lxd"


class RealLxdHost(pi.PiHost):
    """A simulated Pi on which a real daemon runs."""

    def __init__(self, machine, real):
        super().__init__(machine)
        self.real = real

    def run(self, command, *, timeout_s, stdin=None, env=None, check=True):
        """Run LXD's program for real; let the daemon follow what snapd does with its snap."""
        words = list(map(str, command))
        if words[0] == daemon.SNAP.program:
            return self._lxd(words[1:], timeout_s, stdin, check)
        result = super().run(command, timeout_s=timeout_s, stdin=stdin, env=env, check=check)
        if words[:1] == ["/usr/bin/snap"] and "lxd" in words and result.returncode == 0:
            if words[1] in ("install", "start") and not self.real.serves():
                self.real.start()
            elif words[1] in ("remove", "stop"):
                self.real.stop()
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

    def add_pi(self):
        """Add a unit on a machine of its own, with a daemon that nobody has started yet."""
        self.made += 1
        real = self.site.daemon(f"{self.site.id}-{self.made}", listens=False)
        real.stop()
        machine = self.add_machine(address=real.address.partition(":")[0])
        found = self.world.machines[machine]
        bridge = found.path("/sys/class/net/br0/bridge/stp_state")
        bridge.parent.mkdir(parents=True)
        bridge.write_text("0\n")
        host = RealLxdHost(found, real)
        found.host = lambda: host
        unit = self.add_unit(APP, machine)
        self.real[unit.name] = real
        return unit

    def api(self, unit):
        return self.real[unit].api

    def leader(self):
        return self.applications[APP].leader

    def statuses(self):
        return {unit.name: unit.status.name for unit in self.units.values()}

    def names(self, unit):
        """Return the members as a unit's daemon sees them."""
        return [one.name for one in cluster.members(self.api(unit))]

    def messages(self):
        return {unit.name: unit.status.message for unit in self.units.values()}
