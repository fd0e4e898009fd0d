"""The agent's program: replaced at safe moments, byte for byte what this charm brought."""

import zipfile

import pytest
from conftest import START

import program
from edgecloud.agent import journal, units, wake_lock
from edgecloud.agent.gauges import writing
from edgecloud.rollout import state
from edgelab import pi


def at_state(host, name):
    journal.Journal(host).append(START, state.Node("pi-0", state.State(name)), "test")


def test_given_nothing_when_ensured_then_the_file_is_a_program(host):
    assert program.ensure(host)

    with zipfile.ZipFile(host.path(units.PROGRAM)) as archive:
        assert "edgecloud/agent/main.py" in archive.namelist()
    assert not program.is_outdated(host)


def test_given_the_program_in_place_when_ensured_again_then_it_is_not_written(host):
    program.ensure(host)
    before = host.path(units.PROGRAM).stat().st_mtime_ns

    program.ensure(host)

    assert host.path(units.PROGRAM).stat().st_mtime_ns == before


@pytest.mark.parametrize("name", ["draining", "applying", "rolling-back", "rebooting"])
def test_given_another_program_in_the_middle_of_an_upgrade_when_ensured_then_it_stays(host, name):
    program.ensure(host)
    host.write(program.STAMP, "another\n")
    at_state(host, name)

    assert not program.ensure(host)
    assert not program.is_safe(host)


@pytest.mark.parametrize("name", ["idle", "waiting", "soaking", "done", "quarantined"])
def test_given_another_program_at_rest_when_ensured_then_it_is_replaced(host, name):
    program.ensure(host)
    host.write(program.STAMP, "another\n")
    at_state(host, name)

    assert program.ensure(host)
    assert not program.is_outdated(host)


def test_given_a_wake_up_under_way_when_ensured_then_the_program_waits(host):
    program.ensure(host)
    host.write(program.STAMP, "another\n")

    with wake_lock.lock(host):
        assert not program.ensure(host)


def test_given_a_full_disk_when_ensured_then_the_former_program_stays_whole(node, host):
    program.ensure(host)
    node.machine.faults.add(pi.Fault(("/usr/bin/systemctl", "daemon-reload"), pi.fail(1, "x")))
    before = host.path(units.PROGRAM).read_bytes()
    host.write(program.STAMP, "another\n")
    host.path(units.PROGRAM).with_suffix(".part").mkdir()

    with pytest.raises(OSError, match="directory"):
        program.ensure(host)

    assert host.path(units.PROGRAM).read_bytes() == before
    assert program.is_outdated(host)


def test_given_the_program_when_removed_then_no_metrics_of_it_grow_old_on_the_machine(host):
    program.ensure(host)
    assert writing.write(host)

    program.remove(host)

    assert not host.exists(writing.TEXTFILE)
    assert not host.glob("/etc/systemd/system/edge-agent*")
