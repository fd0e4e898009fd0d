"""Upgrades of whole sites: who is disturbed when, and what becomes of it when things go wrong.

The nodes' machines are played; the controller, the core, the interface and Juju's rules are real.
"""

import urllib.parse

import played_monitor
import pytest
import sites
import upgrade_site

from edgelab import pi

DAY_S = 86400
FEW = pytest.mark.parametrize("seed", range(5), ids="seed-{}".format)
"""Seeds for what hardly depends on the order of hooks, or is a part of a test on all seeds."""
GATE = {"name": "calm", "type": "alerts", "when": ["before", "continuous"]}


@pytest.fixture
def make_upgrade(tmp_path):
    yield from sites.making(upgrade_site.UpgradeSite, tmp_path)


def is_upgraded(site, build="microk8s:135"):
    return site.builds() == {build} and site.most_disturbed == 1


def test_given_any_order_of_hooks_when_upgraded_then_one_node_at_a_time_is_disturbed(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed)
    site.start()

    site.until_ended()

    assert is_upgraded(site)
    assert site.phase == "completed"


def test_given_a_leader_that_dies_between_grant_and_flush_when_another_leads_then_it_goes_on(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed, controllers=2)
    site.start()
    leader = site.units[site.applications["control"].leader]
    cut = pi.Fault(("/usr/bin/systemd-run",), pi.cut_before(), nth=1 + seed % 4)
    site.world.machines[leader.machine].faults.add(cut)

    site.until_ended()

    assert is_upgraded(site)
    assert not site.world.machines[leader.machine].powered
    assert site.applications["control"].leader != leader.name


def test_given_a_controller_away_for_three_days_when_it_is_back_then_the_plan_is_completed(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed)
    site.start()
    site.until(site.granted)

    site.cut_controller()
    site.advance(3 * DAY_S)
    site.heal_controller()
    site.until_ended()

    assert is_upgraded(site)


def test_given_a_node_removed_while_granted_when_released_then_the_others_go_on(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed, planes=3, workers=2)
    site.start(offline={"grace": "5m", "counts-unavailable": False})
    (name,) = site.until(lambda: site.granted() and site.rollout.wave).granted()
    site.remove_unit(site.names[name], force=True)
    site.advance(1800)
    kept = site.granted()

    site.ask("release-node", node=name, confirm=True)
    site.until_ended()

    assert kept == [name]
    assert site.phase == "completed"
    assert site.builds() == {"microk8s:135"}


@FEW
def test_given_a_bad_build_when_the_canary_fails_then_the_repaired_plan_succeeds(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed)
    site.spoil("microk8s:135")
    site.start()
    site.until_ended()
    held, touched = site.phase, site.builds()

    site.start(generation=2, targets=upgrade_site.TARGETS_REPAIRED)
    site.until_ended()

    assert (held, touched) == ("held", {"microk8s:134"})
    assert is_upgraded(site, "microk8s:1351")


@FEW
def test_given_a_bad_build_when_the_same_plan_is_started_again_then_it_is_not_tried_twice(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed)
    site.spoil("microk8s:135")
    digest = site.start()
    site.until_ended()
    failed = {name for name in site.names if site.memory(name)["node"].get("burnt")}

    site.ask("start", **{"plan-digest": digest})
    site.until_ended()

    assert site.phase == "held"
    assert failed == {name for name in site.names if site.memory(name)["node"].get("burnt")}


def test_given_two_plans_when_the_second_names_the_first_then_it_takes_its_place_when_quiet(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed)
    site.start()
    site.until(site.granted)
    digest = site.offer(id="other", targets=upgrade_site.TARGETS_REPAIRED, supersedes="k8s-135")
    early = site.refused("start", **{"plan-digest": digest})

    site.ask("pause")
    site.until(lambda: not site.granted() and "soaking" not in site.classes())
    site.ask("start", **{"plan-digest": digest})
    site.until_ended()

    assert "wait until no node is disturbed" in early
    assert is_upgraded(site, "microk8s:1351")


def test_given_two_plans_when_neither_names_the_other_then_the_second_is_refused(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed)
    site.start()
    digest = site.offer(id="other")

    assert "k8s-135 is under way" in site.refused("start", **{"plan-digest": digest})
    site.until_ended()
    assert is_upgraded(site)


