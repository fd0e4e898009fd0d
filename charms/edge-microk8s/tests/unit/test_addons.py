import dataclasses

import hypothesis
import pytest
from hypothesis import strategies

import addon_catalogue
import addon_state
import addons
import microk8s
from addon_state import Failure, State, Wish
from addons import Availability, Change, Offer
from edgelab import pi

TRACK = (1, 35)
LAUNCH = "version: 0.2.0\naddons:\n  - name: dns\n"

OFFERS = (
    Offer("dns", "core", True),
    Offer("hostpath-storage", "core", False),
    Offer("ingress", "core", False),
    Offer("metallb", "core", False),
    Offer("registry", "core", False),
)
NAMES = strategies.sampled_from([offer.name for offer in OFFERS])
WISHES = strategies.lists(
    strategies.builds(Wish, NAMES, strategies.sampled_from(["", "a", "b"])),
    unique_by=lambda wish: wish.name,
)


@pytest.fixture
def machine(tmp_path):
    world = pi.World(tmp_path, pi.Clock(1_800_000_000))
    found = world.add_machine("0")
    microk8s.install(found.host(), channel="1.35/stable", launch=LAUNCH)
    for _ in range(12):
        world.clock.advance(15)
        world.tick()
    return found


def verdicts(*wishes, offers=OFFERS, arch="arm64", track=TRACK):
    return [addons.judge(wish, offers, arch=arch, track=track) for wish in wishes]


def enabled(offers, *names):
    return tuple(dataclasses.replace(offer, enabled=offer.name in names) for offer in offers)


def settle(host, text, track=TRACK):
    wishes = addons.parse(text)
    changes = 0
    while addon_state.needs_look(addon_state.load(host), wishes, host.now()):
        changes += addons.ensure_next(host, wishes, arch="arm64", track=track)
        host.machine.world.clock.advance(15)
        assert changes < 20
    return changes


def enabled_on(machine):
    return {offer.name for offer in addons.offered(machine.host()) if offer.enabled}


# --- what is wished ----------------------------------------------------------------------------


def test_given_names_and_arguments_when_parsed_then_both_are_kept():
    assert addons.parse("dns metallb:10.0.0.10-10.0.0.20") == (
        Wish("dns"),
        Wish("metallb", "10.0.0.10-10.0.0.20"),
    )


def test_given_a_capability_when_parsed_then_the_addon_that_has_it_is_wished():
    assert addons.parse("storage metrics") == (Wish("hostpath-storage"), Wish("metrics-server"))


def test_given_several_problems_when_parsed_then_all_are_named():
    text = "Dns metallb:10.0.0.9-10.0.0.1,x ha-cluster dns:1.2.3 storage hostpath-storage"

    with pytest.raises(addons.AddonsError) as caught:
        addons.parse(text)

    for part in ("Dns is no", "ends before", "metallb: x", "ha-cluster cannot", "1.2.3", "twice"):
        assert part in str(caught.value)


def test_given_rbac_when_wanted_then_its_own_option_decides():
    assert addons.wanted("dns", rbac=True) == (Wish("dns"), Wish("rbac"))
    assert addons.wanted("dns", rbac=False) == (Wish("dns"),)
    with pytest.raises(addons.AddonsError, match="option of its own"):
        addons.wanted("rbac", rbac=True)


def test_given_metallb_without_addresses_when_parsed_then_it_says_how_to_give_them():
    with pytest.raises(addons.AddonsError, match=r"metallb:10\.0\.0\.10-10\.0\.0\.20"):
        addons.parse("metallb")


@pytest.mark.parametrize(
    "text",
    ["metallb:fd00::10-fd00::20", "metallb:10.0.0.0/28", "dns:1.1.1.1,fd00::1", "community/nfs"],
)
def test_given_addresses_of_either_family_when_parsed_then_they_are_taken(text):
    assert len(addons.parse(text)) == 1


