"""Plans for hosts of LXD, on which Kubernetes nodes live: reboots, and LXD itself, in the lab."""

import functools

import hosted_site
import pytest
import sites
from hosted_site import CONTROL, LXD, PLANE

from edgecloud.agent import lxd_host
from edgecloud.lxd import cluster
from edgelab import pi
from edgelab.pi import apt

STAMP = "20250201T000000Z"
NEWER = "35500"
"""A later build of LXD on its track."""


class RebootSite(hosted_site.UpgradedSite):
    """A control plane, and two members of LXD with a node each, and who upgrades them."""

    def __init__(self, folder, *, seed):
        super().__init__(folder, seed=seed, nodes=1, pis=2)
        self.most_away = 0
        apt.publish(self.world, apt.HERE, "base-tool", "1.0")
        apt.publish(self.world, STAMP, "base-tool", "1.1")
        for host in self.hosts():
            apt.have(host, base_tool="1.0")
            host.host().write("/etc/apt/apt.conf.d/01base", "")
            # The agent ends with its machine, which is back a minute later.
            host.faults.add(pi.Fault(("reboot",), pi.cut_before(), times=0))
        self.record.watchers.append(lambda hook: self.count())

    def _plug_in(self, host):
        def look():
            if not host.powered:
                self.power_on(host.id)
            if host.boots == 1:
                self.schedule(self.clock.now() + 60, look)

        self.schedule(self.clock.now() + 60, look)

    def hosts(self):
        return [self.machine(f"{LXD}/{number}") for number in (0, 1)]

    def statuses(self):
        return [one.status for one in cluster.members(self.lxd())]

    def count(self):
        """Count who is out of service, as the hosts themselves remember it."""
        away = [host for host in self.hosts() if host.path(lxd_host.NOTE).exists()]
        self.most_away = max(self.most_away, len(away))

    def upgrade(self):
        system = {"kind": "apt-snapshot", "version": "24.04.4", "snapshot-stamp": STAMP}
        given = sites.document(
            "packages",
            {"os": system},
            select={"exclude": [self.machine(f"{PLANE}/0").hostname]},
            # A canary of nobody, so that both are in one wave, with leave for two.
            canary={"where": {"arch": "amd64"}, "soak": "3m"},
            limits={"max-unavailable": "2", "per-domain": 2},
        )
        sites.start(self, CONTROL, given)
        for host in self.hosts():
            self._plug_in(host)
        self.until(lambda: all(host.boots > 1 for host in self.hosts()))
        self.settle(within_s=8 * 3600)


@pytest.mark.parametrize("seed", range(2))
def test_given_hosts_of_nodes_when_a_plan_reboots_them_then_one_at_a_time_and_all_come_back(
    tmp_path, seed
):
    site = RebootSite(tmp_path / "site", seed=seed)
    site.settle()
    nodes, boots = site.nodes(), [host.boots for host in site.hosts()]
    assert len(nodes) == 3

    site.upgrade()

    assert [apt.versions(host) for host in site.hosts()] == [{"base-tool": "1.1"}] * 2
    assert [host.boots for host in site.hosts()] == [before + 1 for before in boots]
    assert site.nodes() == dict.fromkeys(nodes, True)
    assert not any(node.cordoned for node in site.cluster().nodes.values())
    assert site.statuses() == [cluster.Status.ONLINE] * 2
    assert site.most_away == 1
    drained = [c.argv for c in site.world.calls if "drain" in c.argv and "/kubectl" in c.argv[0]]
    assert {argv[argv.index("drain") + 1] for argv in drained} == set(site.hosted())
    site.close()


class NewerSite(RebootSite):
    """The same, whose LXD a plan moves; what goes dark is plugged in half an hour later."""

    def __init__(self, folder, *, seed):
        super().__init__(folder, seed=seed)
        self.said, self.awaited = set(), set()
        self.record.watchers.append(self._listen)

    def _listen(self, hook):
        self.said |= {unit.status.message for unit in self.units.values() if unit.app == LXD}
        for host in self.hosts():
            if not host.powered and host.id not in self.awaited:
                self.awaited.add(host.id)
                self.schedule(self.clock.now() + 1800, functools.partial(self.power_on, host.id))

    def builds(self):
        return {host.snaps["lxd"].revision for host in self.hosts()}

    def move(self):
        self.world.store.publish("lxd", "5.21/stable", "arm64", NEWER, "5.21.9-newer")
        given = sites.document(
            "lxd",
            {"lxd": {"revision": {"arm64": int(NEWER)}}},
            select={"exclude": [self.machine(f"{PLANE}/0").hostname]},
        )
        sites.start(self, CONTROL, given)
        self.until(lambda: self.builds() == {NEWER})
        self.settle(within_s=8 * 3600)


def test_given_a_newer_lxd_when_one_member_is_dark_then_the_other_names_it_and_both_end_on_it(
    tmp_path,
):
    site = NewerSite(tmp_path / "site", seed=1)
    site.settle()
    early, late = site.hosts()
    boots = early.boots
    late.faults.add(pi.Fault(("snap", "install"), pi.cut_before()))

    site.move()

    assert any("waits for the same build on edge-lxd/1" in said for said in site.said), site.said
    assert (early.boots, late.boots) == (boots, 2)
    assert site.statuses() == [cluster.Status.ONLINE] * 2
    assert all(site.nodes().values())
    assert {unit.status.name for unit in site.units.values()} == {"active"}
    site.close()
