"""Nodes that LXD hosts, with no Juju agent in them, in any order of hooks."""

import pytest
import sites
from hosted_site import LXD, PLANE, HostedSite

from edgecloud.host import snap
from edgecloud.lxd import instances, profiles
from edgelab import pi
from edgelab.pi import kube_pods, kube_seed

FIRST, SECOND, THIRD, FOURTH = (f"edge-lxd-0-{slot}a" for slot in range(1, 5))
REFUSED = "Connection failed. Invalid token (500)."


@pytest.fixture(params=range(3), ids=lambda seed: f"seed-{seed}")
def seed(request):
    """Fewer than elsewhere: a pool takes its nodes one by one, whatever the order of hooks."""
    return request.param


@pytest.fixture
def make_site(tmp_path):
    yield from sites.making(HostedSite, tmp_path)


def ready(site, *nodes):
    """Check that Kubernetes and LXD have these hosted nodes and no others, and all are well."""
    planes = {
        site.machine(name).hostname for name, unit in site.units.items() if unit.app == PLANE
    }
    assert site.nodes() == dict.fromkeys((*planes, *nodes), True)
    assert set(site.hosted()) == set(nodes)
    assert {unit.status.name for unit in site.units.values()} == {"active"}
    count = len(planes) + len(nodes)
    assert site.message(PLANE).startswith(f"{count}/{count} nodes ready")


def addresses(site):
    return {name: machine.address for name, machine in site.hosted().items()}


def shop(site, replicas):
    """Run a workload on whatever node takes it."""
    wanted = kube_seed.workload("shop", "default")
    wanted["spec"]["replicas"] = replicas
    kube_seed.add(site.world, site.cluster(), "deployments", wanted)
    site.advance(60)


def served(site):
    """The pods of the workload that are ready, by node."""
    cluster = site.cluster()
    return {
        name: sum(key.startswith("default/shop") for key, _ in kube_pods.pods_on(cluster, name))
        for name in cluster.nodes
    }


def test_given_a_pool_of_three_when_it_grows_and_shrinks_then_its_nodes_come_and_go_in_order(
    make_site, seed
):
    site = make_site(seed=seed, nodes=3)
    site.settle()
    ready(site, FIRST, SECOND, THIRD)
    before = addresses(site)

    done = len(site.changes())
    site.advance(3600)
    assert site.changes()[done:] == []

    site.set_config(LXD, {"nodes": 4})
    site.settle()
    ready(site, FIRST, SECOND, THIRD, FOURTH)
    shop(site, replicas=8)
    assert served(site)[FOURTH] > 0

    site.set_config(LXD, {"nodes": 2})
    site.settle()

    ready(site, FIRST, SECOND)
    assert addresses(site) == {name: before[name] for name in (FIRST, SECOND)}
    assert sum(served(site).values()) == 8
    assert drained(site) == {THIRD, FOURTH}
    assert site.hosted()[FIRST].boots == site.hosted()[SECOND].boots == 1


def drained(site, by=None):
    """The nodes whose pods were moved away before they left, by whichever machines are named."""
    calls = [call for call in site.world.calls if call.argv[0].endswith("/kubectl")]
    done = [c.argv for c in calls if c.exit_code == 0 and (by is None or c.machine in by)]
    return {argv[argv.index("drain") + 1] for argv in done if "drain" in argv}


def test_given_power_cut_at_any_step_when_it_is_back_then_the_nodes_are_too_and_go_with_the_unit(
    make_site, seed
):
    site = make_site(seed=seed, nodes=2)
    host = site.machine(f"{LXD}/0")
    # The first cut comes while the pool is built, each seed's at another call to LXD.
    effect = (pi.cut_before, pi.cut_during, pi.cut_after)[seed % 3]()
    host.faults.add(pi.Fault(("api", "POST"), effect=effect, nth=12 + 9 * seed))
    plug_in_when_dark(site, host)
    site.settle()
    ready(site, FIRST, SECOND)
    before, boots = addresses(site), host.boots
    assert boots == 2

    site.power_off(host.id)
    site.advance(1800)
    assert [name for name, is_ready in site.nodes().items() if not is_ready] == [FIRST, SECOND]
    assert not any(machine.powered for machine in site.hosted().values())
    site.power_on(host.id)
    site.settle()

    ready(site, FIRST, SECOND)
    assert addresses(site) == before
    started = [line.rpartition(" ")[2] for line in host.journal if "lxd.daemon: started" in line]
    assert started[-2:] == [FIRST, SECOND]
    done = len(site.changes())
    site.advance(3600)
    assert site.changes()[done:] == []

    shop(site, replicas=4)
    inside = {machine.id for machine in site.hosted().values()}
    site.remove_unit(f"{LXD}/0")
    site.settle()

    ready(site)
    assert drained(site, by=inside) == {FIRST, SECOND}
    assert sum(served(site).values()) == 4
    assert "lxd" not in host.snaps
    assert not host.host().glob("/var/lib/edge-lxd/*")
    assert [member.machine for member in site.cluster().members] == ["0"]
    gone = [f"instances/default/{name}" for name in (FIRST, SECOND)]
    left = {key for one in site.world.lxd_sites.values() for key in one.objects}
    assert not left & {*gone, "profiles/default/edge-lxd-nodes"}


