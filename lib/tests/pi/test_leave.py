import json

import pytest


def dqlite_addresses(site, at=0):
    return [row["Address"] for row in json.loads(site.dqlite(at, ".cluster").stdout)]


def test_given_three_nodes_when_one_leaves_then_it_is_no_member_but_its_node_stays(trio):
    result = trio.microk8s(2, "leave")

    assert result.returncode == 0
    assert dqlite_addresses(trio) == ["10.20.0.11:19001", "10.20.0.12:19001"]
    assert "pi-2" in trio.readiness()


def test_given_departed_node_when_looked_at_then_it_is_a_cluster_of_its_own(trio):
    trio.microk8s(2, "leave")
    trio.wait(60)

    assert trio.cluster(2) is not trio.cluster(0)
    assert trio.cluster(2).members[0].address == "127.0.0.1:19001"
    assert trio.readiness(2) == {"pi-2": "True"}
    assert not trio.has_lock(2, "no-cert-reissue")


def test_given_departed_control_plane_when_looked_at_then_it_owns_the_cluster_s_key_until_purged(
    trio,
):
    path = "/var/snap/microk8s/current/certs/ca.key"
    key = trio.host(0).read(path)

    trio.microk8s(2, "leave")
    after_leaving = trio.host(2).read(path)
    trio.snap(2, "remove", "microk8s", "--purge")

    assert after_leaving == key
    assert not trio.host(2).exists(path)


def test_given_departed_node_when_removed_by_name_then_its_node_is_gone(trio):
    trio.microk8s(2, "leave")

    result = trio.microk8s(0, "remove-node", "pi-2")

    assert (result.returncode, result.stdout) == (0, "")
    assert trio.readiness().keys() == {"pi-0", "pi-1"}


def test_given_two_nodes_when_the_only_voter_leaves_then_exit_3_and_nothing_changes(pair):
    voter = next(at for at, role in pair.roles().items() if role == "voter")

    result = pair.microk8s(voter, "leave")

    assert result.returncode == 3 and "only copy of the Kubernetes database" in result.stdout
    assert pair.machine(voter).node.services["kubelite"].active
    assert len(pair.cluster().members) == 2


def test_given_two_nodes_when_the_spare_leaves_then_it_works(pair):
    spare = next(at for at, role in pair.roles().items() if role == "spare")

    assert pair.microk8s(spare, "leave").returncode == 0
    assert len(pair.cluster(0 if spare != "0" else 1).members) == 1


def test_given_lone_node_when_it_leaves_then_exit_1(single):
    result = single.microk8s(0, "leave")

    assert result.returncode == 1 and "not acting as a node in a cluster" in result.stdout


def test_given_no_quorum_when_a_node_leaves_then_exit_1_and_nothing_is_stopped(trio):
    for at in (1, 2):
        trio.machine(at).power_off()

    result = trio.microk8s(0, "leave")

    assert result.returncode == 1 and "Traceback" in result.stderr
    assert trio.machine(0).node.services["k8s-dqlite"].active


def test_given_others_lost_while_leaving_when_it_deregisters_then_exit_2_with_services_stopped(
    trio,
):
    trio.world.cut("1", "2")

    result = trio.microk8s(0, "leave")

    assert result.returncode == 2
    services = trio.machine(0).node.services
    assert not services["kubelite"].active and not services["k8s-dqlite"].active


def test_given_worker_when_it_leaves_then_its_default_arguments_are_back(quartet):
    result = quartet.microk8s(3, "leave")
    quartet.wait(60)

    assert result.returncode == 0
    assert "microk8s-controlplane" in quartet.arguments(3, "kubelet")
    assert "cluster-dns" not in quartet.arguments(3, "kubelet")
    assert not quartet.has_lock(3, "clustered.lock")
    assert "pi-3" in quartet.readiness(0)


def test_given_member_when_removed_without_force_then_exit_1(trio):
    result = trio.microk8s(0, "remove-node", "pi-2")

    assert result.returncode == 1 and "registered with dqlite" in result.stdout
    assert len(trio.cluster().members) == 3


def test_given_member_when_forced_then_it_is_gone_from_both(trio):
    trio.machine(2).power_off()

    result = trio.microk8s(0, "remove-node", "pi-2", "--force")

    assert (result.returncode, result.stdout) == (0, "")
    assert len(trio.cluster().members) == 2 and "pi-2" not in trio.readiness()


def test_given_flag_first_when_removed_then_it_is_rejected(trio):
    result = trio.microk8s(0, "remove-node", "--force", "pi-2")

    assert result.returncode == 1 and "Please provide the node" in result.stdout
    assert trio.microk8s(0, "remove-node").returncode == 1


def test_given_two_nodes_when_the_spare_removes_the_only_voter_then_exit_2_and_it_stays(pair):
    voter = next(at for at, role in pair.roles().items() if role == "voter")
    other = "1" if voter == "0" else "0"

    result = pair.microk8s(other, "remove-node", f"pi-{voter}", "--force")

    assert result.returncode == 2
    assert pair.roles()[voter] == "voter"


def test_given_worker_when_removed_by_name_then_exit_0_without_force(quartet):
    quartet.machine(3).power_off()

    assert quartet.microk8s(0, "remove-node", "pi-3").returncode == 0
    assert "pi-3" not in quartet.readiness()


def ghost(trio):
    """Make the third node a ghost: gone from Kubernetes, still in the datastore."""
    trio.snap(2, "remove", "microk8s", "--purge")
    trio.kubectl(0, "delete", "node", "pi-2")


def test_given_ghost_when_removed_by_name_then_exit_1_and_it_stays(trio):
    ghost(trio)

    result = trio.microk8s(0, "remove-node", "pi-2", "--force")

    assert result.returncode == 1 and "does not exist in Kubernetes" in result.stdout
    assert len(trio.cluster().members) == 3


def test_given_ghost_when_removed_by_address_then_it_is_gone_and_still_exit_1(trio):
    ghost(trio)

    result = trio.microk8s(0, "remove-node", "10.20.0.13", "--force")

    assert result.returncode == 1
    assert "Removing node entry found in dqlite." in result.stdout
    assert dqlite_addresses(trio) == ["10.20.0.11:19001", "10.20.0.12:19001"]


def test_given_ghost_when_address_comes_without_force_then_it_stays(trio):
    ghost(trio)

    assert trio.microk8s(0, "remove-node", "10.20.0.13").returncode == 1
    assert len(trio.cluster().members) == 3


def test_given_ghost_when_the_same_machine_joins_again_then_it_is_already_known(trio):
    ghost(trio)
    trio.install(2)

    refused = trio.join(2)
    trio.microk8s(0, "remove-node", "10.20.0.13", "--force")
    trio.wait(60)

    assert "already known to dqlite" in refused.stdout
    assert trio.join(2).returncode == 0


def test_given_no_quorum_when_removed_then_it_fails(trio):
    for at in (1, 2):
        trio.machine(at).power_off()

    assert trio.microk8s(0, "remove-node", "pi-2", "--force").returncode != 0
    assert len(trio.cluster().members) == 3


@pytest.mark.parametrize(
    "command", ["add-node", "remove-node", "enable", "disable", "dbctl", "reset"]
)
def test_given_worker_when_a_control_plane_command_is_run_then_exit_1(quartet, command):
    result = quartet.microk8s(3, command, "x")

    assert result.returncode == 1 and "acting as a node in a cluster" in result.stdout
