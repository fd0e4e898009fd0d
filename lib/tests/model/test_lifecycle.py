import pytest

from edgelab import model


def deploy(juju, charm, units=1, name="tracer"):
    juju.add_application(name, charm)
    for _ in range(units):
        juju.add_unit(name)
    juju.settle()


def test_given_one_unit_when_deployed_then_hooks_come_in_the_order_of_juju(juju, tracer, trace):
    deploy(juju, tracer)

    assert trace(juju, "tracer/0")[:5] == [
        "install",
        "cluster-relation-created tracer",
        "leader-elected",
        "config-changed",
        "start",
    ]


def test_given_two_units_when_deployed_then_joined_is_followed_by_changed(juju, tracer, trace):
    deploy(juju, tracer, units=2)

    lines = trace(juju, "tracer/0")
    at = lines.index("cluster-relation-joined tracer/1")
    assert lines[at + 1] == "cluster-relation-changed tracer/1"


def test_given_a_settled_model_when_config_changes_then_every_unit_follows(juju, tracer):
    deploy(juju, tracer, units=2)

    juju.set_config("tracer", {"greeting": "servus"})
    juju.settle()

    assert [str(unit.status) for unit in juju.units.values()] == ["active: servus"] * 2


def test_given_a_failing_hook_when_it_runs_then_its_writes_are_lost_and_it_is_retried(
    juju, tracer, trace
):
    deploy(juju, tracer)
    machine = juju.world.machines["0"].host()
    machine.write("/fail-config-changed", "")

    juju.set_config("tracer", {"count": 2})
    juju.advance(60)
    failed = [hook for hook in juju.record.hooks if hook.label == "config-changed" and not hook.ok]
    relation = next(iter(juju.relations.values()))
    machine.remove("/fail-config-changed")
    juju.settle()

    assert len(failed) >= 2
    assert "lost" not in relation.unit_bags["tracer/0"].data
    assert juju.units["tracer/0"].failed is None


def test_given_a_hook_that_never_succeeds_when_settled_then_its_unit_is_named(juju, tracer):
    deploy(juju, tracer)
    juju.world.machines["0"].host().write("/fail-config-changed", "")
    juju.set_config("tracer", {"count": 2})

    with pytest.raises(model.NotSettledError, match="tracer/0: hook failed: config-changed"):
        juju.settle(within_s=3600)


def test_given_three_units_when_one_is_removed_then_it_and_the_others_see_it_depart(
    juju, tracer, trace
):
    deploy(juju, tracer, units=3)
    leader = juju.applications["tracer"].leader
    machine = juju.world.machines[juju.units[leader].machine].host()
    others = sorted(set(juju.units) - {leader})

    juju.remove_unit(leader)
    juju.settle()

    gone = machine.read("/trace").splitlines()
    assert [f"cluster-relation-departed {other} departing={leader}" in gone for other in others]
    assert gone[-2:] == ["stop", "remove"]
    for other in others:
        departed = f"cluster-relation-departed {leader} departing={leader}"
        assert departed in trace(juju, other)
    assert juju.applications["tracer"].leader in others


def test_given_a_dead_machine_when_its_unit_is_removed_by_force_then_only_the_others_run(
    juju, tracer, trace
):
    deploy(juju, tracer, units=2)
    juju.power_off("1")
    before = juju.world.machines["1"].root

    juju.remove_unit("tracer/1", force=True)
    juju.settle()

    assert sorted(juju.units) == ["tracer/0"]
    assert "stop" not in (before / "trace").read_text()
    assert "cluster-relation-departed tracer/1 departing=tracer/1" in trace(juju, "tracer/0")


def test_given_a_lost_leader_when_its_lease_ends_then_another_is_elected(juju, tracer, trace):
    deploy(juju, tracer, units=2)
    leader = juju.applications["tracer"].leader
    other = next(name for name in juju.units if name != leader)

    juju.cut_controller(juju.units[leader].machine)
    juju.advance(300)

    assert juju.applications["tracer"].leader == other
    assert "leader-elected" in trace(juju, other)


def test_given_a_machine_that_comes_back_when_it_boots_then_start_runs_again(juju, tracer, trace):
    deploy(juju, tracer)

    juju.power_off("0")
    juju.advance(60)
    juju.power_on("0")
    juju.settle()

    assert trace(juju, "tracer/0").count("start") == 2


def test_given_a_charm_when_refreshed_then_upgrade_charm_comes_before_config_changed(
    juju, tracer, trace
):
    deploy(juju, tracer)
    before = len(trace(juju, "tracer/0"))

    juju.refresh("tracer")
    juju.settle()

    assert trace(juju, "tracer/0")[before:][:2] == ["upgrade-charm", "config-changed"]


def test_given_storage_when_deployed_then_it_is_attached_before_install(juju, tracer, trace):
    juju.add_application("tracer", tracer, storage={"data": 1})
    juju.add_unit("tracer")

    juju.settle()

    assert trace(juju, "tracer/0")[:2] == ["data-storage-attached", "install"]


def test_given_a_subordinate_when_related_then_each_principal_gets_one(juju, tracer, beside):
    deploy(juju, tracer, units=2)
    juju.add_application("beside", beside)

    juju.integrate("tracer:beside", "beside:principal")
    juju.settle()

    found = {unit.name: (unit.machine, str(unit.status)) for unit in juju.units.values()}
    assert found["beside/0"] == ("0", "active: beside tracer/0")
    assert found["beside/1"] == ("1", "active: beside tracer/1")


def test_given_a_subordinate_when_its_principal_goes_then_it_goes_first(juju, tracer, beside):
    deploy(juju, tracer)
    juju.add_application("beside", beside)
    juju.integrate("tracer:beside", "beside:principal")
    juju.settle()

    juju.remove_unit("tracer/0")
    juju.settle()

    stops = [hook.unit for hook in juju.record.hooks if hook.label == "remove"]
    assert stops == ["beside/0", "tracer/0"]


def test_given_the_same_seed_when_run_again_then_the_run_is_the_same(tmp_path, tracer):
    def labels(folder, seed):
        with model.Model(tmp_path / folder, seed=seed) as juju:
            deploy(juju, tracer, units=3)
            return [(hook.unit, hook.label) for hook in juju.record.hooks]

    assert labels("a", 7) == labels("b", 7)
    assert labels("c", 7) != labels("d", 8)
