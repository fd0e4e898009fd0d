import json
import pathlib
import tempfile

import hypothesis
import pytest
from hypothesis import strategies as st

from edgelab import pi
from edgelab.pi import cluster as clusters
from edgelab.pi import datastore, state

BACKEND = "/var/snap/microk8s/current/var/kubernetes/backend"


def test_given_two_nodes_when_settled_then_one_voter_and_one_spare(pair):
    assert sorted(pair.roles().values()) == ["spare", "voter"]


def test_given_third_join_when_half_a_minute_has_not_passed_then_there_is_one_voter(pair):
    pair.install(2)
    pair.join(2)

    early = sorted(pair.roles().values())
    pair.wait(30)

    assert early.count("voter") == 1
    assert sorted(pair.roles().values()) == ["voter"] * 3


def test_given_four_members_when_settled_then_the_fourth_is_standby(trio):
    trio.install(3)
    trio.join(3)
    trio.wait(60)

    assert sorted(trio.roles().values()) == ["standby", "voter", "voter", "voter"]


def test_given_dead_voter_when_a_standby_is_there_then_it_is_promoted_after_half_a_minute(trio):
    trio.install(3)
    trio.join(3)
    trio.wait(60)
    dead = next(at for at, role in trio.roles().items() if role == "voter")
    alive = next(at for at in "0123" if at != dead)

    trio.machine(dead).power_off()
    trio.wait(20)
    early = trio.roles(alive)
    trio.wait(20)

    assert early[dead] == "voter"
    assert trio.roles(alive)[dead] == "spare"
    assert list(trio.roles(alive).values()).count("voter") == 3


def test_given_dead_voter_when_there_is_no_substitute_then_it_stays_a_voter(trio):
    trio.machine(2).power_off()
    trio.wait(120)

    assert trio.roles() == {"0": "voter", "1": "voter", "2": "voter"}


def test_given_three_members_when_one_is_removed_then_one_voter_is_demoted(trio):
    trio.microk8s(2, "leave")
    trio.wait(60)

    assert sorted(trio.roles().values()) == ["spare", "voter"]


def test_given_domains_when_settled_then_each_has_a_voter(site):
    for at, domain in enumerate((1, 1, 1, 2)):
        site.install(at)
        site.host(at).write(
            "/var/snap/microk8s/current/args/ha-conf", f"failure-domain={domain}\n"
        )
        site.snap(at, "restart", "microk8s.daemon-k8s-dqlite")
    for at in (1, 2, 3):
        site.join(at)
        site.wait(90)

    assert site.roles()["3"] == "voter"
    assert list(site.roles().values()).count("voter") == 3


def test_given_one_of_three_dead_when_asked_then_the_api_answers(trio):
    trio.machine(0).power_off()

    assert trio.kubectl(1, "get", "nodes").returncode == 0


def test_given_a_member_with_another_address_when_asked_then_it_is_away_until_it_has_its_own(trio):
    own, trio.machine(0).address = trio.machine(0).address, "10.20.0.99"
    trio.wait(60)

    assert trio.kubectl(0, "get", "nodes").returncode == 1
    assert trio.kubectl(1, "get", "nodes").returncode == 0
    trio.machine(0).address = own
    trio.wait(60)
    assert trio.kubectl(0, "get", "nodes").returncode == 0


def test_given_two_of_three_dead_when_asked_then_the_api_times_out(trio):
    trio.machine(1).power_off()
    trio.machine(2).power_off()
    before = trio.world.clock.now()

    result = trio.kubectl(0, "get", "nodes")

    assert result.returncode == 1 and "Timeout" in result.stderr
    assert trio.world.clock.now() - before >= 10


def test_given_majority_back_when_asked_then_the_api_answers_again(trio):
    for at in (1, 2):
        trio.machine(at).power_off()
    trio.wait(100)
    trio.machine(1).power_on()
    trio.wait(100)

    assert trio.kubectl(0, "get", "nodes").returncode == 0


def test_given_two_nodes_when_the_voter_dies_then_the_cluster_is_lost(pair):
    voter = next(at for at, role in pair.roles().items() if role == "voter")
    other = "1" if voter == "0" else "0"

    pair.machine(voter).power_off()

    assert pair.kubectl(other, "get", "nodes").returncode == 1
    assert datastore.quorum_slack(pair.world, pair.cluster(other)) == -1


