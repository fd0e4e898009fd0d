import calm
import heartbeats

ADMIN = "/var/snap/microk8s/current/credentials/client.config"


def remember(host, lines, *, leader):
    calm.remember(host, heartbeats.look(host, ADMIN), lines, leader=leader)


def test_given_all_well_when_nothing_changed_then_the_lines_are_known(trio):
    host = trio.host(0)
    remember(host, {"unit": ["active", "node ready"]}, leader=False)

    assert calm.still(host, leader=False) == {"unit": ["active", "node ready"]}


def test_given_all_well_when_a_node_fails_then_everything_is_looked_at(trio):
    host = trio.host(0)
    remember(host, {"unit": ["active", "node ready"]}, leader=False)

    trio.world.machines["2"].power_off()
    trio.settle()

    assert calm.still(host, leader=False) is None


def test_given_all_well_when_the_leader_changed_then_everything_is_looked_at(trio):
    host = trio.host(0)
    remember(host, {"unit": ["active", "node ready"]}, leader=False)

    assert calm.still(host, leader=True) is None


def test_given_all_well_when_half_an_hour_is_over_then_everything_is_looked_at(trio):
    host = trio.host(0)
    remember(host, {"unit": ["active", "node ready"]}, leader=False)

    trio.world.clock.advance(calm.LASTS_S)

    assert calm.still(host, leader=False) is None


def test_given_all_well_when_the_cluster_does_not_answer_then_everything_is_looked_at(trio):
    host = trio.host(0)
    remember(host, {"unit": ["active", "node ready"]}, leader=False)

    for number in ("1", "2"):
        trio.world.machines[number].power_off()

    assert calm.still(host, leader=False) is None


def test_given_a_backup_that_failed_when_it_was_calm_then_everything_is_looked_at(trio):
    host = trio.host(0)
    remember(host, {"unit": ["active", "node ready"]}, leader=False)

    host.write("/var/lib/edge-microk8s/backup-result.json", '{"error": "disk full"}')

    assert calm.still(host, leader=False) is None