def test_given_a_plan_that_expires_on_the_way_when_it_does_then_no_node_is_left_half_done(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed)
    site.start(expires=int(site.clock.now()) + 200)

    site.until_ended()
    site.settle()

    assert site.phase == "expired"
    assert set(site.states().values()) <= {"idle", "done"}
    assert site.builds() <= {"microk8s:134", "microk8s:135"}


@FEW
def test_given_a_node_that_is_away_when_it_returns_late_then_it_is_upgraded_too(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed, planes=3, workers=2)
    site.switch_off("pi-6")
    site.start(offline={"grace": "5m", "counts-unavailable": False})
    site.until_ended()
    owed = site.phase

    site.switch_on("pi-6")
    site.until(lambda: site.phase == "completed")

    assert owed == "completed-with-debt"
    assert is_upgraded(site)


def test_given_a_node_three_minors_behind_when_it_returns_late_then_it_skips_none(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed, planes=3, workers=1, late=1)
    (late,) = [name for name, unit in site.names.items() if unit.startswith("late/")]
    site.switch_off(late)
    site.start(
        offline={"grace": "5m", "counts-unavailable": False}, targets=upgrade_site.TARGETS_ALL
    )
    site.until_ended()
    owed, others = site.phase, {tuple(ran) for name, ran in site.ran.items() if name != late}

    site.switch_on(late)
    site.until(lambda: site.phase == "completed")

    assert owed == "completed-with-debt"
    assert others == {("microk8s:134", "microk8s:135")}
    assert site.ran[late] == [f"microk8s:{build}" for build in (132, 133, 134, 135)]
    assert is_upgraded(site)


def test_given_a_user_who_cordons_in_the_middle_when_it_goes_on_then_that_cordon_stays(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed, planes=3, workers=1)
    site.start()
    site.until(site.granted)
    theirs = sorted(set(site.names) - set(site.granted()))[seed % 3]

    site.mark(theirs, "/run/cordoned")
    site.advance(1200)  # It is known by now, and whoever was granted before has ended.
    before = site.upgraded()
    site.advance(1800)
    stood, held = site.host(theirs).exists("/run/cordoned"), site.upgraded()
    site.mark(theirs, "/run/cordoned", on=False)
    site.until_ended()

    assert stood
    assert held == before
    assert is_upgraded(site)


def test_given_a_budget_that_never_yields_when_it_ends_then_no_cordon_is_left(make_upgrade, seed):
    policy, end = [("wait", "held"), ("skip-node", "completed"), ("abort", "held")][seed % 3]
    site = make_upgrade(seed=seed, planes=3, workers=2)
    stuck = next(name for name, unit in site.names.items() if unit.startswith("worker/"))
    site.mark(stuck, "/run/unyielding")
    site.start(drain={"on-block": policy})

    site.until_ended()
    site.settle()

    assert site.phase == end
    assert [site.memory(name)["owner"] for name in site.names] == [""] * 5
    assert site.memory(stuck)["running"] == "microk8s:134"
    assert site.most_disturbed == 1


@pytest.fixture
def gated(make_upgrade, seed):
    """A site whose plan asks a monitor, and the monitor."""
    site = make_upgrade(seed=seed)
    with played_monitor.monitor(site.clock) as monitor:
        site.world.outside.add(urllib.parse.urlsplit(monitor.url).netloc)
        site.relate_monitor(monitor.url)
        yield site, monitor


@pytest.mark.parametrize("manner", ["dead", "stale", "lies"])
def test_given_a_gate_source_that_cannot_be_trusted_when_it_can_again_then_the_plan_goes_on(
    gated, seed, manner
):
    site, monitor = gated
    monitor.manner = played_monitor.LIES[seed % 5] if manner == "lies" else manner
    site.start(gates=[GATE])

    site.advance(600)
    held = site.phase, site.most_disturbed, site.ask("status")["status"]
    monitor.manner = "well"
    site.until_ended()

    assert held[:2] == ("active", 0)
    assert "gate calm: " in held[2]
    assert is_upgraded(site)


