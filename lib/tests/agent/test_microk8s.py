"""One node goes up by one minor, or comes back, on simulated machines."""

import dataclasses

import pytest

from edgecloud.agent import exchange, journal, kube, paths, rejoin, settings
from edgecloud.agent.context import EffectError
from edgecloud.agent.gauges import writing
from edgecloud.host import rejoin_offer
from edgecloud.rollout import audit, messages, state
from edgelab import pi

State = state.State
HAPPY = [
    "preflight", "staging", "waiting", "granted", "cordoning", "draining", "backing-up",
    "applying", "validating", "uncordoning", "soaking",
]  # fmt: skip


@pytest.mark.parametrize("at", [0, 1])
def test_given_a_granted_node_when_woken_then_it_goes_up_state_by_state_and_soaks(pair, at):
    pair.upgrade(at)

    assert pair.states(at) == HAPPY
    assert pair.running(at) == pair.revision("1.36")
    assert pair.kube(at).kubelet_version == "v1.36.2"


def test_given_an_upgraded_node_when_it_soaks_then_no_mark_of_ours_is_left(trio):
    trio.upgrade(1)

    assert not trio.kube(1).cordoned
    assert kube.OWNER not in trio.kube(1).annotations
    assert exchange.read_outbox(trio.host(1)).status is messages.Status.SOAKING


def test_given_a_soaking_node_when_it_was_seen_alive_for_long_enough_then_it_is_done(pair):
    pair.upgrade(1)

    pair.wake_for(1, 180)

    assert pair.node(1).state is State.DONE


def test_given_a_soaking_node_when_its_clock_jumps_then_the_soak_does_not_end(pair):
    pair.upgrade(1, pair.plan(canary={"name": "canary", "size": "1", "soak": "1h"}))

    pair.wake_for(1, 150_000, every=150_000)

    assert pair.node(1).state is State.SOAKING


def test_given_an_upgrade_that_took_long_when_the_soak_begins_then_only_what_follows_counts(pair):
    pair.machine(1).faults.add(pi.Fault(("snap", "install"), pi.slow(200)))

    pair.upgrade(1)

    assert pair.node(1).state is State.SOAKING
    assert pair.node(1).alive_s == 0


def test_given_a_soaking_node_when_it_reboots_then_the_soak_begins_anew(pair):
    pair.upgrade(1)
    pair.wake_for(1, 120)

    pair.cut_power(1)
    pair.wake_for(1, 120)

    assert pair.node(1).state is State.SOAKING
    pair.wake_for(1, 120)
    assert pair.node(1).state is State.DONE


def test_given_a_finished_upgrade_when_the_chain_is_read_then_every_link_holds(pair):
    pair.upgrade(1)
    pair.wake_for(1, 240)

    links = journal.chain(pair.host(1))

    assert audit.first_bad(links) is None
    assert exchange.read_outbox(pair.host(1)).head == links[-1].hash


def test_given_an_upgraded_voter_when_its_backup_is_restored_then_a_lost_key_is_back(single):
    words = ("/snap/microk8s/current/kubectl", "create", "namespace", "precious")
    single.run(0, *words)
    single.upgrade(0)
    single.run(0, "/snap/microk8s/current/kubectl", "delete", "namespace", "precious")
    (archive,) = single.host(0).glob(f"{paths.BACKUPS}/*.tar.gz")
    mode = single.host(0).path(archive).stat().st_mode

    single.run(0, "/snap/bin/microk8s", "dbctl", "restore", archive)

    assert mode & 0o077 == 0  # All secrets of the cluster are in it.
    assert single.run(0, *words[:1], "get", "namespace", "precious").returncode == 0


@pytest.mark.parametrize("how", ["empty", "torn"])
def test_given_a_backup_that_cannot_be_read_when_granted_then_nothing_is_applied(
    single, monkeypatch, how
):
    run = pi.PiHost.run

    def spoil(self, command, **options):
        done = run(self, command, **options)
        if command[1:2] == ("dbctl",):
            file = self.path(command[-1])
            file.write_bytes(b"" if how == "empty" else file.read_bytes()[:-200])
        return done

    monkeypatch.setattr(pi.PiHost, "run", spoil)

    single.upgrade(0)

    assert single.node(0).state is State.FAILED_SAFE
    assert not single.kube(0).cordoned
    assert not single.host(0).glob(f"{paths.BACKUPS}/*.tar.gz")


