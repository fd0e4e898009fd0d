"""The packages of one moment on a simulated machine, with power cut at every command."""

import dataclasses

import pytest

from edgecloud.agent import journal, packages, quiet, settings, tally
from edgecloud.rollout import audit, state
from edgelab import pi
from edgelab.pi import apt

State = state.State
STAMP = "20250201T000000Z"
OLD = {"base-tool": "1.0", "service": "1.0", "linux-image-raspi": "6.8.1"}
NEW = {"base-tool": "1.1", "service": "2.0", "linux-image-raspi": "6.8.2",
       "linux-image-6.8.2": "6.8.2"}  # fmt: skip
PART = "os/24.04.4"
ENDS = (State.DONE, State.ROLLED_BACK, State.FAILED_SAFE, State.QUARANTINED)


@pytest.fixture
def debian(single):
    """A machine of one system, and a newer moment of its archive."""
    return make(single)


def make(site, bad=""):
    for name, version in OLD.items():
        apt.publish(site.world, apt.HERE, name, version)
    for name, version in NEW.items():
        needs = "linux-image-6.8.2" if name == "linux-image-raspi" else ""
        apt.publish(site.world, STAMP, name, version, needs=needs, bad=name == bad)
    apt.have(site.machine(0), **{name.replace("-", "_"): v for name, v in OLD.items()})
    site.host(0).write("/etc/apt/apt.conf.d/01base", "")
    return site


def os_plan(site, **changes):
    target = {"kind": "apt-snapshot", "version": "24.04.4", "snapshot-stamp": STAMP}
    return site.plan(targets={"os": target}, **changes)


def carry_on(site):
    """Play coordinator and power until the machine rests or soaks; return the node."""
    for _ in range(24):
        try:
            found = site.wake(0).node
        except pi.PowerCut:
            power_on(site)
            continue
        if found.state in (State.IDLE, State.WAITING):
            verb = "grant" if found.state is State.WAITING else "prepare"
            site.order(0, verb, os_plan(site), part=PART)
        elif found.state in ENDS:
            return found
        site.wait(60)
    raise AssertionError(f"never rests: {site.node(0)}")


def power_on(site):
    site.machine(0).power_on()
    site.wait(90)
    site.synchronise(0)


def let_reboots_end_the_agent(site):
    site.machine(0).faults.add(pi.Fault(("reboot",), pi.cut_after(), times=0))


def test_given_a_moment_of_the_archive_when_granted_then_it_runs_after_one_reboot(debian):
    let_reboots_end_the_agent(debian)

    ended = carry_on(debian)

    assert ended.state is State.DONE, ended
    assert apt.versions(debian.machine(0)) == NEW
    assert len([c for c in debian.world.calls if c.argv[0].endswith("/reboot")]) == 1
    assert not debian.kube(0).cordoned


@pytest.mark.parametrize(
    ("url", "is_far"), [("http://10.0.0.5/{stamp}", True), ("copy:/m", False)]
)
def test_given_packages_when_staged_then_they_count_unless_the_mirror_is_a_folder(
    debian, url, is_far
):
    place = settings.read(debian.host(0))
    settings.write(debian.host(0), dataclasses.replace(place, apt={"url": url}))
    debian.order(0, "prepare", os_plan(debian, rollback={"kind": "none"}), part=PART)

    assert debian.wake(0).node.state is State.WAITING

    found = debian.host(0).glob(f"{packages.FOLDER}/new/archives/*.deb")
    size = sum(debian.host(0).path(path).stat().st_size for path in found)
    assert tally.fetches(tally.read(debian.host(0))) == ({"packages": size} if is_far else {})


def test_given_no_uplink_after_staging_when_a_package_fails_then_the_former_ones_are_back(single):
    site = make(single, bad="service")
    let_reboots_end_the_agent(site)
    site.order(0, "prepare", os_plan(site), part=PART)
    site.wake(0)
    site.machine(0).uplink = False

    ended = carry_on(site)

    assert ended.state is State.ROLLED_BACK, ended
    assert apt.versions(site.machine(0)) == OLD