def test_given_cut_when_asked_on_both_sides_then_each_sees_its_own_truth(trio):
    trio.world.cut("2")
    trio.wait(60)

    majority = trio.kubectl(0, "get", "nodes", "-o", "json")
    minority = trio.kubectl(2, "get", "nodes")

    ready = {
        item["metadata"]["name"]: item["status"]["conditions"][0]["status"]
        for item in json.loads(majority.stdout)["items"]
    }
    assert ready == {"pi-0": "True", "pi-1": "True", "pi-2": "Unknown"}
    assert minority.returncode == 1


def test_given_pairwise_cut_when_a_leader_reaches_both_then_they_keep_the_quorum(trio):
    lead = datastore.leader(trio.world, trio.cluster()).machine
    followers = [at for at in "012" if at != lead]

    trio.world.cut(*followers)

    assert trio.kubectl(lead, "get", "nodes").returncode == 0
    assert all(trio.kubectl(at, "get", "nodes").returncode == 0 for at in followers)


def test_given_members_when_listed_then_file_and_shell_agree(trio):
    import yaml

    listed = json.loads(trio.dqlite(0, ".cluster").stdout)

    filed = yaml.safe_load(trio.host(0).read(f"{BACKEND}/cluster.yaml"))
    assert filed == listed
    assert {row["Role"] for row in listed} == {0}
    assert trio.dqlite(0, ".leader").stdout.strip() in {row["Address"] for row in listed}


def test_given_cut_machine_when_a_member_is_removed_then_its_own_list_is_old(trio):
    trio.world.cut("2")
    trio.microk8s(0, "remove-node", "pi-2", "--force")

    assert trio.host(2).read(f"{BACKEND}/cluster.yaml").count("Address") == 3
    assert trio.host(0).read(f"{BACKEND}/cluster.yaml").count("Address") == 2
    assert trio.dqlite(2, ".cluster").returncode == 1


def test_given_shell_when_a_member_is_removed_by_address_then_it_is_gone(trio):
    assert trio.dqlite(0, ".remove 10.20.0.13:19001").returncode == 0
    assert trio.dqlite(0, ".remove 10.20.0.99:19001").returncode == 1
    assert len(trio.cluster().members) == 2


def test_given_stopped_voter_when_a_standby_is_there_then_the_vote_is_handed_over(trio):
    trio.install(3)
    trio.join(3)
    trio.wait(60)
    voter = next(at for at, role in trio.roles().items() if role == "voter")

    trio.snap(voter, "stop", "microk8s.daemon-k8s-dqlite")

    assert trio.roles(voter)[voter] != "voter"
    assert list(trio.roles(voter).values()).count("voter") == 3


def test_given_datastore_blocked_by_the_packet_filter_when_asked_then_there_is_no_leader(trio):
    chain = "type filter hook input priority 0;\ntcp dport 19001 drop\n"
    rules = f"table inet x {{\nchain i {{\n{chain}}}\n}}\n"

    for at in (1, 2):
        trio.run(at, "/usr/sbin/nft", "-f", "-", stdin=rules)

    assert trio.dqlite(0, ".leader").returncode == 1


def lose_majority(trio):
    for at in (1, 2):
        trio.world.remove_machine(str(at))
    trio.microk8s(0, "stop")


def reconfigure(trio, keep):
    rows = [
        f"- Address: {item.address}\n  ID: {item.id}\n  Role: 0\n"
        for item in trio.cluster().members
        if item.machine in keep
    ]
    trio.host(0).write(f"{BACKEND}/cluster.yaml", "".join(rows))
    return trio.dqlite(0, f".reconfigure {BACKEND} {BACKEND}/cluster.yaml")


def test_given_lost_quorum_when_reconfigured_to_the_survivor_then_the_api_is_back(trio):
    lose_majority(trio)

    result = reconfigure(trio, {"0"})
    trio.microk8s(0, "start")
    trio.wait(60)

    assert result.stdout == "OK\n"
    assert trio.kubectl(0, "get", "nodes").returncode == 0
    assert trio.cluster().regressions == []


def test_given_running_datastore_when_reconfigured_then_it_refuses(trio):
    assert reconfigure(trio, {"0"}).returncode == 1


def test_given_list_without_this_node_when_reconfigured_then_it_refuses(trio):
    lose_majority(trio)

    assert reconfigure(trio, {"1"}).returncode == 1


