"""Pages on LXD, followed by somebody on simulated machines."""

import pathlib
import re

import pytest
from lxd_site import APP, CHARM, LxdSite

from edgecloud.lxd import cluster, daemon, images, instances
from edgelab import juju_commands, walkthrough

REPOSITORY = pathlib.Path(__file__).parents[2]
PAGES = REPOSITORY / "docs" / "how-to"
RECOVERING, BUILDING, HOSTING = (
    PAGES / f"{name}.md" for name in ("recover-lxd", "build-an-lxd-cloud", "host-kubernetes-nodes")
)
PLANE = "edge-microk8s"


def text_below(heading, page):
    text = page.read_text(encoding="utf-8")
    (found,) = re.findall(rf"^## {heading}\n(.*?)(?=^## |\Z)", text, re.M | re.S)
    return found


def section(heading, page=RECOVERING):
    return walkthrough.commands_of(text_below(heading, page))


@pytest.fixture
def keyboard(tmp_path):
    """Return a function that makes a settled site, and somebody at its keyboard."""
    made = []

    def sit_down(pis):
        juju = LxdSite(tmp_path / "site", seed=1, pis=pis)
        made.append(juju)
        juju.settle()
        return juju_commands.Shell(juju, REPOSITORY)

    yield sit_down
    for juju in made:
        juju.close()


def api(shell, machine):
    return daemon.connect(shell.juju.world.machines[machine].host(), daemon.SNAP)


def test_given_two_of_three_lost_when_the_page_is_followed_then_the_third_serves_alone(keyboard):
    shell = keyboard(3)
    for machine in ("0", "1"):
        shell.juju.power_off(machine)
    shell.juju.advance(600)
    blocked = shell.juju.units["edge-lxd/2"].status.message
    look, recover = section("The majority is lost")

    identity = re.search(r"confirm=([0-9a-f]+)", shell.run(look)).group(1)
    shell.run(recover.replace("0123456789ab", identity))

    assert "lost its majority" in blocked
    found = {one.name: one.status for one in cluster.members(api(shell, "2"))}
    assert found["edge-lxd-2"] is cluster.Status.ONLINE


def test_given_every_unit_removed_by_force_when_the_page_is_followed_then_the_new_one_begins_anew(
    keyboard,
):
    shell = keyboard(2)
    look, begin = section("No unit is left")
    juju = shell.juju
    steward = juju.applications[APP].leader
    added = juju.add_unit(APP).name
    for unit in ("edge-lxd/0", "edge-lxd/1"):
        juju.power_off(juju.units[unit].machine)
    for unit in sorted(("edge-lxd/0", "edge-lxd/1"), key=lambda unit: unit == steward):
        juju.remove_unit(unit, force=True)
    juju.advance(1800)
    waits = str(juju.units[added].status)

    identity = re.search(r"confirm=([0-9a-f]+)", shell.run(look)).group(1)
    alone = len(juju.clusters())
    shell.run(begin.replace("0123456789ab", identity))
    juju.settle()

    assert waits.startswith("blocked: no unit is left of edge-lxd-0, edge-lxd-1, "), waits
    assert added == "edge-lxd/2"
    assert alone == 1
    assert juju.units[added].status.name == "active"
    [member] = cluster.members(api(shell, juju.units[added].machine))
    assert member.name == "edge-lxd-2"


def test_given_a_dead_card_when_the_page_is_followed_then_the_instances_are_back(keyboard):
    shell = keyboard(1)
    plan = instances.Plan("till", instances.Source.nothing())
    instances.create(api(shell, "0"), plan)
    (found,) = [
        document
        for site in shell.juju.world.lxd_sites.values()
        for key, document in site.objects.items()
        if key == "instances/default/till"
    ]
    shell.juju.power_off("0")
    remove, add, deploy, recover = section("The card died, the disk lives")
    shell.run(remove)
    shell.run(add)
    # The disk moves to the new machine with what is on it.
    disk = shell.juju.world.machines["1"].drives[1]
    disk.update(left=[found], partitions=[{"id": "nvme0n1p1"}])
    # The keyboard of the lab deploys bundles only.
    assert deploy == "juju deploy ./edge-lxd --to 1"
    shell.juju.add_application(APP, CHARM, config={"network": "managed"})
    unit = shell.juju.add_unit(APP, "1")
    shell.juju.advance(600)
    waits = unit.status.message

    said = shell.run(recover.replace("edge-lxd/1", unit.name))
    shell.juju.advance(600)

    assert "nvme0n1: holds something" in waits
    assert "till" in said
    assert unit.status.name == "active", unit.status.message
    assert instances.find(api(shell, "1"), "till") is not None