@hypothesis.given(strategies.text(alphabet="abz0-:/, .", max_size=40))
def test_given_any_text_when_parsed_then_names_are_unique_or_it_is_refused(text):
    try:
        names = [wish.name for wish in addons.parse(text)]
    except addons.AddonsError:
        return

    assert len(names) == len(set(names))


# --- what is offered ---------------------------------------------------------------------------


def test_given_a_description_that_is_no_yaml_when_read_then_the_addons_are_still_known():
    text = (
        "microk8s:\n  running: True\naddons:\n  - name: odd\n    repository: mine\n"
        "    description: hosts: many: colons\n    version: \n    status: enabled\n"
    )

    assert addons.read_status(text) == (Offer("odd", "mine", True),)


@pytest.mark.parametrize(
    "text",
    ["microk8s is not running, try microk8s start\n", "microk8s:\n  running: False\n", ""],
)
def test_given_no_list_when_read_then_nothing_is_known(text):
    assert addons.read_status(text) is None


@pytest.mark.parametrize(
    ("name", "arch", "track", "availability"),
    [
        ("dns", "arm64", (1, 35), Availability.AVAILABLE),
        ("ingress", "arm64", (1, 35), Availability.NEEDS_INTERNET),
        ("ingress", "arm64", (1, 34), Availability.AVAILABLE),
        ("dashboard", "arm64", (1, 36), Availability.REMOVED),
        ("istio", "arm64", (1, 35), Availability.AMD64_ONLY),
        ("istio", "amd64", (1, 35), Availability.NEEDS_COMMUNITY),
        ("dashboard", "arm64", (1, 35), Availability.UNKNOWN),
        ("fluxcd", "arm64", (1, 35), Availability.UNKNOWN),
    ],
)
def test_given_a_wish_when_judged_then_what_stands_in_its_way_is_named(
    name, arch, track, availability
):
    verdict = addons.judge(Wish(name), OFFERS, arch=arch, track=track)

    assert verdict.availability is availability
    assert bool(verdict.note) == (availability is not Availability.AVAILABLE)


def test_given_a_heavy_addon_when_judged_for_a_pi_then_the_note_says_why():
    (verdict,) = verdicts(Wish("registry"))

    assert verdict.is_possible
    assert "20 GiB" in verdict.note


@pytest.mark.parametrize("version", ["v1.35.2", "1.35/stable", "1.35", "1.35-strict/edge"])
def test_given_a_version_or_channel_when_asked_for_its_track_then_it_is_found(version):
    assert addon_catalogue.track_of(version) == TRACK


# --- what to change ----------------------------------------------------------------------------


def test_given_several_wishes_when_chosen_then_what_others_build_on_comes_first():
    wishes = verdicts(Wish("ingress"), Wish("hostpath-storage"))

    change = addons.next_change(wishes, OFFERS, State(), 0)

    assert change == Change(Wish("hostpath-storage"), enable=True)


def test_given_ours_is_no_longer_wished_when_chosen_then_it_is_disabled():
    offers = enabled(OFFERS, "metallb")

    change = addons.next_change([], offers, State(enabled=(Wish("metallb", "x"),)), 0)

    assert change is not None
    assert change.command == ("/snap/bin/microk8s", "disable", "metallb")


def test_given_somebody_elses_is_not_wished_when_chosen_then_it_stays():
    assert addons.next_change([], enabled(OFFERS, "metallb"), State(), 0) is None


def test_given_new_arguments_when_chosen_then_it_is_disabled_first():
    state = State(enabled=(Wish("metallb", "a"),))

    change = addons.next_change(
        verdicts(Wish("metallb", "b")), enabled(OFFERS, "metallb"), state, 0
    )

    assert change == Change(Wish("metallb", "a"), enable=False)


def test_given_new_arguments_for_an_addon_with_data_when_chosen_then_the_data_stays():
    state, wishes = State(enabled=(Wish("registry", "a"),)), verdicts(Wish("registry", "b"))
    offers = enabled(OFFERS, "registry")

    assert addons.next_change(wishes, offers, state, 0) is None
    assert "would delete its data" in addons.notes(wishes, offers, state)[0]


