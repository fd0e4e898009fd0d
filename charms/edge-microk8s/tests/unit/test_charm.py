import dataclasses
import tarfile

import pytest
from ops import testing

import join_tokens
import microk8s
from edgecloud.host import rejoin_offer
from edgecloud.interfaces.cluster_join import (
    Admission,
    ClusterRecord,
    JoinOffer,
    MemberReport,
    NodeReport,
)
from edgecloud.interfaces.edge_component import Component, Wishes
from edgecloud.testing import (
    cluster_control_plane,
    cluster_peers,
    cluster_workers,
    component_beside,
    decoded,
)
from edgelab import pi

SECRET = "secret:d5k1q6nmp25c762rvt20"


def record_of(state):
    (relation,) = state.get_relations("cluster")
    return decoded(ClusterRecord, relation.local_app_data)


def said(state, cls=NodeReport, endpoint="cluster"):
    (relation,) = state.get_relations(endpoint)
    return decoded(cls, relation.local_unit_data)


def status(state):
    return f"{state.unit_status.name}: {state.unit_status.message}"


# --- install ---------------------------------------------------------------------------------


def test_given_a_fresh_pi_when_installed_then_it_says_who_it_is_and_founds_nothing(pis, unit):
    pis.add(0)

    out = unit(0).update(cluster_peers())
    pis.settle()
    out = unit(0).update(*out.relations)

    report = said(out)
    assert (report.node, report.address, report.role) == ("pi-0", "10.20.0.11", "control-plane")
    assert report.ca == microk8s.authority(pis.host(0))
    assert status(out) == "waiting: waiting for the cluster to be founded"


def test_given_a_leader_that_is_ready_when_it_keeps_the_books_then_it_founds_the_cluster(
    single, unit
):
    out = unit(0).update(cluster_peers(), leader=True)

    record = record_of(unit(0).update(*out.relations, leader=True))
    assert record.steward == "edge-a/0"
    assert record.cluster == microk8s.authority(single.host(0))
    assert record.endpoints == ("10.20.0.11:16443",)


@pytest.mark.parametrize("profile", ["std-2g", "full-4g", "worker-512"])
def test_given_a_profile_that_does_not_fit_when_a_node_runs_then_its_former_one_is_kept(
    pis, unit, cluster, profile
):
    pis.add(0, mem_kb=1024 * 1024).install(0)
    peers = cluster_peers(record=cluster(0))
    unit(0).update(peers, leader=True)
    before = pis.host(0).read("/var/snap/microk8s/current/args/kubelet")

    out = unit(0).update(peers, leader=True, config={"profile": profile})
    back = unit(0).update(peers, leader=True, config={"profile": "tiny-1g"})

    assert out.unit_status.name == "blocked"
    assert out.unit_status.message.startswith(f"profile={profile} ")
    assert out.unit_status.message.endswith("set profile=auto")
    assert pis.host(0).read("/var/snap/microk8s/current/args/kubelet") == before
    assert back.unit_status.name == "active"


def test_given_several_wrong_options_when_dispatched_then_all_are_named_and_nothing_is_installed(
    pis, unit
):
    pis.add(0)

    out = unit(0).update(cluster_peers(), config={"role": "boss", "profile": "huge"})

    assert out.unit_status.name == "blocked"
    assert "role" in out.unit_status.message
    assert "profile" in out.unit_status.message
    assert pis.world.calls == []


def test_given_too_little_memory_when_installed_then_the_remedy_is_told_and_nothing_is_touched(
    pis, unit
):
    pis.add(0, mem_kb=430_000)

    out = unit(0).update(cluster_peers())

    assert out.unit_status.name == "blocked"
    assert "memory" in out.unit_status.message.lower()
    assert not pis.ran("install")


def test_given_an_installation_that_fails_when_dispatched_then_the_hook_ends_well(pis, unit):
    pis.add(0).fail(0, "snap", "install", effect=pi.fail(1, "cannot reach the store"))

    out = unit(0).update(cluster_peers())

    assert status(out).startswith("waiting: trying again:")
    assert "cannot reach the store" in out.unit_status.message
    assert [words for _, words in pis.world.timers("0") if "juju-exec" in " ".join(words)]


