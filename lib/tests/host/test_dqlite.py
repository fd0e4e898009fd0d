"""Who belongs to the datastore, who leads it, who answers."""

import json

import pytest

from edgecloud.host import dqlite
from edgelab import pi


@pytest.fixture
def world(tmp_path):
    """Three control planes."""
    made = pi.World(tmp_path, pi.Clock(1_800_000_000), seed=1)
    for number in ("0", "1", "2"):
        host = made.add_machine(number).host()
        install = ("/usr/bin/snap", "install", "microk8s", "--classic", "--channel=1.35/stable")
        host.run(install, timeout_s=900)
    _wait(made, 60)
    for number in ("1", "2"):
        words = ("/snap/bin/microk8s", "add-node", "--format", "json")
        said = made.machines["0"].host().run(words, timeout_s=60).stdout
        join = ("/snap/bin/microk8s", "join", json.loads(said)["urls"][0])
        made.machines[number].host().run(join, timeout_s=900)
        _wait(made, 120)
    return made


def _wait(world, seconds):
    world.clock.advance(seconds)
    world.tick()


def test_given_three_voters_when_asked_then_all_are_listed_and_one_leads(world):
    host = world.machines["1"].host()

    found = dqlite.members(host)

    assert [member.address for member in found] == ["10.20.0.11", "10.20.0.12", "10.20.0.13"]
    assert {member.role for member in found} == {dqlite.VOTER}
    assert dqlite.leader(host) in {member.address for member in found}


def test_given_one_without_power_when_knocked_at_then_only_the_others_answer(world):
    world.machines["2"].power_off()
    host = world.machines["0"].host()

    answering = [dqlite.answers(host, f"10.20.0.{n}") for n in (11, 12, 13)]

    assert answering == [True, True, False]


def test_given_no_majority_when_asked_then_it_is_said(world):
    for number in ("1", "2"):
        world.machines[number].power_off()

    with pytest.raises(dqlite.DqliteError, match="no available dqlite leader"):
        dqlite.members(world.machines["0"].host())


def test_given_an_answer_that_is_no_list_when_asked_then_it_is_said(world):
    world.machines["0"].faults.add(pi.Fault((dqlite.SHELL,), pi.fail(0, "")))

    with pytest.raises(dqlite.DqliteError, match="printed no members"):
        dqlite.members(world.machines["0"].host())


def test_given_members_that_were_heard_of_when_asked_then_no_process_is_started(world):
    host = world.machines["1"].host()
    before = len(world.calls)

    found = dqlite.heard(host)

    assert len(world.calls) == before
    assert found == dqlite.members(host)


def test_given_a_machine_that_heard_of_nobody_when_asked_then_there_is_nobody(tmp_path):
    machine = pi.World(tmp_path / "world", pi.Clock()).add_machine("0")

    assert dqlite.heard(machine.host()) == ()