def test_given_a_failure_when_its_wait_is_not_over_then_another_wish_has_its_turn():
    state = State(failures=(Failure("hostpath-storage", 1, 60, "no"),))
    wishes = verdicts(Wish("hostpath-storage"), Wish("metallb", "a"))

    assert addons.next_change(wishes, OFFERS, state, 59).wish.name == "metallb"
    assert addons.next_change(wishes, OFFERS, state, 60).wish.name == "hostpath-storage"


def test_given_an_ipv6_range_when_enabled_then_it_is_a_word_of_its_own():
    change = Change(Wish("metallb", "fd00::1-fd00::9"), enable=True)

    assert change.command[2:] == ("metallb", "fd00::1-fd00::9")


@hypothesis.given(WISHES, WISHES, strategies.sets(NAMES))
def test_given_any_state_when_changes_are_made_then_it_settles_and_spares_what_is_not_ours(
    wishes, ours, theirs
):
    wanted, state = verdicts(*wishes), State(enabled=tuple(ours))
    foreign = theirs - {wish.name for wish in ours}
    present = {wish.name for wish in ours} | theirs
    for _ in range(2 * len(OFFERS) + 1):
        change = addons.next_change(wanted, enabled(OFFERS, *present), state, 0)
        if change is None:
            break
        assert change.wish.name not in foreign
        present ^= {change.wish.name}
        state = addon_state.succeeded(state, change.wish, enabled=change.enable)

    assert present == foreign | {wish.name for wish in wishes}


# --- what is remembered ------------------------------------------------------------------------


def test_given_failures_in_a_row_when_remembered_then_each_waits_twice_as_long_up_to_a_limit():
    state, waits = State(), []
    for _ in range(10):
        state = addon_state.failed(state, "dns", "no", 1000)
        waits.append(state.failures[0].not_before - 1000)

    assert waits[:3] == [60, 120, 240]
    assert waits[-1] == addon_state.RETRY_LIMIT_S


def test_given_a_settled_state_when_asked_again_then_there_is_no_need_to_look_for_an_hour():
    wishes = [Wish("dns")]
    state = addon_state.settled(State(), wishes, 1000)

    assert not addon_state.needs_look(state, wishes, 1000 + 3599)
    assert addon_state.needs_look(state, wishes, 1000 + 3600)
    assert addon_state.needs_look(state, [], 1001)


def test_given_a_clock_that_went_back_when_asked_then_it_looks():
    state = addon_state.settled(State(), [], 1_000_000)

    assert addon_state.needs_look(state, [], 10)


def test_given_a_failure_when_settled_then_the_next_look_is_at_its_retry():
    state = addon_state.failed(State(), "dns", "no", 1000)

    assert addon_state.settled(state, [Wish("dns")], 1000).look_at == 1060


@hypothesis.given(
    strategies.builds(
        State,
        enabled=WISHES.map(tuple),
        failures=strategies.lists(
            strategies.builds(Failure, NAMES, strategies.just(1), strategies.just(2.0), NAMES)
        ).map(tuple),
        notes=strategies.lists(strategies.text()).map(tuple),
        settled=strategies.text(),
    )
)
def test_given_any_state_when_encoded_then_decoding_gives_it_back(state):
    assert addon_state.decode(addon_state.encode(state)) == state


@pytest.mark.parametrize("text", ["", "[]", "{", '{"enabled": [{"x": 1}]}'])
def test_given_a_damaged_file_when_decoded_then_it_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        addon_state.decode(text)


# --- on a machine ------------------------------------------------------------------------------


def test_given_a_node_when_wishes_are_settled_then_they_are_enabled_and_a_second_run_is_free(
    machine,
):
    assert settle(machine.host(), "dns metallb:10.0.0.10-10.0.0.20 storage") == 2
    calls = len(machine.world.calls)

    assert settle(machine.host(), "dns metallb:10.0.0.10-10.0.0.20 storage") == 0
    assert len(machine.world.calls) == calls
    assert enabled_on(machine) >= {"dns", "metallb", "hostpath-storage"}