def test_given_a_worker_without_a_control_plane_when_dispatched_then_the_relation_is_missed(
    pis, unit
):
    pis.add(0)

    out = unit(0).update(cluster_peers(), config={"role": "worker"})

    assert status(out) == "blocked: missing relation: control-plane"


@pytest.mark.parametrize(
    "options",
    [{"role": "worker"}, {"service-cidr": "10.99.0.0/16"}, {"cluster-cidr": "10.9.0.0/16"}],
)
def test_given_an_option_that_cannot_change_when_changed_then_it_says_what_to_revert_to(
    single, unit, cluster, options
):
    peers = cluster_peers(record=cluster(0))
    unit(0).update(peers, leader=True)

    out = unit(0).update(peers, leader=True, config=options)

    assert out.unit_status.name == "blocked"
    assert next(iter(options)) in out.unit_status.message


def test_given_a_launch_configuration_that_never_applies_when_looked_at_then_it_is_named(
    pis, unit
):
    pis.add(0)
    unit(0).update(cluster_peers())
    broken = f"{microk8s.COMMON}/etc/launcher/broken.yaml"
    pis.host(0).write(broken, "version: 9.9.9\n")
    unit(0).update(cluster_peers())
    pis.settle(700)

    out = unit(0).update(cluster_peers())
    pis.host(0).remove(broken)
    pis.settle()
    mended = unit(0).update(cluster_peers())

    assert status(out).startswith("waiting: MicroK8s has not applied its launch configuration")
    assert "snap logs microk8s.daemon-cluster-agent" in status(out)
    assert status(mended) == "waiting: waiting for the cluster to be founded"


# --- joining ---------------------------------------------------------------------------------


@pytest.fixture
def joining(pis, unit, cluster):
    """The second of two machines, with leave to join and the secret it needs."""
    pis.add(0, 1).install(0, 1)
    admission = Admission("edge-a/1", 1, pis.world.clock.now() + 900)
    offer = JoinOffer("edge-a/1", 1, SECRET)
    peers = cluster_peers(
        {0: (NodeReport("pi-0"), MemberReport(offers=(offer,)))},
        record=cluster(0, admission=admission),
    )
    url = join_tokens.mint(pis.host(0), pis.address(0))
    return unit(1), peers, testing.Secret({"url": url}, id=SECRET, owner=None)


def test_given_an_offer_when_dispatched_then_the_unit_joins_once(pis, joining):
    second, peers, secret = joining

    out = second.update(peers, secrets=[secret])
    for _ in range(3):
        pis.settle()
        out = second.update(*out.relations, secrets=[secret])

    assert said(out).joined
    assert len(pis.members()) == 2
    assert len([call for call in pis.ran("run", "--shell") if call.machine == "1"]) == 1


def test_given_an_offer_that_was_withdrawn_when_dispatched_then_nothing_is_tried(pis, joining):
    second, peers, _ = joining

    out = second.update(peers)

    assert not pis.ran("run", "--shell")
    assert said(out).attempt is None


def test_given_a_join_that_fails_when_dispatched_then_the_reason_is_told_and_no_hook_fails(
    pis, joining
):
    second, peers, secret = joining
    pis.fail(1, "snap", "run", effect=pi.fail(1, "Connection failed (500)."))

    out = second.update(peers, secrets=[secret])

    assert (said(out).attempt, said(out).joined) == (1, None)
    assert "Connection failed" in said(out).error


def test_given_a_token_when_joining_then_it_is_in_no_databag_no_log_and_no_command(pis, joining):
    second, peers, secret = joining
    token = secret.tracked_content["url"].split("/")[1]

    out = second.update(peers, secrets=[secret])

    seen = [repr(out.relations), repr(second.ctx.juju_log), repr(pis.world.calls), status(out)]
    assert not [text for text in seen if token in text]


# --- the steward -----------------------------------------------------------------------------


@pytest.fixture
def admitting(pis, cluster):
    """The peers of the first of two machines, which is to make an offer to the second."""
    pis.add(0, 1).install(0, 1)
    admission = Admission("edge-a/1", 1, pis.world.clock.now() + 900)
    report = NodeReport("pi-1", "10.20.0.12", "control-plane", microk8s.authority(pis.host(1)))
    return cluster_peers({1: (report,)}, record=cluster(0, admission=admission))


