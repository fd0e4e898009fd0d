import pytest

from edgecloud.telemetry import packages

ALL = tuple(packages.SERVICES)


def commands(host):
    return [" ".join(call.argv) for call in host.machine.world.calls]


def test_given_a_bare_machine_when_ensured_then_services_are_masked_before_they_come(raspberry):
    assert packages.ensure(raspberry, ALL) is True

    assert [command.split()[1] for command in commands(raspberry)] == ["mask", "update", "install"]
    assert packages.missing(raspberry, ALL) == []


def test_given_everything_there_when_ensured_then_no_command_runs(raspberry):
    packages.ensure(raspberry, ALL)
    before = len(commands(raspberry))

    assert packages.ensure(raspberry, ALL) is False
    assert len(commands(raspberry)) == before


def test_given_a_service_that_somebody_unmasked_when_ensured_then_it_is_masked_again(raspberry):
    packages.ensure(raspberry, ALL)
    raspberry.run(("/usr/bin/systemctl", "unmask", "victoria-metrics"), timeout_s=9)

    assert packages.ensure(raspberry, ALL) is True
    assert commands(raspberry)[-1].endswith("mask --now victoria-metrics.service")


def test_given_no_uplink_when_ensured_then_the_archive_is_blamed(raspberry):
    raspberry.machine.uplink = False

    with pytest.raises(packages.PackageError, match="apt-get install failed"):
        packages.ensure(raspberry, ALL)


def test_given_a_program_when_asked_twice_then_it_is_run_once(raspberry):
    packages.ensure(raspberry, ALL)

    known = packages.options(raspberry, "/usr/bin/vmauth")
    again = packages.options(raspberry, "/usr/bin/vmauth")

    assert known == again
    assert "tlsCertFile" in known
    assert commands(raspberry).count("/usr/bin/vmauth --help") == 1


def test_given_a_program_that_was_replaced_when_asked_then_it_is_run_again(raspberry):
    packages.ensure(raspberry, ALL)
    packages.options(raspberry, "/usr/bin/vmauth")
    raspberry.write("/usr/bin/vmauth", "another version", mode=0o755)

    packages.options(raspberry, "/usr/bin/vmauth")

    assert commands(raspberry).count("/usr/bin/vmauth --help") == 2


def test_given_no_such_program_when_asked_then_that_is_said(raspberry):
    with pytest.raises(packages.PackageError, match="/usr/bin/vmauth could not be run"):
        packages.options(raspberry, "/usr/bin/vmauth")