def test_given_a_cluster_when_backed_up_as_the_page_says_then_only_root_may_read_it(keyboard):
    shell = keyboard(1)
    (backup,) = section("Beforehand")

    shell.run(backup)

    host = shell.juju.world.machines["0"].host()
    (taken,) = host.glob("/var/lib/edge-lxd/backups/*")
    assert host.path(taken).stat().st_mode & 0o777 == 0o600
    assert "cluster.key" in host.read(taken)


# --- build an LXD cloud --------------------------------------------------------------------------


def test_given_no_internet_when_the_page_is_followed_then_juju_finds_its_image(keyboard, tmp_path):
    shell = keyboard(1)
    shell.juju.world.machines["0"].uplink = False
    shell.folder = tmp_path
    *attach, run = re.findall(
        r"^    (juju (?:attach-resource|run) .+)$", text_below("Put a model on it", BUILDING), re.M
    )
    for command in attach:
        (tmp_path / command.rpartition("=")[2]).write_bytes(command.encode())
        shell.run(command)

    said = shell.run(run)

    assert len(attach) == 2
    assert "imported" in said
    assert images.alias(api(shell, "0"), "juju/ubuntu@24.04/arm64") in said


# --- host Kubernetes nodes -----------------------------------------------------------------------


@pytest.fixture
def beside(keyboard):
    """Somebody at the keyboard of a site with a control plane beside LXD, not related to it."""
    shell = keyboard(1)
    shell.juju.add_application(PLANE, CHARM.parent / PLANE)
    shell.juju.add_unit(PLANE)
    shell.juju.settle()
    return shell


def nodes(shell):
    (cluster_of_all,) = shell.juju.world.clusters.values()
    return {name: node.ready == "True" for name, node in cluster_of_all.nodes.items()}


def follow(shell, *headings):
    for heading in headings:
        for command in section(heading, HOSTING):
            shell.run(command)
        shell.juju.settle()


def test_given_the_page_on_hosting_when_followed_then_a_node_comes_and_is_replaced_and_goes(
    beside,
):
    follow(beside, "Before", "Make nodes")
    made = nodes(beside)
    status = beside.run("juju status")
    follow(beside, "Change them")
    replaced = nodes(beside)
    follow(beside, "Make them fewer")

    assert made == {"pi-2": True, "edge-lxd-0-1a": True}
    assert "1/1 nodes joined" in status
    assert "`1/1 nodes joined`" in HOSTING.read_text(encoding="utf-8")
    assert replaced == {"pi-2": True, "edge-lxd-0-1b": True}
    assert nodes(beside) == {"pi-2": True}
    assert instances.every(api(beside, "0")) == ()


def test_given_a_hosted_node_when_its_machine_is_rebooted_as_the_page_says_then_it_is_ready(
    beside,
):
    follow(beside, "Before", "Make nodes")
    evacuate, restore = section("Reboot a machine that hosts some", HOSTING)

    beside.run(evacuate)
    stopped = [one.running for one in instances.every(api(beside, "0"))]
    beside.juju.power_off("0")
    beside.juju.advance(60)
    beside.juju.power_on("0")
    beside.juju.advance(300)
    waiting = [one.running for one in instances.every(api(beside, "0"))]
    beside.run(restore)
    beside.juju.settle()

    assert (stopped, waiting) == ([False], [False])
    assert nodes(beside) == {"pi-2": True, "edge-lxd-0-1a": True}
