"""How a cluster grows, shrinks and loses nodes, in any order of hooks."""

import pytest

from edgelab import pi

FEW = pytest.mark.parametrize("seed", range(5), ids="seed-{}".format)
"""Seeds for what hardly depends on the order of hooks, or is a part of a test on all seeds."""


def ready(site, count):
    assert site.nodes() == dict.fromkeys(site.nodes(), True)
    assert len(site.nodes()) == count
    assert set(site.statuses().values()) == {"active"}


def test_given_three_pis_when_deployed_then_they_form_one_available_cluster(make_site, seed):
    site = make_site(seed=seed)

    site.settle()

    ready(site, 3)
    assert site.units[site.leader()].status.message.startswith("3/3 nodes ready, 3 voters")


def test_given_a_site_when_three_are_added_and_two_removed_then_four_are_left(make_site, seed):
    site = make_site(seed=seed)
    site.settle()

    for _ in range(3):
        site.add_unit("edge-microk8s")
    site.settle()
    for name in sorted(site.units)[seed % 4 : seed % 4 + 2]:
        site.remove_unit(name)
    site.settle()

    ready(site, 4)


def test_given_a_join_under_way_when_the_leader_dies_then_the_others_go_on(make_site, seed):
    site = make_site(seed=seed, pis=5)
    site.schedule(site.clock.now() + 400 + seed * 4, lambda: kill_leader(site))

    site.settle()

    ready(site, 4)


def kill_leader(site):
    """Cut the leader's power and give its unit up, once there is a majority that can bear it."""
    leader = site.leader()
    if len(site.voters()) < 3:
        site.schedule(site.clock.now() + 5, lambda: kill_leader(site))
        return
    site.power_off(site.units[leader].machine)
    site.schedule(site.clock.now() + 120, lambda: site.remove_unit(leader, force=True))


def test_given_a_join_under_way_when_the_joiner_dies_then_nothing_of_it_is_left(make_site, seed):
    site = make_site(seed=seed)
    site.settle()
    joiner = site.add_unit("edge-microk8s")
    site.schedule(site.clock.now() + 78 + seed, lambda: site.power_off(joiner.machine))
    site.schedule(site.clock.now() + 400, lambda: site.remove_unit(joiner.name, force=True))

    site.settle()

    ready(site, 3)


def test_given_a_site_when_the_leader_unit_is_removed_then_only_its_node_goes(make_site, seed):
    site = make_site(seed=seed, pis=4)
    site.settle()

    site.remove_unit(site.leader())
    site.settle()

    ready(site, 3)


def test_given_a_dead_pi_when_its_machine_comes_back_new_then_it_joins_again(make_site, seed):
    site = make_site(seed=seed)
    site.settle()
    dead = sorted(site.units)[seed % 3]
    machine = site.world.machines[site.units[dead].machine]
    site.power_off(machine.id)
    site.remove_unit(dead, force=True)
    new = site.add_machine(hostname=machine.hostname, address=machine.address)
    site.world.remove_machine(machine.id)

    site.add_unit("edge-microk8s", new)
    site.settle()

    ready(site, 3)


def test_given_a_refused_join_when_tried_again_then_a_new_token_is_used(make_site, seed):
    site = make_site(seed=seed)
    site.settle()
    minted = count_of(site, "add-node")
    joiner = site.add_unit("edge-microk8s")
    refuse_first_join(site, joiner.machine)

    site.settle()

    ready(site, 4)
    assert not list(site.world.machines[joiner.machine].faults)
    assert count_of(site, "add-node") >= minted + 2


def count_of(site, word):
    return sum(word in call.argv for call in site.world.calls)


def refuse_first_join(site, machine):
    fault = pi.Fault(("snap", "run"), effect=pi.fail(1, "Connection failed. Invalid token (500)."))
    site.world.machines[machine].faults.add(fault)


def test_given_an_hour_without_controller_when_it_is_back_then_nothing_was_lost(make_site, seed):
    site = make_site(seed=seed)
    site.settle()

    site.cut_controller()
    site.advance(3600)
    site.heal_controller()
    site.settle()

    ready(site, 3)


@FEW
def test_given_a_refused_departure_when_the_majority_is_back_then_the_unit_leaves(make_site, seed):
    site = make_site(seed=seed)
    site.settle()
    first, second, _ = sorted(site.units, key=lambda name: name == site.leader())

    site.power_off(site.units[first].machine)
    site.remove_unit(second)
    site.advance(900 + seed * 60)
    refused = second in site.units
    site.power_on(site.units[first].machine)
    site.settle()

    assert refused
    ready(site, 2)


@FEW
def test_given_a_site_when_the_application_is_removed_then_nothing_of_it_is_left(make_site, seed):
    site = make_site(seed=seed)
    site.settle()
    machines = [site.world.machines[unit.machine].host() for unit in site.units.values()]

    site.remove_application("edge-microk8s")
    site.settle()

    assert not site.units
    for host in machines:
        assert not host.glob("/var/snap/microk8s/*/certs/ca.key")
        assert not host.glob("/var/lib/edge-microk8s/*")
        assert not host.glob("/etc/systemd/system/edge-microk8s*")


@FEW
def test_given_two_control_planes_when_the_one_voter_is_removed_then_the_other_goes_on(
    make_site, seed
):
    site = make_site(seed=seed, pis=2)
    site.settle()
    voter = site.cluster().voters()[0].machine
    unit = next(unit.name for unit in site.units.values() if unit.machine == voter)

    site.remove_unit(unit)
    site.settle()

    ready(site, 1)
