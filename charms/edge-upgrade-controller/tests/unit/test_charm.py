"""The charm as Juju sees it: events in, databags and a status out."""

import dataclasses

import pytest
from ops import testing
from sites import accepted, written

import site_options
from edgecloud.rollout import ledger
from edgelab import pi

Phase = ledger.Phase


def test_given_no_nodes_when_it_starts_then_it_says_what_is_missing(make_site):
    site = make_site(planes=0)

    site.event("start")

    assert site.status == testing.BlockedStatus("missing relation: nodes")


def test_given_nodes_and_no_plan_when_looked_at_then_it_counts_them(site):
    site.event()

    assert site.status == testing.ActiveStatus("no plan; 3 nodes")


def test_given_a_site_of_one_when_looked_at_then_it_counts_that(make_site):
    site = make_site(planes=1)

    site.event()

    assert site.status == testing.ActiveStatus("no plan; 1 node")


def test_given_a_plan_in_the_option_when_read_then_its_digest_is_shown_and_nothing_begins(site):
    digest = site.offer()

    site.event("config_changed")

    assert site.status == testing.ActiveStatus(f"k8s-135 ({digest[:12]}) can start; 3 nodes")
    assert site.orders().orders == ()


def test_given_a_wrong_plan_when_read_then_every_problem_is_shown(site):
    site.config = {"plan": written(windows="never", colour="red")}

    site.event("config_changed")

    assert site.status.name == "blocked"
    assert "colour: unknown field" in site.status.message
    assert "windows" in site.status.message


def test_given_a_text_that_is_no_yaml_when_read_then_it_is_said(site):
    site.config = {"plan": "a: [b"}

    site.event("config_changed")

    assert site.status.message.startswith("plan: plan: is not YAML") or (
        site.status.message.startswith("plan: ")
    )
    assert site.status.name == "blocked"


def test_given_a_started_plan_when_all_wait_then_only_the_canary_is_granted(site):
    site.start()

    site.round()

    assert site.granted() == ["pi-0"]
    assert site.status == testing.ActiveStatus(
        "canary: 0 of 1 done, pi-0 granted (1/1 unavailable)"
    )


def test_given_obedient_nodes_when_rounds_pass_then_all_run_the_new_minor(site):
    site.start()

    site.rounds()

    assert site.versions() == {"1.35.1"}
    assert site.status == testing.ActiveStatus("k8s-135 completed")
    assert set(site.verbs().values()) == {"forget"}


def test_given_workers_when_rounds_pass_then_control_planes_went_first(make_site):
    site = make_site(planes=3, workers=2)
    site.start()
    order = []

    for _ in range(40):
        site.round()
        order += [name for name in site.granted() if name not in order]

    assert site.versions() == {"1.35.1"}
    assert sorted(order[-2:]) == ["pi-3", "pi-4"]


def test_given_a_canary_that_fails_when_rounds_pass_then_it_is_back_and_the_plan_holds(site):
    site.actors["pi-0"].broken = True
    site.start()

    site.rounds()

    assert site.versions() == {"1.34.2"}
    assert site.rollout.phase is Phase.HELD
    assert site.status.name == "blocked"
    assert "k8s-135 held" in site.status.message


def test_given_automatic_starts_when_the_plan_is_valid_then_it_begins_by_itself(site):
    site.config = {"plan": written(), "start-plans": "automatic"}

    site.event("config_changed")

    assert site.verbs() == dict.fromkeys(["pi-0", "pi-1", "pi-2"], "prepare")


def test_given_an_automatic_plan_that_ended_when_looked_at_then_it_does_not_begin_again(site):
    site.config = {"plan": written(), "start-plans": "automatic"}
    site.event("config_changed").rounds()

    site.event()

    assert site.rollout.phase is Phase.COMPLETED


def test_given_another_plan_under_way_when_one_is_offered_then_it_says_what_to_do(site):
    site.config = {"plan": written(), "start-plans": "automatic"}
    site.event("config_changed").round()
    site.config = {"plan": written(id="other"), "start-plans": "automatic"}

    site.event("config_changed")

    assert "name it in supersedes" in site.status.message
    assert site.rollout.plan_id == "k8s-135"


def test_given_a_wider_plan_than_the_site_allows_when_read_then_it_is_refused(site):
    site.config = {"max-unavailable": "1", "require-windows": True}
    site.offer(limits={"max-unavailable": 2})

    site.event("config_changed")

    assert "this site allows 1" in site.status.message
    assert "wants maintenance windows" in site.status.message


@pytest.mark.parametrize(
    ("asked", "is_refused"), [({}, True), ({"daily-mib": 501}, True), ({"daily-mib": 500}, False)]
)
def test_given_a_link_paid_by_the_byte_when_a_plan_is_read_then_it_must_keep_to_the_site(
    site, asked, is_refused
):
    site.config = {"daily-mib": 500}
    releases = {"1.35": {"revision": {"arm64": 135}, "mib": {"arm64": 100}}}
    site.offer(limits=asked, targets={"kubernetes": {"to": "1.35", "releases": releases}})

    site.event("config_changed")

    told = "limits.daily-mib: this site allows 500, and wants it said"
    assert (told in site.status.message) is is_refused


