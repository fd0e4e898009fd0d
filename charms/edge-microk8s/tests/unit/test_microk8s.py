import hashlib
import ssl
import subprocess

import pytest
import yaml

import api_proxy
import join_tokens
import microk8s
from edgecloud.host import kubectl, snap
from edgelab import pi
from microk8s import MicroK8sError
from quorum import Role

LAUNCH = "version: 0.2.0\naddons:\n- name: dns\n"


@pytest.fixture
def world(tmp_path):
    return pi.World(tmp_path, pi.Clock())


def wait(world, seconds=120):
    world.clock.advance(seconds)
    world.tick()


def fresh(world, **facts):
    return world.add_machine(str(len(world.machines)), **facts).host()


def install(world, **facts):
    host = fresh(world, **facts)
    microk8s.install(host, channel="1.35/stable", launch=LAUNCH)
    for _ in range(3):
        wait(world)
    return host


def address(host):
    return host.machine.address


def join(world, seed, host, *, worker=False):
    microk8s.join(host, join_tokens.mint(seed, address(seed)), worker=worker)
    wait(world)
    return host


def tokens(host):
    return host.read(microk8s.TOKENS).split()


def nodes(host):
    return {node.name: node.readiness.value for node in kubectl.nodes(host, microk8s.ADMIN)}


def fault(host, *command, effect, **options):
    host.machine.faults.add(pi.Fault(command, effect, **options))


# --- installation ---


def test_given_a_fresh_machine_when_installed_then_the_snap_is_held(world):
    host = fresh(world)

    changed = microk8s.install(host, channel="1.35/stable", launch=LAUNCH)

    assert changed
    assert microk8s.info(host).held
    assert microk8s.version(host) == "1.35.2"


def test_given_a_launch_configuration_when_installed_then_it_was_there_first_and_is_private(world):
    host = fresh(world)

    microk8s.install(host, channel="1.35/stable", launch="version: 0.2.0\nextraSANs: [a.b]\n")

    assert "a.b" in host.read(f"{microk8s.CERTS}/csr.conf.template")
    assert host.path(microk8s.LAUNCH).stat().st_mode & 0o777 == 0o600


def test_given_an_installed_node_when_installed_again_then_only_the_snap_is_looked_at(world):
    host = install(world)
    before = len(world.calls)

    changed = microk8s.install(host, channel="1.36/stable", launch="other")

    assert not changed
    assert {call.argv[1] for call in world.calls[before:]} == {"list"}


def test_given_a_snap_that_somebody_released_when_installed_again_then_it_is_held(world):
    host = install(world)
    snap.unhold(host, "microk8s")

    assert microk8s.install(host, channel="1.35/stable", launch=LAUNCH)
    assert microk8s.info(host).held


def test_given_an_install_that_takes_too_long_when_tried_again_then_it_says_busy(world):
    host = fresh(world)
    fault(
        host, "/usr/bin/snap", "install", effect=pi.fail(10, '"install-snap" change in progress')
    )

    with pytest.raises(MicroK8sError) as caught:
        microk8s.install(host, channel="1.35/stable", launch=LAUNCH)

    assert caught.value.busy


def test_given_no_store_when_installed_then_snapds_words_are_kept(world):
    with pytest.raises(MicroK8sError, match="unable to contact snap store"):
        microk8s.install(fresh(world, uplink=False), channel="1.35/stable", launch=LAUNCH)


def test_given_a_machine_without_microk8s_when_asked_then_it_has_no_version(world):
    host = fresh(world)

    assert microk8s.version(host) is None
    assert microk8s.authority(host) is None
    assert microk8s.members(host) == ()


def test_given_a_held_node_when_refreshed_then_it_moves_and_stays_held(world):
    host = install(world)

    microk8s.refresh(host, channel="1.36/stable")

    assert microk8s.version(host).startswith("1.36")
    assert microk8s.info(host).held


def test_given_a_channel_that_does_not_exist_when_refreshed_then_that_is_said(world):
    with pytest.raises(MicroK8sError, match=r"is not available on 1\.99/stable"):
        microk8s.refresh(install(world), channel="1.99/stable")


def test_given_no_daemons_when_restarted_then_no_process_runs(world):
    host = fresh(world)

    microk8s.restart(host, [])

    assert world.calls == []


