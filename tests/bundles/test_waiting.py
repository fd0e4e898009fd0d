"""Units that wait: seldom for what does not move, at once for what does, and with a reason."""

import pathlib

import pytest

CHARM = pathlib.Path(__file__).parents[2] / "charms" / "edge-microk8s"


def hooks_of(site, unit, since):
    return [hook for hook in site.record.hooks if hook.unit == unit and hook.at >= since]


@pytest.mark.parametrize("seed", range(4))
def test_given_a_unit_that_cannot_join_when_hours_pass_then_it_is_woken_seldom(make_site, seed):
    site = make_site(seed=seed)
    site.settle()
    silent = next(name for name in sorted(site.units) if name != site.leader())
    site.power_off(site.units[silent].machine)
    joiner = site.add_unit("edge-microk8s")
    site.advance(1800)

    since = site.clock.now()
    site.advance(3600)
    woken = len(hooks_of(site, joiner.name, since))
    site.power_on(site.units[silent].machine)
    back = site.clock.now()
    site.settle()

    assert woken <= 72, "it is woken as often as in its first minutes"
    assert len(site.nodes()) == 4
    joined = max(hook.at for hook in hooks_of(site, joiner.name, back))
    assert joined - back < 2400


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("channel", ["1.34/stable", "1.36/stable"])
def test_given_a_worker_of_another_version_when_deployed_then_it_is_refused_by_its_version(
    make_site, seed, channel
):
    site = make_site(seed=seed, pis=1)
    site.add_application("kiosk-a", CHARM, config={"role": "worker", "channel": channel})
    worker = site.add_unit("kiosk-a")
    site.integrate("edge-microk8s:workers", "kiosk-a:control-plane")

    site.settle()

    assert len(site.nodes()) == 1
    assert worker.status.name == "blocked"
    assert "does not go with the cluster's 1.35" in worker.status.message
    assert "set channel to the cluster's version" in worker.status.message


@pytest.mark.parametrize("seed", range(5))
def test_given_a_site_upgraded_past_its_channel_when_a_pi_is_added_then_only_a_fitting_one_joins(
    make_site, seed
):
    site = make_site(seed=seed)
    site.settle()
    for unit in sorted(site.units):
        host = site.world.machines[site.units[unit].machine].host()
        command = ("/usr/bin/snap", "refresh", "--channel=1.36/stable", "microk8s")
        host.run(command, timeout_s=900)
        site.advance(300)
    site.settle()
    before = site.statuses()

    late = site.add_unit("edge-microk8s")
    site.settle()
    refused = late.status.message
    site.remove_unit(late.name)
    site.set_config("edge-microk8s", {"channel": "1.36/stable"})
    site.settle()
    site.add_unit("edge-microk8s")
    site.settle()

    assert set(before.values()) == {"active"}
    assert "Kubernetes 1.35.2 does not go with the cluster's 1.36" in refused
    assert len(site.nodes()) == 4


@pytest.mark.parametrize("seed", range(2), ids="seed-{}".format)
def test_given_a_controller_that_sleeps_when_a_pi_dies_then_the_status_says_so_and_how_to_wake_it(
    make_site, seed
):
    site = make_site(seed=seed)
    site.settle()
    leader = site.leader()
    dead = next(unit for name, unit in sorted(site.units.items()) if name != leader)
    node = site.world.machines[dead.machine].hostname
    site.cluster().wedged = True

    site.power_off(dead.machine)
    site.advance(1200)
    said, believed = site.units[leader].status.message, dict(site.nodes())
    done = site.run(leader, "restart-kubelite")
    site.advance(900)

    assert believed[node]
    assert said.startswith(f"2/3 nodes ready, 2 voters; {node} is silent but Kubernetes holds it")
    assert done.status == "completed", done.message
    assert not site.nodes()[node]
    assert site.units[leader].status.message.startswith("2/3 nodes ready, 2 voters")
    assert "restart-kubelite" not in site.units[leader].status.message