def test_given_a_live_plan_when_it_ends_then_apt_and_kernels_are_free_again(debian):
    let_reboots_end_the_agent(debian)
    debian.order(0, "prepare", os_plan(debian), part=PART)
    debian.wake(0)
    assert debian.host(0).exists(quiet.SWITCH)
    debian.order(0, "grant", os_plan(debian), part=PART)
    with pytest.raises(pi.PowerCut):
        debian.wake(0)
    power_on(debian)
    assert debian.wake(0).node.state is State.SOAKING
    assert packages.held(debian.host(0)) == ["linux-image-raspi", "linux-image-6.8.2"]

    carry_on(debian)

    assert not debian.host(0).exists(quiet.SWITCH)
    assert packages.held(debian.host(0)) == []


def test_given_a_kernel_that_somebody_holds_when_the_plan_ends_then_it_is_still_held(debian):
    debian.run(0, packages.MARK, "hold", "linux-image-raspi")
    let_reboots_end_the_agent(debian)

    assert carry_on(debian).state is State.DONE

    assert packages.held(debian.host(0)) == ["linux-image-raspi"]


def test_given_a_rate_when_staged_then_apt_is_told(debian):
    limited = os_plan(debian, floors={"download-rate-kib": 300})

    debian.order(0, "prepare", limited, part=PART)
    debian.wake(0)

    assert any("Acquire::https::Dl-Limit=300" in call.argv for call in debian.world.calls)


CHANGING = ("apt-get", "dpkg", "apt-mark", "reboot")


def commands(site):
    """Return every command that changes something, with how often it came before."""
    found, counts = [], {}
    for call in site.world.calls:
        name = call.argv[0].rpartition("/")[2]
        if name in CHANGING and "--compare-versions" not in call.argv:
            words = (name, call.argv[1]) if name == "dpkg" else (name,)
            counts[words] = counts.get(words, 0) + 1
            found.append((words, counts[words]))
    return found


@pytest.mark.parametrize(
    ("moment", "bad"),
    [("before", ""), ("during", ""), ("during", "service"), ("after", "service")],
    ids=["before-good", "during-good", "during-bad", "after-bad"],
)
def test_given_a_power_cut_at_every_command_when_power_returns_then_it_always_ends_well(
    made, tmp_path, bad, moment
):
    site = make(made.copy(tmp_path / "count", 1), bad)
    let_reboots_end_the_agent(site)
    site.world.calls.clear()
    carry_on(site)
    effect = {"before": pi.cut_before(), "during": pi.cut_during(), "after": pi.cut_after()}

    for number, (words, nth) in enumerate(commands(site)):
        site = make(made.copy(tmp_path / f"{number}", 1), bad)
        site.machine(0).faults.add(pi.Fault(words, effect[moment], nth=nth))
        let_reboots_end_the_agent(site)
        ended = carry_on(site)
        assert ended.state is (State.ROLLED_BACK if bad else State.DONE), (words, nth, ended)
        assert apt.versions(site.machine(0)) == (OLD if bad else NEW), (words, nth)
        assert packages.held(site.host(0)) == []
        assert audit.first_bad(journal.chain(site.host(0))) is None
    assert number >= 8


def test_given_a_mirror_when_prepared_then_apt_is_sent_there_and_nowhere_else(debian):
    known = settings.read(debian.host(0))
    place = {"url": "copy:/media/{stamp}", "suites": "./", "components": ""}
    settings.write(debian.host(0), dataclasses.replace(known, apt=place))

    debian.order(0, "prepare", os_plan(debian), part=PART)
    debian.wake(0)

    assert debian.node(0).state is State.WAITING
    written = debian.host(0).read(f"{packages.FOLDER}/new/sources.list")
    assert written == f"deb [signed-by={packages.KEYRING}] copy:/media/{STAMP} ./\n"