def test_given_the_same_grant_again_when_woken_then_nothing_more_is_done(pair):
    pair.upgrade(1)
    calls = len([c for c in pair.world.calls if "install" in c.argv])

    pair.wake(1)

    assert len([c for c in pair.world.calls if "install" in c.argv]) == calls


@pytest.mark.parametrize("how", ["fails", "sick", "crash:30"])
def test_given_a_bad_build_on_a_worker_when_it_is_applied_then_it_is_reverted(pair, how):
    pair.spoil(1, how)

    pair.upgrade(1)

    assert pair.node(1).state is State.ROLLED_BACK
    assert pair.running(1) == pair.revision("1.35")
    assert pair.node(1).burnt == (f"microk8s:{pair.revision('1.36')}",)
    assert not pair.kube(1).cordoned


@pytest.mark.parametrize("how", ["fails", "sick", "crash:30"])
def test_given_a_bad_build_on_a_voter_when_it_is_applied_then_it_joins_anew(trio, how):
    trio.spoil(1, how)

    trio.upgrade(1)
    trio.wait(120)

    assert trio.node(1).state is State.ROLLED_BACK
    assert trio.running(1) == trio.revision("1.35")
    assert not any(call.argv[1:2] == ("revert",) for call in trio.world.calls)
    assert [m.machine for m in trio.cluster(0).members if m.role == "voter"].count("1") == 1
    # It is held as every snap here, by whatever way it came.
    assert trio.machine(1).snaps["microk8s"].held_until > trio.world.clock.now()


def go_back(trio, *, joins=True):
    """Let a voter go back, or try to; return the tokens of its offers."""
    tokens = [url.split("/")[1] for url in rejoin_offer.read(trio.host(1)).urls]
    trio.spoil(1, "sick")
    if not joins:
        refused = pi.fail(1, f"error: {tokens[0]} is not good here")
        trio.machine(1).faults.add(pi.Fault(("snap", "run", "--shell"), refused, times=0))
    trio.upgrade(1)
    writing.write(trio.host(1))
    return tokens


def leaks(trio, tokens):
    """Return the places at which others could read a token."""
    shown = (paths.JOURNAL, paths.OUTBOX, paths.INBOX, writing.TEXTFILE, paths.GAUGES)
    texts = {path: trio.host(1).read(path) for path in shown if trio.host(1).exists(path)}
    texts["arguments"] = "\n".join(" ".join(call.argv) for call in trio.world.calls)
    return {place for place, text in texts.items() if any(token in text for token in tokens)}


@pytest.mark.parametrize("joins", [True, False], ids=["joins", "cannot join"])
def test_given_a_voter_that_went_back_when_all_that_it_wrote_is_searched_then_no_token_is_there(
    trio, joins
):
    tokens = go_back(trio, joins=joins)

    assert tokens
    assert trio.node(1).state is (State.ROLLED_BACK if joins else State.QUARANTINED)
    assert leaks(trio, tokens) == set()
    for path in (paths.REJOIN, paths.RETREAT):
        if trio.host(1).exists(path):
            assert trio.host(1).path(path).stat().st_mode & 0o077 == 0


def _by_argument(context, own):
    (url, *_) = rejoin_offer.read(context.machine).urls
    context.machine.run((rejoin.MICROK8S, "join", url), timeout_s=600)


def _without_its_dots(context, own):
    (url, *_) = rejoin_offer.read(context.machine).urls
    raise EffectError(f"microk8s join {url}: refused")


@pytest.mark.parametrize(
    ("join", "places"),
    [
        (_by_argument, {"arguments"}),
        (_without_its_dots, {paths.JOURNAL}),
    ],
    ids=["in an argument", "in a reason"],
)
def test_given_a_seeded_bug_that_tells_a_token_when_all_is_searched_then_it_is_found(
    trio, monkeypatch, join, places
):
    """I28's seeded bugs: the core, which the others are sown in, handles no secret."""
    way = tuple((name, join if name == "join" else walk) for name, walk in rejoin._WAY)
    monkeypatch.setattr(rejoin, "_WAY", way)

    tokens = go_back(trio)

    assert places <= leaks(trio, tokens)


def test_given_a_bad_build_on_a_lone_voter_when_it_is_applied_then_it_is_reverted(single):
    single.spoil(0, "sick")

    single.upgrade(0)

    assert single.node(0).state is State.ROLLED_BACK
    assert any(call.argv[1:2] == ("revert",) for call in single.world.calls)