def test_given_a_unit_admitted_when_the_steward_acts_then_only_that_unit_may_read_the_offer(
    unit, admitting
):
    out = unit(0).update(admitting)

    (offer,) = said(out, MemberReport).offers
    secret = out.get_secret(id=offer.secret)
    assert (offer.unit, offer.attempt) == ("edge-a/1", 1)
    assert secret.remote_grants == {admitting.id: {"edge-a/1"}}
    assert secret.expire is not None


def test_given_an_offer_made_when_the_steward_acts_again_then_it_is_the_same_one(
    pis, unit, admitting
):
    out = unit(0).update(admitting)
    before = len(pis.ran("add-node"))

    again = unit(0).update(*out.relations, secrets=out.secrets)

    assert said(again, MemberReport).offers == said(out, MemberReport).offers
    assert len(pis.ran("add-node")) == before


def test_given_an_admission_that_is_over_when_the_steward_acts_then_secret_and_token_go(
    pis, unit, admitting, cluster
):
    out = unit(0).update(admitting)
    (relation,) = out.get_relations("cluster")
    over = cluster_peers({1: ()}, record=cluster(0)).local_app_data
    peers = dataclasses.replace(relation, local_app_data=over)

    after = unit(0).update(peers, secrets=out.secrets)

    assert not after.secrets
    assert said(after, MemberReport).offers == ()
    assert pis.world.tokens() == []


def test_given_a_voter_that_is_silent_when_a_unit_is_admitted_then_no_offer_is_made(
    trio, unit, cluster
):
    trio.world.machines["2"].power_off()
    trio.settle()
    admission = Admission("edge-a/3", 1, trio.world.clock.now() + 900)
    peers = cluster_peers({1: (), 3: ()}, record=cluster(0, 1, 2, admission=admission))

    out = unit(0).update(peers)

    assert said(out, MemberReport).offers == ()
    assert said(out, MemberReport).holding == "voter 10.20.0.13 does not answer"


def test_given_a_member_that_left_when_the_steward_acts_then_it_is_taken_out(
    trio, unit, cluster, member
):
    trio.world.machines["2"].power_off()
    trio.settle()
    members = (member(0), member(1), member(2, "leaving"))
    peers = cluster_peers({1: ()}, record=cluster(0, members=members))

    out = unit(0).update(peers)

    assert said(out, MemberReport).gone == ("edge-a/2",)
    assert trio.members() == ["10.20.0.11", "10.20.0.12"]


# --- departures ------------------------------------------------------------------------------


def depart(unit, peers, remote, departing, **fields):
    event = unit.ctx.on.relation_departed(peers, remote_unit=remote, departing_unit=departing)
    return unit.dispatch(event, unit.state(peers, **fields))


def test_given_a_peer_that_departs_when_told_then_it_is_noted(single, unit, cluster):
    peers = cluster_peers({1: (), 2: ()}, record=cluster(0))

    out = depart(unit(0), dataclasses.replace(peers, peers_data={2: {}}), 1, 1)

    assert said(out, MemberReport).departed == ("edge-a/1",)


def test_given_a_unit_that_departs_itself_when_told_of_the_others_then_it_notes_nobody(
    single, unit, cluster
):
    peers = cluster_peers({1: (), 2: ()}, record=cluster(0))

    out = depart(unit(0), peers, 1, 0, leader=True)

    assert said(out, MemberReport).departed == ()
    assert record_of(out).members == cluster(0).members


def stop(unit, *relations, **fields):
    return unit.dispatch(unit.ctx.on.stop(), unit.state(*relations, **fields))


def test_given_a_healthy_cluster_when_a_unit_stops_then_it_leaves(trio, unit, cluster):
    stop(unit(1), cluster_peers({0: (), 2: ()}, record=cluster(0, 1, 2)), planned_units=2)
    trio.settle()

    assert trio.members() == ["10.20.0.11", "10.20.0.13"]


def test_given_a_majority_at_stake_when_a_unit_stops_then_the_hook_fails_to_be_tried_again(
    trio, unit, cluster
):
    trio.world.machines["2"].power_off()
    trio.settle()

    with pytest.raises(SystemExit):
        stop(unit(1), cluster_peers({0: ()}, record=cluster(0, 1, 2)), planned_units=2)

    assert "10.20.0.12" in trio.members()


def test_given_the_last_unit_when_it_stops_then_it_just_goes(single, unit, cluster):
    stop(unit(0), cluster_peers(record=cluster(0)), planned_units=0)

    assert not single.ran("leave")