@pytest.mark.parametrize(
    "config",
    [
        {"start-plans": "maybe"},
        {"max-unavailable": "many"},
        {"per-domain": -1},
        {"daily-mib": -1},
    ],
    ids=str,
)
def test_given_a_wrong_option_when_read_then_it_is_blocked(site, config):
    site.config = config

    site.event("config_changed")

    assert site.status.name == "blocked"
    assert next(iter(config)) in site.status.message


def test_given_another_leader_when_it_decides_then_its_orders_are_of_a_new_epoch(site):
    site.start()
    site.round()
    before = site.rollout.epoch
    bag = {**site.peers.local_app_data, "leader": "edge-upgrade-controller/9"}
    site.peers = dataclasses.replace(site.peers, local_app_data=bag)

    site.event("leader_elected").round()

    assert site.rollout.epoch == before + 1
    assert site.rounds().versions() == {"1.35.1"}


def test_given_a_hook_that_was_lost_when_it_runs_again_then_the_same_order_is_given(site):
    site.start()
    site.obey()
    before = (site.peers, site.nodes, site.secrets)
    site.event()
    first = site.granted(), site.orders().orders[0].serial
    site.peers, site.nodes, site.secrets = before

    site.event()

    assert (site.granted(), site.orders().orders[0].serial) == first


def test_given_a_new_order_when_given_then_only_the_secret_of_its_node_changes(site):
    site.start()
    site.obey()
    bag, before = dict(site.nodes.local_app_data), contents(site)

    site.event()

    assert site.granted() == ["pi-0"]
    assert site.nodes.local_app_data == bag
    assert len(set(contents(site).items()) ^ set(before.items())) == 2


def test_given_a_slip_that_was_lost_when_it_is_refreshed_then_every_order_is_said_again(site):
    site.start()
    site.secrets = [
        dataclasses.replace(secret, latest_content={"order": "{}"}) for secret in site.secrets
    ]

    lost = site.event().verbs()
    site.event("upgrade_charm")

    assert set(lost.values()) == {""}
    assert site.verbs() == dict.fromkeys(["pi-0", "pi-1", "pi-2"], "prepare")


def test_given_a_node_that_knows_no_slips_when_ordered_then_the_databag_has_its_order(site):
    site.slips = None
    site.start()

    site.rounds()

    assert site.secrets == []
    assert site.versions() == {"1.35.1"}


@pytest.mark.parametrize(("leader", "removed"), [(True, [1]), (False, [])])
def test_given_an_order_that_was_read_past_when_told_so_then_the_leader_drops_it(
    site, leader, removed
):
    site.start()
    site.obey()
    site.event()
    secret = next(each for each in site.secrets if each._latest_revision > 1)
    object.__setattr__(secret, "_tracked_revision", secret._latest_revision)

    state = site.state(leader=leader)
    site.ctx.run(site.ctx.on.secret_remove(secret, revision=1), state)

    assert site.ctx.removed_secret_revisions == removed


def test_given_a_secret_of_no_node_when_told_of_it_then_it_is_left_alone(site):
    site.start()
    strange = testing.Secret({"word": "old"}, owner="app")
    site.secrets.append(strange)

    site.ctx.run(site.ctx.on.secret_remove(strange, revision=1), site.state())

    assert site.ctx.removed_secret_revisions == []


def contents(site):
    return {secret.id: secret.latest_content["order"] for secret in site.secrets}


def test_given_a_unit_that_does_not_lead_when_an_event_comes_then_it_writes_nothing(site):
    site.start()
    before = dict(site.peers.local_app_data)
    site.obey()

    site.event(leader=False)

    assert site.peers.local_app_data == before


def test_given_nothing_new_when_looked_at_again_then_nobody_is_woken(site):
    site.start()
    site.round()
    bags = dict(site.peers.local_app_data), dict(site.nodes.local_app_data)

    site.event()

    assert (site.peers.local_app_data, site.nodes.local_app_data) == bags


def test_given_no_view_of_the_cluster_when_all_wait_then_nobody_is_disturbed(site):
    site.view = False
    site.start()

    for _ in range(5):
        site.round()

    assert site.granted() == []
    assert "waiting: nodes unknown: no control plane has told" in site.status.message


def test_given_a_node_that_is_down_when_all_wait_then_it_counts_as_unavailable(site):
    site.actors["pi-2"].heard = False
    site.start()

    site.round()

    assert site.granted() == []
    assert "1 of 1 unavailable: pi-2" in site.status.message


def test_given_another_tool_when_all_wait_then_nobody_is_granted(site):
    site.foreign = "kured"
    site.start()

    site.round()

    assert "another tool upgrades this site" in site.status.message