FAULTS = {
    "will not start": "crash:0",
    "bad configuration": "fails",
    "port taken": "crash:1",
    "crashes after 30 s": "crash:30",
    "hangs": "silent",
}


@pytest.mark.parametrize("how", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("at", [1, 2])
def test_given_a_fault_after_the_upgrade_when_validated_then_the_old_build_runs(trio, at, how):
    trio.spoil(at, how)
    began = trio.world.clock.now()

    trio.upgrade(at)

    assert trio.node(at).state is State.ROLLED_BACK
    assert trio.running(at) == trio.revision("1.35")
    assert trio.world.clock.now() - began < 1800


@pytest.mark.parametrize("at", [0, 1])
def test_given_a_disk_that_the_new_build_fills_when_validated_then_the_old_one_runs(pair, at):
    def fill(name):
        if name == "after apply in applying":
            pair.machine(at).fill_disk()
        if name == "after writing rollback-validating":
            pair.machine(at).free_disk()

    pair.upgrade(at, boundary=fill)

    assert pair.node(at).state is State.ROLLED_BACK
    assert pair.running(at) == pair.revision("1.35")


def test_given_a_burnt_build_when_it_is_ordered_again_then_it_is_not_tried(pair):
    pair.spoil(1, "sick")
    pair.upgrade(1)
    pair.world.bad_revisions.clear()

    pair.upgrade(1, pair.plan(id="p2"))

    assert pair.node(1).state is State.FAILED_SAFE
    assert pair.running(1) == pair.revision("1.35")


def test_given_a_burnt_build_when_an_operator_gives_a_token_then_it_is_tried_once_more(pair):
    pair.spoil(1, "sick")
    pair.upgrade(1)
    pair.world.bad_revisions.clear()

    pair.order(1, "prepare", token=1)
    pair.wake(1)
    pair.order(1, "grant", token=1)
    pair.wake(1)

    assert pair.node(1).state is State.SOAKING


def test_given_a_voter_without_an_offer_to_join_when_prepared_then_it_is_not_touched(trio):
    trio.host(1).remove(paths.REJOIN)

    trio.upgrade(1)

    assert trio.node(1).state is State.FAILED_SAFE
    assert "offer" in trio.node(1).reason


def test_given_a_plan_that_wants_a_restore_when_prepared_then_it_is_refused_with_the_reason(pair):
    pair.upgrade(1, pair.plan(rollback={"kind": "restore"}))

    assert pair.node(1).state is State.FAILED_SAFE
    assert "no node restores itself; say auto" in pair.node(1).reason
    assert pair.node(1).burnt == ()


def test_given_a_cordon_of_somebody_else_when_upgraded_then_it_outlives_us(pair):
    pair.run(0, "/snap/microk8s/current/kubectl", "cordon", "pi-1")

    pair.upgrade(1)

    assert pair.node(1).state is State.SOAKING
    assert pair.kube(1).cordoned


def test_given_a_veto_when_granted_then_nothing_begins(pair):
    pair.host(1).write(paths.VETO, "exam week\n")

    pair.upgrade(1)

    assert pair.node(1).state is State.WAITING
    assert exchange.read_outbox(pair.host(1)).vetoed
    assert not pair.kube(1).cordoned


def test_given_no_uplink_after_staging_when_granted_then_it_goes_up_all_the_same(trio):
    trio.order(1, "prepare")
    trio.wake(1)
    trio.machine(1).uplink = False

    trio.order(1, "grant")
    trio.wake(1)

    assert trio.node(1).state is State.SOAKING


def test_given_no_uplink_after_staging_when_the_build_is_bad_then_it_comes_back(trio):
    trio.spoil(1, "sick")
    trio.order(1, "prepare")
    trio.wake(1)
    trio.machine(1).uplink = False

    trio.order(1, "grant")
    trio.wake(1)

    assert trio.node(1).state is State.ROLLED_BACK


def test_given_a_build_that_the_plan_does_not_pin_when_staged_then_it_burns(pair):
    release = {"revision": {"arm64": pair.revision("1.36")}, "sha3-384": {"arm64": "0" * 96}}
    targets = {"kubernetes": {"to": "1.36", "releases": {"1.36": release}}}

    pair.upgrade(1, pair.plan(targets=targets))

    assert pair.node(1).state is State.FAILED_SAFE
    assert pair.node(1).burnt


@pytest.mark.parametrize("which", ["1.36", "1.35"], ids=["new build", "way back"])
def test_given_a_build_that_was_damaged_on_the_disk_when_needed_then_it_is_not_installed(
    trio, which
):
    trio.order(1, "prepare")
    trio.wake(1)
    (file,) = trio.host(1).glob(f"{paths.STAGING}/microk8s/*_{trio.revision(which)}.snap")
    path = trio.host(1).path(file)
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    if which == "1.35":
        trio.spoil(1, "sick")

    trio.order(1, "grant")
    trio.wake(1)

    installed = [
        c.argv[-1] for c in trio.world.calls if c.argv[:2] == ("/usr/bin/snap", "install")
    ]
    assert file not in installed
    assert "was damaged since it was fetched" in str(journal.history(trio.host(1)))
    ended = State.ROLLED_BACK if which == "1.36" else State.QUARANTINED
    assert trio.finish(1).state is ended
    # Without a build to go back to it does not even leave.
    assert trio.running(1) == trio.revision("1.35" if which == "1.36" else "1.36")
    assert {member.machine for member in trio.cluster(0).members} == {"0", "1", "2"}


def test_given_images_in_the_plan_when_staged_then_they_are_pulled_before_the_grant(pair):
    image = "registry.example/pause@sha256:" + "1" * 64
    release = {"revision": {"arm64": pair.revision("1.36")}}
    wanted = {"kubernetes": {"to": "1.36", "releases": {"1.36": release}}, "images": [image]}

    pair.order(1, "prepare", pair.plan(targets=wanted))
    pair.wake(1)

    assert pair.node(1).state is State.WAITING
    assert any(call.argv[-2:] == ("pull", image) for call in pair.world.calls)


def test_given_a_low_voltage_when_prepared_then_nothing_is_written(pair):
    pair.host(1).write("/run/throttled", "0x50001")

    pair.upgrade(1)

    assert pair.node(1).state is State.PREFLIGHT
    assert pair.node(1).reason == "the supply voltage is too low"
    assert not pair.host(1).glob(f"{paths.STAGING}/*/*.snap")


def test_given_too_little_space_when_prepared_then_it_fails_before_anything_is_written(pair):
    FLOORS["free-mib"](pair)

    pair.upgrade(1)

    assert pair.node(1).state is State.FAILED_SAFE
    assert not pair.host(1).glob(f"{paths.STAGING}/*/*.snap")


PASSING = {
    "heat": ("/sys/class/thermal/thermal_zone0/temp", "91000", "45000"),
    "voltage": ("/run/throttled", "0x50001", "0x50000"),
    "charge": ("/sys/class/power_supply/ups/capacity", "20", "80"),
    "mains": ("/sys/class/power_supply/mains/online", "0", "1"),
}


@pytest.mark.parametrize("floor", PASSING)
def test_given_a_floor_that_comes_back_when_woken_again_then_the_node_goes_on_alone(pair, floor):
    path, low, well = PASSING[floor]
    accepted = pair.plan(floors={"battery-min": 50, "mains": True})
    pair.host(1).write("/sys/class/power_supply/mains/type", "Mains\n")
    pair.host(1).write(path, f"{low}\n")
    pair.order(1, "prepare", accepted)
    waits = [pair.wake(1).node.reason for _ in range(3)]

    pair.host(1).write(path, f"{well}\n")
    found = pair.wake(1).node

    assert waits[0]
    assert waits == waits[:1] * 3
    assert (found.state, found.reason) == (State.WAITING, "")


def test_given_a_floor_that_does_not_hold_when_woken_for_hours_then_the_disk_is_left_alone(pair):
    pair.host(1).write("/run/throttled", "0x50001")
    pair.order(1, "prepare")
    pair.wake(1)
    before = pair.host(1).read(paths.JOURNAL)

    pair.wake_for(1, 3 * 3600, every=600)

    assert pair.host(1).read(paths.JOURNAL) == before


def test_given_a_floor_that_does_not_hold_when_the_plan_is_over_then_the_node_is_free(pair):
    pair.host(1).write("/run/throttled", "0x50001")
    pair.order(1, "prepare")
    pair.wake(1)

    pair.order(1, "forget")

    assert pair.wake(1).node.state is State.IDLE


@pytest.mark.parametrize(
    ("metered", "ends"), [("forbid", State.PREFLIGHT), ("allow", State.WAITING)]
)
def test_given_a_metered_link_when_prepared_then_the_plan_decides(pair, metered, ends):
    pair.host(1).write(paths.METERED, "")

    pair.order(1, "prepare", pair.plan(floors={"metered": metered}))
    pair.wake(1)

    assert pair.node(1).state is ends
    assert bool(pair.host(1).glob(f"{paths.STAGING}/*/*.snap")) is (ends is State.WAITING)


def test_given_a_machine_said_to_be_metered_when_prepared_then_nothing_is_fetched(pair):
    known = settings.read(pair.host(1))
    settings.write(pair.host(1), dataclasses.replace(known, metered=True))

    pair.order(1, "prepare", pair.plan())
    pair.wake(1)

    assert pair.node(1).state is State.PREFLIGHT
    assert pair.node(1).reason == "the link is metered"


def test_given_a_link_that_became_metered_when_granted_then_what_is_staged_is_installed(pair):
    pair.order(1, "prepare")
    pair.wake(1)
    pair.host(1).write(paths.METERED, "")

    pair.order(1, "grant")
    pair.wake(1)

    assert pair.node(1).state is State.SOAKING


FLOORS = {
    "free-mib": lambda site: site.machine(1).__setattr__("disk_used", 63_500_000_000),
    "temp-max": lambda site: site.host(1).write(
        "/sys/class/thermal/thermal_zone0/temp", "91000\n"
    ),
    "battery-min": lambda site: site.host(1).write("/sys/class/power_supply/ups/capacity", "20\n"),
    "no-undervoltage": lambda site: site.host(1).write("/run/throttled", "0x50001"),
    "mains": lambda site: site.host(1).write(paths.ON_BATTERY, ""),
}


@pytest.mark.parametrize("floor", FLOORS)
def test_given_a_floor_that_breaks_after_staging_when_granted_then_nothing_is_disturbed(
    pair, floor
):
    accepted = pair.plan(floors={"battery-min": 50, "mains": True})
    pair.order(1, "prepare", accepted)
    pair.wake(1)
    FLOORS[floor](pair)

    pair.order(1, "grant", accepted)
    pair.wake(1)

    assert pair.node(1).state is State.WAITING
    assert pair.node(1).reason.startswith("refused: ")
    assert not pair.kube(1).cordoned


def test_given_a_battery_when_the_plan_allows_it_then_it_goes_on(pair):
    pair.host(1).write(paths.ON_BATTERY, "")

    pair.upgrade(1)

    assert pair.node(1).state is State.SOAKING


def test_given_a_window_that_closed_since_the_grant_when_woken_then_nothing_begins(pair):
    # The clock of the lab stands at the begin of 2026, a Thursday.
    late = [{"days": ["thu"], "start": "00:00", "length": "2h", "tz": "UTC"}]
    accepted = pair.plan(windows=late)
    pair.order(1, "prepare", accepted)
    pair.wake(1)
    pair.order(1, "grant", accepted)

    pair.wait(110 * 60)
    pair.wake(1)

    assert pair.node(1).state is State.WAITING
    assert "window" in pair.node(1).reason
    assert not pair.kube(1).cordoned


def test_given_a_soaking_worker_when_it_falls_ill_then_it_goes_back_alone(pair):
    pair.upgrade(1)
    pair.machine(1).node.sick = "crash:0"
    pair.wait(5)

    pair.wake(1)

    assert pair.node(1).state is State.ROLLED_BACK


def test_given_a_soaking_voter_when_it_falls_ill_then_it_waits_for_leave_to_go(trio):
    trio.upgrade(1)
    trio.machine(1).node.sick = "crash:0"
    trio.wait(5)
    trio.wake(1)
    assert trio.node(1).state is State.REGRESSED

    trio.order(1, "roll-back")
    trio.wake(1)

    assert trio.node(1).state is State.ROLLED_BACK


def test_given_a_rollback_that_fails_when_woken_then_a_taint_stands_for_our_cordon(pair):
    pair.spoil(1, "sick")
    pair.machine(1).faults.add(_fail_revert())

    pair.upgrade(1)
    pair.finish(1)

    assert pair.node(1).state is State.QUARANTINED
    assert not pair.kube(1).cordoned
    assert kube.TAINT in {taint["key"] for taint in pair.kube(1).taints}


def _fail_revert():
    return pi.Fault(("snap", "revert"), pi.fail(1, "error: no revert today"), times=0)