def test_given_a_unit_that_never_installed_when_it_stops_then_nothing_happens(pis, unit):
    pis.add(0)

    stop(unit(0), cluster_peers(), planned_units=0)

    assert not pis.ran("leave")


def test_given_a_node_when_its_unit_is_removed_then_no_key_is_left(single, unit):
    removed = unit(0)

    removed.dispatch(removed.ctx.on.remove(), removed.state())

    assert not single.host(0).glob("/var/snap/microk8s/**/*.key")
    assert single.ran("remove", "--purge")


# --- secrets ---------------------------------------------------------------------------------


def test_given_a_join_secret_that_expired_when_told_then_it_is_removed(single, unit):
    secret = testing.Secret({"url": "x"}, owner="unit", label="join-edge-a-1-1")
    first = unit(0)

    event = first.ctx.on.secret_expired(secret, revision=1)
    out = first.dispatch(event, first.state(secrets=[secret]))

    assert not out.secrets


# --- members ---------------------------------------------------------------------------------


def settled(unit, peers, **fields):
    """Dispatch until nothing changes any more."""
    for _ in range(6):
        out = unit.update(peers, **fields)
        if out.relations == {peers}:
            break
        (peers,) = out.relations
        unit.pis.settle()
    return out


def test_given_a_settled_leader_when_looked_at_then_it_sums_up_the_cluster(single, unit, cluster):
    out = settled(unit(0), cluster_peers(record=cluster(0)), leader=True)

    assert status(out).startswith("active: 1/1 nodes ready, 1 voter")
    assert out.app_status.name == "active"
    assert out.workload_version.startswith("1.35")


def test_given_nothing_to_do_when_dispatched_then_it_costs_one_kubectl_and_writes_nothing(
    single, unit, cluster
):
    out = settled(unit(0), cluster_peers(record=cluster(0)), leader=True)
    (peers,) = out.relations
    before = len(single.world.calls)

    out = unit(0).update(peers, leader=True)

    kubectl = [c for c in single.world.calls[before:] if c.argv[0].endswith("/kubectl")]
    assert len(kubectl) <= 1
    assert out.relations == {peers}


ELSEWHERE = (
    "blocked: this machine was 10.20.0.12 when it joined, and the datastore finds its members by"
    " address: give it 10.20.0.12 back, for good (a reservation in DHCP, or netplan), and reboot"
    " it"
)


def test_given_another_address_when_looked_at_then_it_says_which_it_needs_until_it_has_it(
    trio, unit, cluster
):
    peers = cluster_peers({0: (), 2: ()}, record=cluster(0, 1, 2))
    trio.world.machines["1"].address = "10.20.0.99"
    trio.settle()

    lost = unit(1).update(peers)

    assert status(lost) == ELSEWHERE
    assert said(lost).address is None  # Nobody is told of an address that is wrong.
    trio.world.machines["1"].address = "10.20.0.12"
    trio.settle()
    assert status(settled(unit(1), peers)) == "active: node ready"


def test_given_another_address_beside_its_own_when_looked_at_then_all_is_well(trio, unit, cluster):
    machine = trio.world.machines["1"]
    machine.address, machine.extra_addresses = "10.20.0.99", ["10.20.0.12"]
    trio.settle()

    out = settled(unit(1), cluster_peers({0: (), 2: ()}, record=cluster(0, 1, 2)))

    assert status(out) == "active: node ready"


def test_given_a_node_that_nobody_joined_when_it_has_another_address_then_all_is_well(
    single, unit, cluster
):
    peers = cluster_peers(record=cluster(0))
    single.world.machines["0"].address = "10.20.0.99"
    single.settle()

    out = settled(unit(0), peers, leader=True)

    assert status(out).startswith("active: 1/1 nodes ready, 1 voter")


def test_given_a_worker_with_another_address_when_looked_at_then_all_is_well(
    with_worker, unit, member
):
    record = ClusterRecord(
        cluster=microk8s.authority(with_worker.host(0)),
        members=(member(0), member(1, role="worker")),
        endpoints=("10.20.0.11:16443",),
    )
    with_worker.world.machines["1"].address = "10.20.0.99"
    with_worker.settle()

    out = settled(unit(1), cluster_control_plane(record=record), config={"role": "worker"})

    assert status(out) == "active: node ready"