def test_given_a_machine_without_the_snap_when_started_or_restarted_then_it_fails(world):
    host = fresh(world)

    with pytest.raises(MicroK8sError, match="is not installed"):
        microk8s.start(host)
    with pytest.raises(MicroK8sError, match="is not installed"):
        microk8s.restart(host, ["kubelite"])


def test_given_a_launch_configuration_when_its_add_ons_are_on_then_the_node_is_launched(world):
    host = fresh(world)
    microk8s.install(host, channel="1.35/stable", launch=LAUNCH)
    at_first = microk8s.is_launched(host)

    for _ in range(3):
        wait(world)

    assert (at_first, microk8s.is_launched(host)) == (False, True)


# --- what this node is ---


def test_given_a_host_name_with_capitals_when_asked_then_the_node_has_none(world):
    assert microk8s.node_name(fresh(world, hostname="Pi-One")) == "pi-one"


def test_given_two_nodes_when_asked_then_their_authorities_differ(world):
    one, other = install(world), install(world)

    assert microk8s.authority(one) != microk8s.authority(other)


def test_given_a_certificate_when_asked_then_the_authority_is_its_digest(world):
    host = install(world)
    certificate = ssl.PEM_cert_to_DER_cert(host.read(f"{microk8s.CERTS}/ca.crt"))

    assert microk8s.authority(host) == hashlib.sha256(certificate).hexdigest()


@pytest.mark.parametrize("text", ["no certificate", "-----BEGIN CERTIFICATE-----\n€\n-----END"])
def test_given_a_damaged_certificate_when_asked_then_it_still_tells_clusters_apart(world, text):
    host = install(world)
    host.write(f"{microk8s.CERTS}/ca.crt", text)

    assert microk8s.authority(host) == hashlib.sha256(text.encode()).hexdigest()


def test_given_a_new_node_when_asked_then_it_is_the_only_voter(world):
    (member,) = microk8s.members(install(world))

    assert (member.address, member.role) == ("127.0.0.1", Role.VOTER)


def test_given_a_damaged_list_of_members_when_asked_then_that_is_said(world):
    host = install(world)
    host.write(f"{microk8s.BACKEND}/cluster.yaml", "- Address: [")

    with pytest.raises(MicroK8sError, match=r"cluster\.yaml is damaged"):
        microk8s.members(host)


def test_given_a_datastore_that_answers_nonsense_when_asked_then_that_is_said(world):
    host = install(world)
    host.path(microk8s.DQLITE).unlink()

    with pytest.raises(MicroK8sError, match=r"dqlite \.cluster could not be run"):
        microk8s.live_members(host)


# --- join tokens ---


def test_given_a_node_when_a_url_is_minted_then_it_has_the_fingerprint_and_one_use(world):
    host = install(world)

    url = join_tokens.mint(host, address(host))

    place, token, fingerprint = url.split("/")
    assert place == f"{address(host)}:25000"
    assert tokens(host) == [token]
    assert len(fingerprint) == 12


def test_given_a_minted_url_when_looked_for_then_the_charm_keeps_no_copy(world):
    host = install(world)
    token = join_tokens.mint(host, address(host)).split("/")[1]

    kept = "".join(host.read(path) for path in host.glob(f"{microk8s.STATE}/*"))

    assert kept
    assert token not in kept
    assert all(token not in word for call in world.calls for word in call.argv)


def test_given_a_url_when_revoked_then_it_is_useless_and_others_are_not(world):
    host = install(world)
    one, other = (join_tokens.mint(host, address(host)) for _ in range(2))

    revoked = [join_tokens.revoke(host, one) for _ in range(2)]

    assert revoked == [True, False]
    assert tokens(host) == [other.split("/")[1]]


def test_given_old_tokens_when_pruned_then_young_ones_and_the_users_stay(world):
    host = install(world)
    join_tokens.mint(host, address(host))
    host.run(("/snap/bin/microk8s", "add-node"), timeout_s=60)
    wait(world, 1000)
    young = join_tokens.mint(host, address(host)).split("/")[1]

    pruned = [join_tokens.prune(host, older_than_s=900) for _ in range(2)]

    assert pruned == [1, 0]
    assert young in tokens(host)
    assert len(tokens(host)) == 2


