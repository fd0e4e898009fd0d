import pytest

from edgelab import model, pi

BAG = 'self.model.get_relation("cluster").data'
HAVE = f"{BAG}[self.app]['word'] = 'hey'"


def follower(juju):
    leader = juju.applications["puppet"].leader
    return next(name for name in sorted(juju.units) if name != leader)


def failures(juju):
    return [(hook.unit, hook.outcome) for hook in juju.record.hooks if not hook.ok]


def bags(juju):
    relation = next(relation for relation in juju.relations.values() if relation.peer)
    return {name: bag.data.get("word") for name, bag in relation.unit_bags.items()}, {
        name: bag.data.get("word") for name, bag in relation.app_bags.items()
    }


# --- databags ------------------------------------------------------------------------------------


def test_given_a_leader_when_it_writes_the_applications_databag_then_it_is_written(puppets, tell):
    tell(puppets, puppets.applications["puppet"].leader, HAVE)

    puppets.settle()

    assert failures(puppets) == []
    assert bags(puppets)[1] == {"puppet": "hey"}


def test_given_a_unit_that_does_not_lead_when_it_writes_for_all_then_its_hook_fails(puppets, tell):
    unit = follower(puppets)
    tell(puppets, unit, HAVE)

    puppets.advance(20)

    assert failures(puppets)[0][0] == unit
    assert failures(puppets)[0][1].startswith("RelationDataAccessError")
    assert bags(puppets)[1] == {"puppet": None}


def test_given_a_unit_when_it_writes_anothers_databag_then_its_hook_fails(puppets, tell):
    unit = follower(puppets)
    tell(puppets, unit, f"{BAG}[next(iter({BAG[:-5]}.units))]['word'] = 'hey'")

    puppets.advance(20)

    assert failures(puppets)[0][0] == unit
    assert set(bags(puppets)[0].values()) == {None}


def test_given_two_applications_when_one_writes_the_others_databag_then_its_hook_fails(
    juju, puppet, tell
):
    for name in ("left-a", "right-b"):
        juju.add_application(name, puppet)
        juju.add_unit(name)
    juju.integrate("left-a:string", "right-b:hand")
    juju.settle()
    tell(juju, "left-a/0", "r = self.model.get_relation('string'); r.data[r.app]['word'] = 'hey'")

    juju.advance(20)

    assert next(unit for unit, _ in failures(juju)) == "left-a/0"


def test_given_a_hook_that_fails_when_it_had_written_then_nobody_sees_it(puppets, tell):
    unit = follower(puppets)
    tell(puppets, unit, f"{BAG}[self.unit]['word'] = 'hey'; raise RuntimeError('no')")

    puppets.advance(20)

    assert failures(puppets)[0] == (unit, "RuntimeError: no")
    assert bags(puppets)[0][unit] is None


def test_given_a_databag_written_when_another_unit_looks_then_it_was_told_of_it(puppets, tell):
    unit, leader = follower(puppets), puppets.applications["puppet"].leader
    tell(puppets, unit, f"{BAG}[self.unit]['word'] = 'hey'")

    puppets.settle()

    told = [hook.label for hook in puppets.record.hooks if hook.unit == leader]
    assert f"cluster-relation-changed {unit}" in told


# --- leaders -------------------------------------------------------------------------------------


def test_given_a_leader_that_moved_when_the_old_one_writes_for_all_then_its_hook_fails(
    puppets, tell
):
    old, new = puppets.applications["puppet"].leader, follower(puppets)
    puppets.move_leader("puppet", new)
    tell(puppets, old, HAVE)

    puppets.advance(20)

    assert failures(puppets)[0][0] == old


def test_given_a_leader_that_moved_between_hooks_when_settled_then_the_new_one_was_told(
    puppets, tell
):
    new = follower(puppets)
    tell(puppets, new, HAVE, kind="leader-elected")

    puppets.move_leader("puppet", new)
    puppets.settle()

    assert puppets.record.hooks[-1].ok
    assert bags(puppets)[1] == {"puppet": "hey"}


def test_given_a_leader_that_comes_back_when_settled_then_it_is_told_again(puppets):
    old, new = puppets.applications["puppet"].leader, follower(puppets)
    before = len(puppets.record.hooks)

    puppets.move_leader("puppet", new)
    puppets.settle()
    puppets.move_leader("puppet", old)
    puppets.settle()

    elected = [h.unit for h in puppets.record.hooks[before:] if h.label == "leader-elected"]
    assert elected == [new, old]