def test_given_another_host_name_when_looked_at_then_it_says_which_it_needs(trio, unit, cluster):
    trio.host(1).write("/etc/hostname", "kitchen\n")

    out = unit(1).update(cluster_peers({0: (), 2: ()}, record=cluster(0, 1, 2)))

    assert status(out) == (
        "blocked: this machine was called pi-1 when it joined, and is kitchen now: run"
        " 'hostnamectl hostname pi-1' on it and reboot it"
    )
    assert said(out).node is None


def test_given_a_charm_beside_it_when_joined_then_it_is_told_what_runs_here(single, unit, cluster):
    beside = testing.SubordinateRelation("component", remote_app_name="edge-node")

    out = unit(0).update(cluster_peers(record=cluster(0)), beside, leader=True)

    told = said(out, Component, "component")
    assert (told.kind, told.node, told.role, told.ready) == (
        "microk8s",
        "pi-0",
        "control-plane",
        True,
    )
    assert told.channel == "1.35/stable"


def test_given_workers_when_the_leader_publishes_then_they_learn_where_the_api_is(
    single, unit, cluster
):
    workers = cluster_workers({0: NodeReport()}, app="kiosk-a")

    out = unit(0).update(cluster_peers(record=cluster(0)), workers, leader=True)

    (relation,) = out.get_relations("workers")
    record = decoded(ClusterRecord, relation.local_app_data)
    assert record.endpoints == ("10.20.0.11:16443",)
    assert record.members == ()


def test_given_a_worker_that_joined_when_dispatched_then_it_is_active(with_worker, unit, member):
    authority = microk8s.authority(with_worker.host(0))
    mine = dataclasses.replace(member(1, role="worker"), unit="kiosk-a/1")
    record = ClusterRecord(authority, "edge-a/0", members=(mine,), endpoints=("10.20.0.11:16443",))
    relations = cluster_peers(), cluster_control_plane(record=record, app="edge-a")
    worker = unit(1, app="kiosk-a")

    worker.update(*relations, config={"role": "worker"})
    with_worker.settle()
    out = worker.update(*relations, config={"role": "worker"})

    assert status(out) == "active: node ready"
    assert said(out, endpoint="control-plane").joined


def test_given_a_full_disk_when_dispatched_then_the_hook_ends_well_and_says_so(
    single, unit, cluster
):
    peers = cluster_peers(record=cluster(0))
    unit(0).update(peers, leader=True)
    single.world.machines["0"].fill_disk()

    out = unit(0).update(peers, leader=True, config={"extra-sans": "site.lan"})

    assert out.unit_status.name in ("waiting", "blocked")
    assert "space" in out.unit_status.message


# --- the resource ----------------------------------------------------------------------------

SIDELOAD = "/var/snap/microk8s/common/etc/sideload"


def attached(first, *relations, archive, **fields):
    state = first.state(*relations, **fields)
    resource = testing.Resource(name="snap-installation", path=archive)
    return dataclasses.replace(state, resources={resource})


def test_given_an_archive_that_is_attached_later_when_told_then_the_node_has_its_images(
    single, unit, cluster, tmp_path
):
    path, peers = tmp_path / "resource.tar", cluster_peers(record=cluster(0))
    (tmp_path / "pause.tar").write_text("an image")
    with tarfile.open(path, "w") as tar:
        tar.add(tmp_path / "pause.tar", "arm64/pause.tar")
    unit(0).update(peers, leader=True)

    first = unit(0)
    before = first.dispatch(first.ctx.on.update_status(), attached(first, peers, archive=path))
    untold = single.host(0).glob(f"{SIDELOAD}/pause.tar*")
    first.dispatch(first.ctx.on.upgrade_charm(), attached(first, *before.relations, archive=path))

    assert untold == []
    assert single.host(0).glob(f"{SIDELOAD}/pause.tar*")


def test_given_a_broken_archive_when_it_is_attached_later_then_the_status_says_so_until_mended(
    single, unit, cluster, tmp_path
):
    path, peers = tmp_path / "resource.tar", cluster_peers(record=cluster(0))
    unit(0).update(peers, leader=True)
    path.write_text("no archive")

    first = unit(0)
    state = attached(first, peers, archive=path, leader=True)
    broken = first.dispatch(first.ctx.on.upgrade_charm(), state)
    path.write_bytes(b"")
    mended = first.dispatch(first.ctx.on.update_status(), state)

    assert status(broken).startswith("waiting: trying again: the resource snap-installation is no")
    assert mended.unit_status.name == "active"