def test_given_no_tokens_when_pruned_then_nothing_is_read_or_written(world):
    host = fresh(world)

    assert join_tokens.prune(host, older_than_s=0) == 0
    assert world.calls == []


def test_given_a_token_file_when_pruned_then_its_mode_stays(world):
    host = install(world)
    before = host.path(microk8s.TOKENS).stat().st_mode
    join_tokens.revoke(host, join_tokens.mint(host, address(host)))

    assert host.path(microk8s.TOKENS).stat().st_mode == before


def test_given_an_answer_without_a_token_when_minted_then_it_is_not_repeated(world, monkeypatch):
    host = install(world)
    answer = subprocess.CompletedProcess((), 0, '{"urls": ["secret"]}', "")
    monkeypatch.setattr(type(host), "run", lambda *args, **options: answer)

    with pytest.raises(MicroK8sError) as caught:
        join_tokens.mint(host, address(host))

    assert "secret" not in str(caught.value)


# --- join and leave ---


def test_given_a_seed_when_a_control_plane_joins_then_both_are_members(world):
    seed, joiner = install(world), install(world)

    join(world, seed, joiner)

    assert {member.address for member in microk8s.members(seed)} == {
        address(seed),
        address(joiner),
    }
    assert microk8s.members(joiner) == microk8s.live_members(seed)
    assert nodes(seed) == {"pi-0": "ready", "pi-1": "ready"}


def test_given_a_seed_when_a_worker_joins_then_it_asks_with_its_own_credentials(world):
    seed, worker = install(world), install(world)

    join(world, seed, worker, worker=True)

    assert microk8s.is_worker(worker)
    assert microk8s.kubeconfig(worker) == microk8s.KUBELET
    assert len(kubectl.nodes(worker, microk8s.kubeconfig(worker))) == 2


@pytest.mark.parametrize("worker", [False, True])
def test_given_a_node_that_joined_when_asked_then_its_authority_is_the_clusters(world, worker):
    seed, joiner = install(world), install(world)

    join(world, seed, joiner, worker=worker)

    assert microk8s.authority(joiner) == microk8s.authority(seed)


def test_given_a_join_when_looked_for_then_the_token_is_on_no_command_line(world):
    seed, joiner = install(world), install(world)
    url = join_tokens.mint(seed, address(seed))

    microk8s.join(joiner, url, worker=False)

    token = url.split("/")[1]
    assert all(token not in word for call in world.calls for word in call.argv)


def test_given_a_used_url_when_joined_then_it_fails_without_repeating_the_token(world):
    seed, joiner = install(world), install(world)
    url = join_tokens.mint(seed, address(seed))
    join_tokens.revoke(seed, url)

    with pytest.raises(MicroK8sError, match="cluster-agent init failed") as caught:
        microk8s.join(joiner, url, worker=False)

    assert url.split("/")[1] not in str(caught.value)
    assert caught.value.__cause__ is None


def test_given_a_complaint_with_the_token_when_joined_then_it_is_taken_out(world):
    host = install(world)
    url = f"10.20.0.11:25000/{'a1' * 16}/0123456789ab"
    fault(host, "/usr/bin/snap", "run", effect=pi.fail(1, f"cannot join {url}"))

    with pytest.raises(MicroK8sError, match="/…/0123456789ab"):
        microk8s.join(host, url, worker=False)


def test_given_a_failed_join_when_tried_again_then_its_lock_does_no_harm(world):
    seed, joiner = install(world), install(world)
    used = join_tokens.mint(seed, address(seed))
    join_tokens.revoke(seed, used)
    with pytest.raises(MicroK8sError):
        microk8s.join(joiner, used, worker=False)
    locked = joiner.exists(f"{microk8s.LOCKS}/join-in-progress")

    join(world, seed, joiner)

    assert locked
    assert not microk8s.clear_stale_join(joiner)
    assert nodes(seed)["pi-1"] == "ready"


def test_given_a_launch_that_never_worked_when_joined_then_it_does_not_reach_the_cluster(world):
    seed, joiner = install(world), fresh(world)
    microk8s.install(joiner, channel="1.35/stable", launch=LAUNCH)

    join(world, seed, joiner)

    assert microk8s.is_launched(joiner)