@FEW
def test_given_a_gate_source_that_is_cut_off_in_the_middle_when_it_is_back_then_nothing_ended(
    gated,
):
    site, monitor = gated
    site.start(gates=[GATE])
    site.until(site.granted)
    granted = site.granted()

    site.set_config("monitor", {"url": "http://127.0.0.1:9"})
    site.advance(3600)
    held, touched = site.phase, site.builds()
    site.set_config("monitor", {"url": monitor.url})
    site.until_ended()

    assert (held, touched) == ("active", {"microk8s:134", "microk8s:135"})
    assert len(granted) == 1
    assert is_upgraded(site)


@FEW
def test_given_a_gate_that_fails_in_the_middle_when_it_does_then_the_plan_is_held(gated):
    site, monitor = gated
    site.start(gates=[GATE])
    site.until(site.granted)

    monitor.manner = "ill"
    site.until_ended()
    site.settle()

    assert site.phase == "held"
    assert set(site.states().values()) <= {"idle", "done"}
    assert site.most_disturbed <= 1


def test_given_an_abort_twice_when_it_ends_then_every_node_serves(make_upgrade, seed):
    site = make_upgrade(seed=seed)
    digest = site.start()
    site.until(site.granted)

    for _ in range(2):
        site.ask("abort", **{"plan-digest": digest, "mode": "hold"})
    site.until_ended()
    site.settle()

    assert site.phase == "held"
    assert set(site.states().values()) <= {"idle", "done"}


def test_given_an_abort_while_nodes_go_back_when_it_ends_then_every_node_serves(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed, planes=3)
    digest = site.start()
    site.until(lambda: "soaking" in site.states().values() and not site.granted())

    site.ask("rollback", **{"plan-digest": digest})
    site.ask("abort", **{"plan-digest": digest, "mode": "hold"})
    site.until_ended()
    site.settle()

    assert site.phase in ("held", "partial", "rolled-back")
    assert set(site.states().values()) <= {"idle", "done", "rolled-back"}


def test_given_one_control_plane_when_upgraded_then_only_a_plan_that_accepts_downtime_does_it(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed, planes=1)
    digest = site.start()
    site.advance(1800)
    refused = site.builds(), site.granted()

    site.ask("abort", **{"plan-digest": digest, "mode": "hold"})
    site.start(generation=2, drain={"single-node": "accept-downtime"})
    site.until_ended()

    assert refused == ({"microk8s:134"}, [])
    assert is_upgraded(site)


def test_given_two_control_planes_when_upgraded_then_none_is_touched_and_it_says_why(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed, planes=2)
    site.start()

    site.advance(1800)

    assert (site.builds(), site.most_disturbed) == ({"microk8s:134"}, 0)
    assert "1 of 2 voters would be left" in site.ask("status")["status"]


@FEW
def test_given_a_control_plane_that_is_down_when_upgraded_then_the_others_are_left_alone(
    make_upgrade, seed
):
    site = make_upgrade(seed=seed)
    site.switch_off("pi-4")
    site.start()

    site.advance(1800)
    touched = site.builds()
    site.switch_on("pi-4")
    site.until_ended()

    assert touched == {"microk8s:134"}
    assert is_upgraded(site)


def test_given_more_nodes_when_upgraded_one_by_one_then_hooks_of_each_stay_the_same(make_upgrade):
    """A databag with every order in it would wake every node for each: their square."""
    counts = {nodes: _hooks_of_an_upgrade(make_upgrade, nodes) for nodes in (5, 20, 50)}

    per_node = {nodes: round(count / nodes, 1) for nodes, count in counts.items()}
    print(f"\nhooks of an upgrade, one at a time: {counts}, for each node: {per_node}")
    assert per_node[50] <= 1.2 * per_node[5]


def _hooks_of_an_upgrade(make_upgrade, nodes):
    """Count the hooks that messages cause; what the clock causes grows with the time it takes."""
    site = make_upgrade(seed=1, planes=3, workers=nodes - 3)
    site.start(limits={"max-unavailable": 1, "per-domain": nodes})
    before = len(site.record.hooks)

    site.until(lambda: site.is_in("completed"), hooks=60_000)
    site.settle()

    assert site.most_disturbed == 1
    causes = ("relation-", "secret-")
    return sum(any(c in hook.label for c in causes) for hook in site.record.hooks[before:])
