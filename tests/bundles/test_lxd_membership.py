"""How an LXD cluster grows, shrinks and loses members, in any order of hooks."""

import pytest
import sites
from lxd_site import APP, LxdSite

from edgecloud.lxd import cluster, storage
from edgelab import pi

ONLINE, OFFLINE = cluster.Status.ONLINE, cluster.Status.OFFLINE


@pytest.fixture(params=range(5), ids=lambda seed: f"seed-{seed}")
def seed(request):
    """Fewer than elsewhere, for the time that a whole site takes."""
    return request.param


@pytest.fixture
def make_lxd_site(tmp_path):
    yield from sites.making(LxdSite, tmp_path)


def ready(site, count):
    assert list(site.members().values()) == [ONLINE] * count
    assert set(site.members()) == {unit.replace("/", "-") for unit in site.units}
    assert set(site.statuses().values()) == {"active"}
    assert len(site.clusters()) == 1


def test_given_three_pis_when_deployed_then_they_form_one_lxd_cluster(make_lxd_site, seed):
    site = make_lxd_site(seed=seed)

    site.settle()

    ready(site, 3)
    assert site.units[site.leader()].status.message.startswith("3/3 members online, 3 voters")
    assert len({site.machine(unit).snaps["lxd"].revision for unit in site.units}) == 1
    pool = storage.find(site.api(site.leader()), "local")
    assert len(pool.members) == 3


def test_given_pis_that_are_all_called_the_same_when_deployed_then_they_form_one_lxd_cluster(
    make_lxd_site, seed
):
    site = make_lxd_site(seed=seed, pis=0)
    for _ in range(3):
        site.add_unit(APP, site.add_machine(hostname="ubuntu"))

    site.settle()

    ready(site, 3)


def test_given_an_lxd_site_when_two_are_added_and_one_removed_then_four_are_left(
    make_lxd_site, seed
):
    site = make_lxd_site(seed=seed)
    site.settle()

    for _ in range(2):
        site.add_unit(APP)
    site.settle()
    site.remove_unit(sorted(site.units)[seed % 5])
    site.settle()

    ready(site, 4)


def test_given_the_lxd_leader_when_its_unit_is_removed_then_only_it_goes(make_lxd_site, seed):
    site = make_lxd_site(seed=seed, pis=4)
    site.settle()
    machine = site.machine(site.leader())

    site.remove_unit(site.leader())
    site.settle()

    ready(site, 3)
    assert "lxd" not in machine.snaps


def test_given_an_lxd_join_when_the_leader_dies_then_the_others_go_on(make_lxd_site, seed):
    site = make_lxd_site(seed=seed, pis=5)
    site.schedule(site.clock.now() + 150 + seed * 9, lambda: kill_leader(site))

    site.settle()

    silent = [name for name, status in site.members().items() if status is OFFLINE]
    alive = [name for name, status in site.members().items() if status is ONLINE]
    assert len(alive) == 4
    assert len(silent) <= 1


def kill_leader(site):
    """Cut the leader's power and give its unit up, once a majority can bear it."""
    leader = site.leader()
    grown = [one for one in site.clusters() if len(one.voters) >= 3]
    if not grown:
        site.schedule(site.clock.now() + 5, lambda: kill_leader(site))
        return
    site.power_off(site.units[leader].machine)
    site.schedule(site.clock.now() + 120, lambda: site.remove_unit(leader, force=True))


def test_given_a_token_that_expired_when_joining_then_another_one_is_used(make_lxd_site, seed):
    site = make_lxd_site(seed=seed)
    site.settle()
    joiner = site.add_unit(APP)
    expire_first_token(site, joiner)

    site.settle()

    ready(site, 4)


def expire_first_token(site, joiner):
    """Have the first attempt fail as it does with an old token."""
    said = "Error: Failed to join cluster: Token has expired"
    fault = pi.Fault(("lxd", "init"), effect=pi.fail(1, said))
    site.world.machines[joiner.machine].faults.add(fault)


def test_given_an_lxd_join_when_power_goes_in_it_then_the_unit_is_a_member_in_the_end(
    make_lxd_site, seed
):
    site = make_lxd_site(seed=seed)
    site.settle()
    joiner = site.add_unit(APP)
    cuts = [pi.cut_before(), pi.cut_during(), pi.cut_after()]
    fault = pi.Fault(("lxd", "init"), effect=cuts[seed % 3])
    site.world.machines[joiner.machine].faults.add(fault)
    site.schedule(site.clock.now() + 900, lambda: site.power_on(joiner.machine))

    site.settle()

    ready(site, 4)


def test_given_an_lxd_site_when_the_application_is_removed_then_nothing_of_it_is_left(
    make_lxd_site, seed
):
    site = make_lxd_site(seed=seed)
    site.settle()
    machines = [site.machine(unit) for unit in site.units]

    site.remove_application(APP)
    site.settle()

    assert not site.units
    for machine in machines:
        assert "lxd" not in machine.snaps
        assert not machine.host().glob("/var/lib/edge-lxd/*")