def test_given_a_join_that_hangs_when_joined_then_it_ends(world):
    host = install(world)
    fault(host, "/usr/bin/snap", "run", effect=pi.hang())

    with pytest.raises(MicroK8sError, match="took longer than 600 s"):
        microk8s.join(host, "10.20.0.11:25000/abc/def", worker=False)


def test_given_a_member_when_it_leaves_then_it_is_out_of_the_datastore(world):
    seed = install(world)
    joiner = join(world, seed, install(world))

    assert microk8s.leave(joiner)

    assert [member.address for member in microk8s.live_members(seed)] == [address(seed)]


def test_given_a_node_by_itself_when_it_leaves_then_there_was_no_cluster(world):
    assert not microk8s.leave(install(world))


def test_given_the_only_voter_of_two_when_it_leaves_then_it_is_refused(world):
    seed = install(world)
    join(world, seed, install(world))

    with pytest.raises(MicroK8sError, match="only copy"):
        microk8s.leave(seed)


def test_given_a_node_that_left_when_removed_then_nothing_of_it_is_in_kubernetes(world):
    seed = install(world)
    joiner = join(world, seed, install(world))
    microk8s.leave(joiner)

    removed = [microk8s.remove_node(seed, name="pi-1", address=address(joiner)) for _ in range(2)]

    assert removed == [True, False]
    assert nodes(seed) == {"pi-0": "ready"}


def test_given_a_dead_node_when_removed_then_it_is_out_of_the_datastore_too(world):
    seed = install(world)
    dead = join(world, seed, install(world))
    join(world, seed, install(world))
    dead.machine.power_off()
    wait(world)

    assert microk8s.remove_node(seed, name="pi-1", address="10.20.0.12")

    assert "10.20.0.12" not in {member.address for member in microk8s.live_members(seed)}
    assert sorted(nodes(seed)) == ["pi-0", "pi-2"]


def test_given_a_ghost_whose_node_was_deleted_when_removed_then_its_address_finds_it(world):
    seed = install(world)
    for _ in range(2):
        join(world, seed, install(world))
    kubectl.delete(seed, microk8s.ADMIN, "node", "pi-1")
    world.machines["1"].power_off()

    assert microk8s.remove_node(seed, name="pi-1", address="10.20.0.12")

    assert "10.20.0.12" not in {member.address for member in microk8s.live_members(seed)}


def test_given_a_removal_that_does_nothing_when_removed_then_it_does_not_count(world):
    seed = install(world)
    joiner = join(world, seed, install(world))
    fault(seed, "/snap/bin/microk8s", "remove-node", effect=pi.fail(0), times=0)

    with pytest.raises(MicroK8sError, match="is still in the cluster after its removal"):
        microk8s.remove_node(seed, name="pi-1", address=address(joiner))


def test_given_an_api_that_is_away_when_removed_then_its_words_are_kept(world):
    host = install(world)
    fault(host, kubectl.KUBECTL, effect=pi.fail(1, "connection refused"), times=0)

    with pytest.raises(MicroK8sError, match="connection refused"):
        microk8s.remove_node(host, name="pi-1", address="10.20.0.12")


def test_given_a_removal_that_hangs_when_removed_then_it_ends(world):
    seed = install(world)
    joiner = join(world, seed, install(world))
    fault(seed, "/snap/bin/microk8s", "remove-node", effect=pi.hang())

    with pytest.raises(MicroK8sError, match="took longer than 120 s"):
        microk8s.remove_node(seed, name="pi-1", address=address(joiner))


def test_given_a_node_that_left_when_purged_then_the_clusters_key_is_gone(world):
    seed = install(world)
    joiner = join(world, seed, install(world))
    microk8s.leave(joiner)

    purged = [microk8s.purge(joiner) for _ in range(2)]

    assert purged == [True, False]
    assert joiner.glob("/var/snap/microk8s/**/ca.key") == []
    assert not joiner.exists(microk8s.LAUNCH)


def test_given_a_key_that_stays_when_purged_then_that_is_said(world):
    host = install(world)
    microk8s.purge(host)
    host.write("/var/snap/microk8s/8601/certs/ca.key", "key")

    with pytest.raises(MicroK8sError, match=r"delete /var/snap/microk8s/8601/certs/ca\.key"):
        microk8s.purge(host)