# --- actions ---------------------------------------------------------------------------------


def test_given_wrong_options_when_an_action_needs_them_then_it_says_what_to_set(single, unit):
    first = unit(0)
    state = first.state(config={"backup-keep": 0})

    with pytest.raises(testing.ActionFailed, match="backup-keep"):
        first.dispatch(first.ctx.on.action("backup"), state)


def test_given_a_refusal_when_an_action_is_run_then_it_fails_with_the_reason(
    single, unit, cluster
):
    peers = cluster_peers(record=cluster(0))

    with pytest.raises(testing.ActionFailed, match="edge-a/0"):
        unit(0).act("remove-stale-node", peers, node="pi-0")


def test_given_a_member_when_its_status_is_asked_for_then_results_come_back(single, unit, cluster):
    results = unit(0).act("cluster-status", cluster_peers(record=cluster(0)), format="text")

    assert "pi-0" in results["status"]


# --- an edge-node beside it ------------------------------------------------------------------


def test_given_a_single_node_when_its_neighbour_is_told_then_it_is_the_voter(
    single, unit, cluster
):
    peers = cluster_peers(record=cluster(0))

    out = unit(0).update(peers, component_beside(), leader=True)

    assert said(out, Component, "component").voter is True


def test_given_an_api_that_is_silent_when_dispatched_then_the_neighbour_learns_it(
    single, unit, cluster
):
    before = Component(node="pi-0", ready=True, channel="1.35/stable")
    single.fail(0, "kubectl", times=20)

    out = unit(0).update(
        cluster_peers(record=cluster(0)), component_beside(component=before), leader=True
    )

    assert said(out, Component, "component").ready is False


def test_given_a_busy_agent_when_dispatched_then_nothing_is_run_or_written_but_the_report(
    single, unit, cluster
):
    peers = cluster_peers(record=cluster(0), mine=[NodeReport("pi-0", wants_turn=True)])
    beside = component_beside(Wishes(busy=True))
    unit(0).update(peers, leader=True)
    single.settle()
    calls = len(single.world.calls)

    out = unit(0).update(peers, beside, leader=True, config={"autonomy": "3600"})

    assert {call.argv[0].rpartition("/")[2] for call in single.world.calls[calls:]} <= {"kubectl"}
    assert (said(out).busy, said(out).wants_turn) == (True, None)
    assert status(out) == "maintenance: the agent is at work on this machine"


def test_given_a_retreat_on_the_disk_when_dispatched_then_the_hands_are_off_without_being_told(
    single, unit, cluster
):
    single.host(0).write(rejoin_offer.RETREAT, '{"done": ["leave"], "own": []}')

    out = unit(0).update(cluster_peers(record=cluster(0)), component_beside(), leader=True)

    assert said(out).busy
    assert said(out).wants_way_back


def release(pis, *options):
    """Let the snap refresh itself, and perhaps move it, as somebody else than the charm may."""
    for words in (("--unhold",), options):
        if words:
            command = ("/usr/bin/snap", "refresh", *words, "microk8s")
            pis.host(0).run(command, timeout_s=600)
    pis.settle()


def test_given_an_agent_that_is_done_when_dispatched_then_the_snap_is_held_again(
    single, unit, cluster
):
    peers = cluster_peers(record=cluster(0))
    unit(0).update(peers, component_beside(), leader=True)
    unit(0).update(peers, component_beside(Wishes(busy=True)), leader=True)
    release(single)

    unit(0).update(peers, component_beside(Wishes()), leader=True)

    assert single.world.machines["0"].snaps["microk8s"].held_until


def test_given_a_revision_that_moved_unseen_when_dispatched_then_the_snap_is_held_again(
    single, unit, cluster
):
    peers = cluster_peers(record=cluster(0))
    unit(0).update(peers, leader=True)
    release(single, "--channel=1.36/stable")

    out = unit(0).update(peers, leader=True)

    assert single.world.machines["0"].snaps["microk8s"].held_until
    assert status(out).endswith(
        "new nodes cannot join with channel=1.35/stable: set it to 1.36/stable"
    )