# --- machines ------------------------------------------------------------------------------------


def test_given_a_full_disk_when_a_hook_writes_then_it_fails_until_there_is_room(puppets, tell):
    unit = follower(puppets)
    tell(puppets, unit, 'host.write("/word", "hey")')
    puppets.fill_disk(puppets.units[unit].machine)

    puppets.advance(30)
    full = failures(puppets)
    puppets.free_disk(puppets.units[unit].machine)
    puppets.settle()

    assert "No space left on device" in full[0][1]
    assert str(puppets.units[unit].status) == "active: did it"


@pytest.mark.parametrize("effect", [pi.cut_before(), pi.cut_after()])
def test_given_a_power_cut_in_a_hook_when_power_is_back_then_the_hook_runs_again(
    puppets, tell, effect
):
    unit = follower(puppets)
    machine = puppets.units[unit].machine
    tell(
        puppets,
        unit,
        f"{BAG}[self.unit]['word'] = 'hey'; host.run(['/usr/bin/hostname'], timeout_s=5)",
    )
    puppets.world.machines[machine].faults.add(pi.Fault(("hostname",), effect))

    puppets.advance(30)
    during = bags(puppets)[0][unit]
    puppets.power_on(machine)
    puppets.settle()

    assert failures(puppets) == [(unit, "power cut")]
    assert (during, bags(puppets)[0][unit]) == (None, "hey")


def test_given_a_power_cut_in_an_action_when_power_is_back_then_the_action_is_lost(puppets, tell):
    unit = follower(puppets)
    machine = puppets.units[unit].machine
    tell(puppets, unit, "host.run(['/usr/bin/hostname'], timeout_s=5)", kind="dance-action")
    puppets.world.machines[machine].faults.add(pi.Fault(("hostname",), pi.cut_before()))

    run = puppets.run(unit, "dance")
    puppets.power_on(machine)
    puppets.settle()

    assert (run.status, run.message) == ("failed", "action terminated")
    assert len([h for h in puppets.record.hooks if h.label == "action dance"]) == 1


def test_given_a_machine_cut_from_the_controller_when_time_passes_then_it_runs_no_hook(puppets):
    machine = puppets.units[follower(puppets)].machine
    puppets.cut_controller(machine)
    before = len(puppets.record.hooks)

    puppets.advance(3600)

    assert machine not in {hook.machine for hook in puppets.record.hooks[before:]}


def test_given_an_action_that_raises_when_run_then_it_fails_and_the_unit_does_not(puppets, tell):
    unit = follower(puppets)
    tell(puppets, unit, "raise RuntimeError('two left feet')", kind="dance-action")

    run = puppets.run(unit, "dance")

    assert (run.status, run.message) == ("failed", "RuntimeError: two left feet")
    assert puppets.units[unit].failed is None


# --- secrets that change now and then -----------------------------------------------------------

ROTATED = "import ops; self.app.add_secret({'word': 'hey'}, label='w', rotate=ops.SecretRotate.%s)"


@pytest.mark.parametrize(("how_often", "times"), [("HOURLY", 3), ("DAILY", 0), ("NEVER", 0)])
def test_given_a_secret_that_rotates_when_time_passes_then_its_owner_is_asked(
    puppets, tell, how_often, times
):
    leader = puppets.applications["puppet"].leader
    tell(puppets, leader, ROTATED % how_often, kind="config-changed")
    puppets.set_config("puppet", {})
    puppets.settle()

    puppets.advance(3.1 * 3600)

    asked = [hook.unit for hook in puppets.record.hooks if hook.label == "secret-rotate"]
    assert asked == [leader] * times


# --- the same run again --------------------------------------------------------------------------


def test_given_the_same_seed_when_run_again_then_every_byte_of_the_run_is_the_same(
    tmp_path, puppet, tell
):
    def run(folder):
        with model.Model(tmp_path / folder, seed=11) as juju:
            juju.add_application("puppet", puppet)
            for _ in range(3):
                juju.add_unit("puppet")
            secret = "s = self.unit.add_secret({'word': 'hey'}); "
            tell(juju, "puppet/1", f"{secret}{BAG}[self.unit]['id'] = s.id", kind="config-changed")
            juju.settle()
            return juju.record.hooks, sorted(juju.record.plain_text()), sorted(juju.secrets)

    assert run("a") == run("b")
