"""A site of LXD members in the lab, and somebody who watches it."""

from __future__ import annotations

import dataclasses
import pathlib

from edgecloud.lxd import cluster, daemon
from edgelab import model

CHARM = pathlib.Path(__file__).parents[2] / "charms" / "edge-lxd"
APP = "edge-lxd"


class LxdSite(model.Model):
    """A model with one application of LXD members."""

    def __init__(self, folder, *, seed, pis=3, **config):
        super().__init__(folder, seed=seed)
        self.watch = Watch(self)
        self.add_application(APP, CHARM, config={"network": "managed", **config})
        for _ in range(pis):
            self.add_unit(APP)

    def settle(self, **limits):
        """Settle, then check what must hold on a settled site."""
        super().settle(**limits)
        self.watch.settled()

    def leader(self):
        return self.applications[APP].leader

    def machine(self, unit):
        return self.world.machines[self.units[unit].machine]

    def api(self, unit):
        return daemon.connect(self.machine(unit).host(), daemon.SNAP)

    def members(self, unit=""):
        """The members as a living unit sees them."""
        seen = unit or next(u for u in sorted(self.units) if self.machine(u).powered)
        return {one.name: one.status for one in cluster.members(self.api(seen))}

    def statuses(self):
        return {unit.name: unit.status.name for unit in self.units.values()}

    def clusters(self):
        return [site for site in self.world.lxd_sites.values() if site.clustered]


@dataclasses.dataclass
class Watch:
    """Fails at the first hook after which something is not as it was promised."""

    juju: model.Model
    secrets: set[str] = dataclasses.field(default_factory=set)

    def __post_init__(self):
        self.juju.record.watchers.append(self)

    def __call__(self, hook) -> None:
        sites = [site for site in self.juju.world.lxd_sites.values() if site.clustered]
        grown = [site for site in sites if len(site.members) > 1]
        assert len(grown) <= 1, f"two clusters after {hook}"
        for site in sites:
            self.secrets.update(token.secret for token in site.tokens.values())

    def settled(self) -> None:
        """Check what must hold when nothing is left to do."""
        argv = {word for call in self.juju.world.calls for word in call.argv}
        seen = "\n".join([*argv, *self.juju.record.plain_text()])
        assert not [secret for secret in self.secrets if secret in seen]
        now = self.juju.clock.now()
        for site in self.juju.world.lxd_sites.values():
            assert not [one for one in site.tokens.values() if one.expires_at > now]
        mine = [one for one in self.juju.secrets.values() if one.owner.startswith(APP)]
        assert not [one for one in mine if one.revisions]
        for unit in self.juju.units.values():
            if unit.app != APP:
                continue
            snap = self.juju.world.machines[unit.machine].snaps.get("lxd")
            assert snap is None or snap.held_until