def plug_in_when_dark(site, machine):
    """Have somebody plug a machine in again some time after its power went."""

    def look():
        if machine.powered and machine.boots == 1:
            site.schedule(site.clock.now() + 60, look)
        elif not machine.powered:
            site.power_on(machine.id)

    site.schedule(site.clock.now() + 60, look)


@pytest.mark.parametrize("seed", range(2))
def test_given_a_join_that_is_refused_when_tried_again_then_it_is_by_a_new_token(make_site, seed):
    site = make_site(seed=seed, nodes=1)
    tampered = []

    def refuse_once(_):
        node = site.hosted().get(FIRST)
        if node is not None and not tampered:
            effect = (pi.fail, pi.fail_late)[seed % 2](1, REFUSED)
            node.faults.add(pi.Fault(("snap", "run"), effect=effect))
            tampered.append(node)

    site.record.watchers.append(refuse_once)

    site.settle()

    ready(site, FIRST)
    joins = [call for call in site.world.calls if call.argv[:2] == ("/usr/bin/snap", "run")]
    tried = [call.exit_code for call in joins if call.machine == tampered[0].id]
    if seed % 2:  # It said that it failed, and had joined all the same: so it is in.
        assert tried == [1]
    else:
        assert tried == [1, 0]
        assert len(site.watch.offered) == 2
    boots = tampered[0].boots
    site.power_off(tampered[0].id)  # As by `lxc stop --force`; the host goes on.
    site.settle()
    ready(site, FIRST)
    assert tampered[0].boots == boots + 1
    seen = "\n".join(site.record.plain_text())
    assert not [url for url in site.watch.offered if url.split("/")[1] in seen]


def test_given_three_hosts_when_one_dies_for_good_then_its_node_goes_and_the_others_stay(
    make_site,
):
    site = make_site(seed=1, nodes=1, pis=3)
    site.settle()
    names = [f"edge-lxd-{number}-1a" for number in range(3)]
    ready(site, *names)
    boots = {name: site.hosted()[name].boots for name in names}

    dead = site.units[f"{LXD}/2"].machine
    site.power_off(dead)
    site.advance(900)
    site.remove_unit(f"{LXD}/2", force=True)
    site.advance(900)
    wanted = {"member": "edge-lxd-2", "dry-run": False}
    done = site.run(f"{LXD}/leader", "remove-member", wanted)
    assert done.status == "completed", done.message
    site.settle()

    assert site.nodes() == {"pi-1": True, "edge-lxd-0-1a": True, "edge-lxd-1-1a": True}
    assert site.message(PLANE).startswith("3/3 nodes ready")
    assert [site.hosted()[name].boots for name in names[:2]] == [boots[n] for n in names[:2]]
    left = [one.name for one in instances.every(site.lxd())]
    assert left == names[:2]
    assert profiles.find(site.lxd(), "edge-lxd-nodes") is not None


def test_given_a_snapshot_of_a_node_when_it_is_broken_and_restored_then_it_is_ready_again(
    make_site,
):
    site = make_site(seed=1, nodes=1)
    site.settle()
    taken = site.run(f"{LXD}/0", "snapshot-node", {"instance": FIRST})
    snap.remove(site.hosted()[FIRST].host(), "microk8s")
    site.advance(1800)
    assert site.nodes()[FIRST] is False

    back = site.run(f"{LXD}/0", "restore-node", {"instance": FIRST, "snapshot": "by-hand"})
    site.advance(600)
    site.settle()

    assert (taken.status, back.status) == ("completed", "completed"), back.message
    ready(site, FIRST)
