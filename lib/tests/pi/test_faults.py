import subprocess

import pytest

from edgelab import pi

LIST = ("/usr/bin/snap", "list")


def test_given_fault_on_second_call_when_run_then_only_that_one_fails(site):
    site.machine(0).faults.add(pi.Fault(("snap", "list"), pi.fail(7, "broken"), nth=2))

    codes = [site.run(0, *LIST).returncode for _ in range(3)]

    assert codes == [1, 7, 1]


def test_given_fault_by_path_when_other_program_runs_then_it_does_not(site):
    site.machine(0).faults.add(pi.Fault(("/usr/bin/snap",), pi.fail(9)))

    assert site.run(0, "/usr/bin/true").returncode == 0
    assert site.run(0, *LIST).returncode == 9


@pytest.mark.parametrize(("times", "hit"), [(1, 1), (2, 2), (0, 4)])
def test_given_times_when_called_four_times_then_so_many_fail(site, times, hit):
    site.machine(0).faults.add(pi.Fault(("true",), pi.fail(5), times=times))

    codes = [site.run(0, "/usr/bin/true").returncode for _ in range(4)]

    assert codes.count(5) == hit


def test_given_late_failure_when_run_then_the_work_is_done_all_the_same(site):
    site.machine(0).faults.add(pi.Fault(("snap", "install"), pi.fail_late(1, "lost the answer")))

    result = site.snap(0, "install", "microk8s", "--classic", "--channel=1.35")

    assert result.returncode == 1 and "lost the answer" in result.stderr
    assert "microk8s" in site.machine(0).snaps


def test_given_hang_when_run_then_it_times_out_and_does_nothing(site):
    site.machine(0).faults.add(pi.Fault(("snap",), pi.hang()))
    before = site.world.clock.now()

    with pytest.raises(subprocess.TimeoutExpired):
        site.snap(0, "install", "microk8s", "--classic", timeout_s=30)

    assert site.world.clock.now() == before + 30
    assert site.world.calls[-1].exit_code is None
    assert not site.machine(0).snaps


def test_given_slow_command_when_patience_suffices_then_it_works(site):
    site.machine(0).faults.add(pi.Fault(("true",), pi.slow(50)))

    assert site.run(0, "/usr/bin/true", timeout_s=60).returncode == 0
    assert site.world.calls[-1].seconds > 50


@pytest.mark.parametrize("installed", [False, True])
def test_given_power_cut_around_command_when_run_then_its_work_is_done_or_not(site, installed):
    effect = pi.cut_after() if installed else pi.cut_before()
    site.machine(0).faults.add(pi.Fault(("snap", "install"), effect))

    with pytest.raises(pi.PowerCut):
        site.snap(0, "install", "microk8s", "--classic", "--channel=1.35")

    assert not site.machine(0).powered
    assert ("microk8s" in site.machine(0).snaps) is installed


def test_given_power_cut_during_refresh_when_power_returns_then_snapd_goes_on(single):
    single.machine(0).faults.add(pi.Fault(("snap", "refresh"), pi.cut_during()))
    with pytest.raises(pi.PowerCut):
        single.snap(0, "refresh", "microk8s", "--channel=1.36/stable")

    single.machine(0).power_on()
    single.wait(200)

    assert single.machine(0).node is not None
    assert single.machine(0).powered


def test_given_brown_out_when_run_then_the_machine_has_rebooted(site):
    site.machine(0).faults.add(pi.Fault(("true",), pi.brown_out()))

    with pytest.raises(pi.PowerCut):
        site.run(0, "/usr/bin/true")

    assert site.machine(0).powered and site.machine(0).boots == 2


def test_given_sweep_index_when_that_command_comes_then_it_fails_whatever_it_is(site):
    site.world.fail_call(2, pi.fail(77))

    codes = [site.run(at, "/usr/bin/true").returncode for at in (0, 1, 2, 3)]

    assert codes == [0, 0, 77, 0]


def test_given_cleared_faults_when_run_then_nothing_happens(site):
    site.machine(0).faults.add(pi.Fault(("true",), pi.fail(5)))
    site.machine(0).faults.clear()

    assert site.run(0, "/usr/bin/true").returncode == 0
    assert list(site.machine(0).faults) == []


def test_given_killed_join_when_looked_at_then_the_lock_is_still_there(site):
    site.install(0, 1)

    with pytest.raises(subprocess.TimeoutExpired):
        site.microk8s(1, "join", site.mint(0), timeout_s=3)

    assert site.has_lock(1, "join-in-progress")
    assert "1" not in site.roles()