def test_given_a_wish_taken_back_when_settled_then_only_that_is_disabled(machine):
    settle(machine.host(), "dns storage metrics-server")

    settle(machine.host(), "dns storage")

    assert "metrics-server" not in enabled_on(machine)
    assert "hostpath-storage" in enabled_on(machine)


def test_given_storage_taken_back_when_settled_then_the_volumes_are_not_destroyed(machine):
    settle(machine.host(), "storage")

    settle(machine.host(), "")

    assert "hostpath-storage" not in enabled_on(machine)
    assert not any("destroy-storage" in " ".join(call.argv) for call in machine.world.calls)


def test_given_new_arguments_when_settled_then_they_are_in_force(machine):
    settle(machine.host(), "metallb:10.0.0.10-10.0.0.20")

    assert settle(machine.host(), "metallb:10.0.0.30-10.0.0.40") == 2
    (cluster,) = machine.world.clusters.values()
    assert cluster.addons["metallb"] == ["10.0.0.30-10.0.0.40"]


def test_given_the_users_own_addon_when_wishes_change_then_it_stays(machine):
    machine.host().run((addons.MICROK8S, "enable", "metrics-server"), timeout_s=60)
    settle(machine.host(), "metrics-server")

    settle(machine.host(), "")

    assert "metrics-server" in enabled_on(machine)


def test_given_no_uplink_when_an_addon_downloads_then_it_is_retried_later_and_noted(machine):
    machine.uplink = False
    addons.ensure_next(machine.host(), [Wish("ingress")], arch="arm64", track=TRACK)
    state = addon_state.load(machine.host())

    assert "ingress failed: Error: failed to download" in state.notes[-1]
    machine.uplink = True
    machine.world.clock.advance(60)
    settle(machine.host(), "ingress")
    assert "ingress" in enabled_on(machine)
    assert addon_state.load(machine.host()).failures == ()


def test_given_an_enable_that_hangs_when_applied_then_it_is_a_failure_with_a_reason(machine):
    machine.faults.add(pi.Fault((addons.MICROK8S, "enable"), pi.hang()))

    state = addons.apply(machine.host(), Change(Wish("metrics-server"), True), State())

    assert "took longer" in state.failures[0].reason


def test_given_a_mistyped_prefixed_name_when_applied_then_success_is_not_believed(machine):
    state = addons.apply(machine.host(), Change(Wish("core/typo"), True), State())

    assert "had no effect" in state.failures[0].reason


def test_given_addons_of_the_installation_when_adopted_then_they_are_ours(machine):
    addons.adopt(machine.host(), [Wish("dns")])

    settle(machine.host(), "")

    assert "dns" not in enabled_on(machine)


def test_given_a_power_cut_in_the_middle_when_back_then_the_addon_is_known_for_ours(machine):
    machine.faults.add(pi.Fault((addons.MICROK8S, "enable"), pi.cut_after()))
    with pytest.raises(pi.PowerCut):
        settle(machine.host(), "metrics-server")
    machine.power_on()
    machine.world.clock.advance(300)

    settle(machine.host(), "metrics-server")

    assert Wish("metrics-server") in addon_state.load(machine.host()).enabled


def test_given_a_status_that_hangs_when_asked_then_it_raises(machine):
    machine.faults.add(pi.Fault((addons.MICROK8S, "status"), pi.hang()))

    with pytest.raises(addons.AddonsError, match="did not answer"):
        addons.ensure_next(machine.host(), [Wish("dns")], arch="arm64", track=TRACK)


def test_given_stopped_services_when_asked_then_nothing_is_changed(machine):
    machine.host().run((addons.MICROK8S, "stop"), timeout_s=60)

    assert not addons.ensure_next(
        machine.host(), [Wish("metrics-server")], arch="arm64", track=TRACK
    )