def test_given_two_nodes_of_one_name_when_looked_at_then_it_is_blocked(site):
    site.actors["pi-1"].name = "pi-0"

    site.event()

    assert site.status == testing.BlockedStatus("pi-0 is the name of 2 nodes")


def armed(site):
    """The wake-ups that were armed, as systemd was asked for them."""
    found = [call.argv for call in site.world.calls if "/usr/bin/systemd-run" in call.argv]
    return [next(w for w in words if w.startswith("--on-active")) for words in found]


def test_given_a_grant_when_decided_then_it_wakes_when_the_grant_ends_and_not_each_minute(site):
    site.start()
    site.obey()
    site.event()

    assert site.granted() == ["pi-0"]
    assert armed(site)[-1] == "--on-active=900s"
    assert "edge-upgrade-controller/0" in site.world.calls[-1].argv


def test_given_a_wake_up_that_is_far_away_when_it_comes_sooner_then_it_is_armed_anew(site):
    site.start(windows=[{"start": "09:00", "length": "4h", "tz": "UTC"}])
    site.event()
    site.actors["pi-1"].heard = False
    site.clock.advance(90)

    site.event()

    assert armed(site)[-2:] == ["--on-active=3600s", "--on-active=840s"]
    timers = site.world.machines["0"].timers
    assert [name for name in timers if name.startswith("edge-upgrade-controller")] == [
        "edge-upgrade-controller-edge-upgrade-controller-0.timer"
    ]


def test_given_an_ended_plan_when_decided_then_no_wake_up_is_left(site):
    digest = site.start()
    site.act("abort", plan_digest=digest, mode="hold")

    site.rounds()

    timers = site.world.machines["0"].timers
    assert not [name for name in timers if name.startswith("edge-upgrade-controller")]


def test_given_a_machine_without_timers_when_decided_then_the_hook_still_succeeds(site):
    fault = pi.Fault(("/usr/bin/systemd-run",), pi.fail(1, "no bus"))
    site.world.machines["0"].faults.add(fault)

    site.start()

    assert site.verbs()


def test_given_books_that_cannot_be_read_when_an_event_comes_then_they_are_left_as_they_are(site):
    site.start()
    bag = {**site.peers.local_app_data, "plan": "{}"}
    site.peers = dataclasses.replace(site.peers, local_app_data=bag)

    site.event("upgrade_charm")

    assert site.peers.local_app_data == bag
    assert site.status.name == "blocked"
    assert "the accepted plan cannot be read" in site.status.message


def test_given_the_machine_of_the_controller_when_it_is_a_node_then_it_goes_last(site):
    site.start()
    site.peers = dataclasses.replace(site.peers, peers_data={1: {"ingress-address": "10.0.0.0"}})
    fresh = {**site.peers.local_app_data, "rollout": "", "plan": ""}
    site.peers = dataclasses.replace(site.peers, local_app_data=fresh)

    site.start()

    assert site.rollout.members["pi-0"].coordinator
    assert site.rollout.waves[0] == ("pi-1",)


def test_given_an_accepted_plan_when_the_option_changes_then_what_was_frozen_goes_on(site):
    digest = site.start()
    site.config = {}

    site.rounds()

    assert site.rollout.digest == digest == accepted().digest
    assert site.versions() == {"1.35.1"}


def count_readings(monkeypatch):
    """Return a list that grows with every plan that is parsed."""
    read, real = [], site_options.read_plan
    monkeypatch.setattr(site_options, "read_plan", lambda text: read.append(text) or real(text))
    return read


def test_given_an_accepted_plan_when_its_text_is_as_it_was_then_it_is_not_parsed_again(
    site, monkeypatch
):
    read = count_readings(monkeypatch)
    site.start()
    site.event()

    read.clear()
    site.event()

    assert not read


@pytest.mark.parametrize("event", ["upgrade_charm", "start", "leader_elected"])
def test_given_an_accepted_plan_when_the_charm_may_be_another_then_it_is_parsed_anew(
    site, monkeypatch, event
):
    site.start()
    site.event()
    read = count_readings(monkeypatch)

    site.event(event)

    assert len(read) == 1


def test_given_an_accepted_plan_when_its_text_changes_then_what_is_wrong_is_said(site):
    site.start()
    site.event()

    site.config = {**site.config, "plan": site.config["plan"] + "\ncolour: red\n"}
    site.event("config_changed")

    assert "colour: unknown field" in site.status.message


def test_given_a_plan_just_started_when_no_plane_has_told_of_the_cluster_then_it_holds_quietly(
    site,
):
    site.view = False
    site.start()

    site.obey().event()

    assert site.granted() == []
    assert site.status == testing.ActiveStatus(
        "canary: 0 of 1 done, waiting: nodes unknown: "
        "no control plane has told of the cluster lately"
    )

    site.view = True
    assert site.event().granted() == ["pi-0"]