def test_given_older_log_when_reconfigured_then_lost_writes_are_noted(trio):
    trio.machine(0).power_off()
    trio.kubectl(1, "create", "namespace", "late")
    trio.wait(5)
    for at in (1, 2):
        trio.machine(at).power_off()
    trio.machine(0).power_on()
    trio.microk8s(0, "stop")

    reconfigure(trio, {"0"})

    assert trio.cluster().regressions


def test_given_power_cut_when_looked_at_then_the_segments_name_the_last_entry(trio):
    trio.machine(2).power_off()
    own = next(item for item in trio.cluster().members if item.machine == "2")

    names = [path.name for path in trio.machine(2).path(BACKEND).iterdir()]

    assert f"{1:016d}-{own.index:016d}" in names
    assert "open-1" in names


def make_world(size, dead, domains=None):
    world = pi.World(pathlib.Path(tempfile.mkdtemp()), pi.Clock())
    cluster = clusters.Cluster("c")
    world.clusters["c"] = cluster
    for number in range(size):
        machine = world.add_machine(str(number))
        machine.node = state.Node("c", number + 1)
        machine.node.services["k8s-dqlite"] = state.Service(active=number not in dead)
        machine.path(BACKEND).mkdir(parents=True)
        (machine.path(BACKEND) / "failure-domain").write_text(str((domains or {}).get(number, 1)))
        role = "voter" if number < min(size, 3) else "spare"
        cluster.members.append(
            clusters.Member(number + 1, f"{machine.address}:19001", role, str(number))
        )
    return world, cluster


SITES = st.integers(1, 6).flatmap(
    lambda size: st.tuples(st.just(size), st.sets(st.integers(0, size - 1), max_size=size))
)


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(SITES)
def test_given_any_site_when_asked_then_there_is_a_leader_exactly_with_a_majority_of_voters(shape):
    size, dead = shape
    world, cluster = make_world(size, dead)

    lead = datastore.leader(world, cluster)

    voters = {item.machine for item in cluster.voters()}
    alive = {at for at in voters if int(at) not in dead}
    assert (lead is not None) == (len(alive) > len(voters) / 2)
    assert lead is None or lead.machine in alive


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(SITES, st.dictionaries(st.integers(0, 5), st.integers(1, 3)))
def test_given_any_site_when_roles_settle_then_the_rules_hold(shape, domains):
    size, dead = shape
    world, cluster = make_world(size, dead, domains)
    if size == 2:
        cluster.members[1].role = "spare"
    lead = datastore.leader(world, cluster)
    hypothesis.assume(lead is not None)

    world.tick()
    world.clock.advance(30)
    world.tick()

    roles = {item.machine: item.role for item in cluster.members}
    online = [at for at in roles if int(at) not in dead]
    voting = [at for at in online if roles[at] == "voter"]
    assert len(voting) == (1 if size < 3 else min(3, len(online)))
    assert datastore.leader(world, cluster) is not None
    wanted = {domains.get(int(at), 1) for at in online}
    if size >= 3 and len(online) >= 3:
        held = {domains.get(int(at), 1) for at in voting}
        assert len(held) == min(3, len(wanted))


@hypothesis.settings(max_examples=40, deadline=None)
@hypothesis.given(SITES)
def test_given_any_site_when_settled_then_another_round_changes_nothing(shape):
    size, dead = shape
    world, cluster = make_world(size, dead)
    world.tick()
    world.clock.advance(30)
    world.tick()
    before = [item.role for item in cluster.members]

    world.clock.advance(300)
    world.tick()

    assert [item.role for item in cluster.members] == before


@hypothesis.settings(max_examples=25, deadline=None)
@hypothesis.given(st.sets(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=10))
def test_given_any_cuts_when_asked_then_two_leaders_never_coexist(cuts):
    world, cluster = make_world(5, set())
    for one, other in cuts:
        if one != other:
            world.cut(str(one), str(other))

    leaders = set()
    for number in range(1, 6):
        cluster.leader = number
        lead = datastore.leader(world, cluster)
        if lead is not None:
            leaders.add(frozenset(_side(world, lead.machine)))

    assert all(one & other for one in leaders for other in leaders)


def _side(world, at):
    return {item for item in "012" if world.reaches(world.machines[at], world.machines[item])}


@pytest.mark.parametrize(("dead", "slack"), [(set(), 1), ({2}, 0), ({1, 2}, -1)])
def test_given_dead_voters_when_counted_then_slack_is_what_may_still_fail(dead, slack):
    world, cluster = make_world(3, dead)

    assert datastore.quorum_slack(world, cluster) == slack