def test_given_a_machine_that_was_purged_when_it_comes_back_then_it_may_join_again(world):
    seed = install(world)
    joiner = join(world, seed, install(world))
    microk8s.leave(joiner)
    microk8s.remove_node(seed, name="pi-1", address=address(joiner))
    microk8s.purge(joiner)
    microk8s.install(joiner, channel="1.35/stable", launch=LAUNCH)
    wait(world, 300)

    join(world, seed, joiner)

    assert nodes(seed) == {"pi-0": "ready", "pi-1": "ready"}


# --- the API servers that a worker knows ---

ENDPOINTS = ["10.20.0.11:16443", "10.20.0.12:16443", "10.20.0.13:16443"]


def known(host):
    services = yaml.safe_load(host.read(api_proxy.PROVIDER))["tcp"]["services"]
    servers = services["kube-apiserver"]["loadBalancer"]["servers"]
    return [server["address"] for server in servers]


@pytest.fixture
def worker(world):
    return join(world, install(world), install(world), worker=True)


def test_given_a_worker_that_knows_one_server_when_ensured_then_it_knows_all(world, worker):
    changed = api_proxy.ensure(worker, ENDPOINTS)

    assert changed
    assert known(worker) == ENDPOINTS
    assert world.calls[-1].argv[-1] == "microk8s.daemon-apiserver-proxy"


def test_given_a_worker_that_knows_two_when_ensured_then_its_own_list_stays(worker):
    api_proxy.ensure(worker, ENDPOINTS[:2])

    assert not api_proxy.ensure(worker, ENDPOINTS)
    assert known(worker) == ENDPOINTS[:2]


@pytest.mark.parametrize("text", ["", "tcp:\n  routers: {a: b}\n"])
def test_given_an_empty_list_when_ensured_then_it_is_filled(worker, text):
    worker.write(api_proxy.PROVIDER, text)

    assert api_proxy.ensure(worker, ENDPOINTS)
    assert known(worker) == ENDPOINTS


def test_given_only_servers_that_are_gone_when_ensured_then_they_are_replaced(worker):
    assert api_proxy.ensure(worker, ["10.20.0.99:16443"])
    assert known(worker) == ["10.20.0.99:16443"]


def test_given_no_endpoints_yet_when_ensured_then_the_list_stays(worker):
    assert not api_proxy.ensure(worker, [])


def test_given_a_control_plane_when_ensured_then_it_has_no_such_list(world):
    assert not api_proxy.ensure(install(world), ENDPOINTS)


def test_given_a_member_that_is_there_when_knocked_at_then_it_answers(trio):
    assert microk8s.answers(trio.host(0), "10.20.0.12")


def test_given_a_member_without_power_when_knocked_at_then_it_is_silent_at_once(trio):
    trio.world.machines["1"].power_off()

    assert not microk8s.answers(trio.host(0), "10.20.0.12")


@pytest.mark.parametrize(
    "left", [b"", b"\x00" * 64, b"\xff\xfe{[", b"tcp: [a", b"tcp: [a]\n", b"tcp:\n  services:\n"]
)
def test_given_a_list_of_servers_that_a_power_cut_damaged_when_ensured_then_it_is_whole_again(
    worker, left
):
    worker.path(api_proxy.PROVIDER).write_bytes(left)

    assert api_proxy.ensure(worker, ENDPOINTS)
    assert not api_proxy.ensure(worker, ENDPOINTS)


@pytest.mark.parametrize(
    "left",
    [
        b"\x00" * 64,
        b"- Address: 10.20.0.11:19001\n  ID: 1\n",
        b"- Address: 10.20.0.11:19001\n  ID: 1\n  Ro",
        b"- Address: 10.20.0.11:19001\n  ID: 1\n  Role:\n",
        b"- Address: 10.20.0.11:19001\n  ID: 1\n  Role: 9\n",
        b"- Addr",
        b"- \xff\xfe",
    ],
)
def test_given_a_list_of_members_that_a_power_cut_damaged_when_read_then_it_says_so(world, left):
    host = install(world)
    host.path(f"{microk8s.BACKEND}/cluster.yaml").write_bytes(left)

    with pytest.raises(microk8s.MicroK8sError, match="is damaged"):
        microk8s.members(host)
