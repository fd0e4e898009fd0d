"""The agent's program: replaced at safe moments, byte for byte what this charm brought."""

import zipfile

import pytest
from conftest import START

import program
from edgecloud.agent import journal, paths, units, wake_lock
from edgecloud.agent.gauges import writing
from edgecloud.host import systemd
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


@pytest.mark.parametrize("name", ["cordoning", "applying", "rolling-back", "uncordoning"])
def test_given_the_middle_of_an_upgrade_when_retired_then_its_order_stays(host, name):
    host.write(paths.INBOX, "{}")
    at_state(host, name)

    assert not program.retire(host)
    assert host.exists(paths.INBOX)


@pytest.mark.parametrize("name", ["waiting", "soaking", "regressed", "done", "quarantined"])
def test_given_a_node_at_rest_when_retired_then_its_agent_has_nothing_more_to_begin(host, name):
    host.write(paths.INBOX, "{}")
    at_state(host, name)

    assert program.retire(host)
    assert not host.exists(paths.INBOX)


def test_given_a_wake_up_under_way_when_retired_then_it_is_not_yet(host):
    host.write(paths.INBOX, "{}")

    with wake_lock.lock(host):
        assert not program.retire(host)

    assert host.exists(paths.INBOX)
    assert program.retire(host)


def test_given_units_that_cannot_be_stopped_when_removed_then_the_secrets_went_first(node, host):
    program.ensure(host)
    for path in program.LEFT:
        host.write(path, "secret")
    node.machine.faults.add(pi.Fault(("/usr/bin/systemctl", "disable"), pi.fail(1, "no bus")))

    with pytest.raises(systemd.SystemdError):
        program.remove(host)

    assert not [path for path in program.LEFT if host.exists(path)]
    assert host.exists(units.PROGRAM)


def test_given_a_hook_that_died_before_systemd_knew_when_ensured_again_then_it_is_told(node, host):
    fault = pi.Fault(("/usr/bin/systemctl", "enable"), pi.fail(1, "no bus"))
    node.machine.faults.add(fault)
    with pytest.raises(systemd.SystemdError):
        units.ensure(host)
    node.world.calls.clear()

    assert units.ensure(host)
    assert [call.argv[1] for call in node.world.calls] == ["daemon-reload", "enable"]
    assert not units.ensure(host)


def test_given_units_that_were_removed_when_put_back_then_systemd_is_told_anew(host):
    units.ensure(host)
    units.remove(host)

    assert units.ensure(host)
