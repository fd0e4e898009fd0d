"""Sites that a monitor watches: what it sees of them, and what its word does to an upgrade."""

import json
import re

import pytest
import upgrade_site
import yaml

from edgecloud.rollout import plan
from edgelab import bundle, faults, model, site_page
from edgelab.pi import monitoring, promql

BUNDLES = upgrade_site.HERE.parents[1] / "bundles"
README = upgrade_site.HERE.parents[1] / "README.md"
MONITORED = BUNDLES / "overlays" / "monitor.yaml"
MONITOR = upgrade_site.HERE.parents[1] / "charms" / "edge-monitor"
CALM = {"name": "calm", "type": "alerts", "query": 'severity="critical"', "when": ["before"]}
WELL = {"name": "units-up", "type": "promql", "when": ["before"]}


@pytest.fixture(params=range(5), ids=lambda seed: f"seed-{seed}")
def seed(request):
    """Fewer than elsewhere, for the time that a whole site takes."""
    return request.param


@pytest.fixture
def watched(tmp_path, seed):
    """The bundle of three Pis with the overlay that adds the monitor."""
    site = model.Model(tmp_path / "site", seed=seed)
    site.deploy(bundle.read(BUNDLES / "edge-cloud.yaml", [MONITORED]))
    site.settle()
    site.advance(600)
    site.settle()
    yield site
    site.close()


def known(site, query):
    machine = site.world.machines[site.units["edge-monitor/0"].machine]
    return promql.answer(query, lambda: monitoring.series(machine))


def test_given_the_bundle_with_a_monitor_when_deployed_then_it_looks_at_every_node(watched):
    statuses = {unit.name: unit.status.name for unit in watched.units.values()}

    assert set(statuses.values()) == {"active"}
    pages = known(watched, 'count by (juju_unit) (up{job="kubelite"})')
    assert sorted(labels["juju_unit"] for labels, _ in pages) == [
        f"edge-microk8s/{number}" for number in range(3)
    ]
    assert {count for _, count in pages} == {1}
    assert known(watched, 'ALERTS{alertname="Watchdog"}')


def test_given_the_bundle_with_a_monitor_when_deployed_then_every_machine_delivers_once(watched):
    found = known(watched, 'count by (node) (up{job="node"})')

    assert sorted((labels["node"], count) for labels, count in found) == [
        ("pi-1", 1), ("pi-2", 1), ("pi-3", 1),
    ]  # fmt: skip
    units = known(watched, 'count by (juju_unit) (up{job="node"} == 1)')
    assert {labels["juju_unit"].split("/")[0] for labels, _ in units} == {"edge-node"}


def test_given_the_faults_of_the_readme_when_they_have_come_then_the_whole_site_is_well(tmp_path):
    """A Pi loses power, with all that runs on it for the monitor."""
    command = re.search(r"--seed (\d+) --fault .*", README.read_text())
    with model.Model(tmp_path / "site", seed=int(command[1])) as site:
        site.deploy(bundle.read(BUNDLES / "edge-cloud.yaml", [MONITORED]))
        for text in re.findall(r"--fault (\S+)", command[0]):
            faults.arm(site, faults.parse(text))

        site.settle(within_s=6 * 3600)

        assert [each.text for each in site.record.incidents] == ["power cut", "powered on"]
        assert {unit.name: unit.status.name for unit in site.units.values()} == dict.fromkeys(
            site.units, "active"
        )
        assert len(known(site, 'up{job="node"} == 1')) == len(site.world.machines)


def test_given_a_machine_that_is_cut_off_when_looked_at_then_it_is_missed_and_heard_again(watched):
    far = next(
        machine
        for machine in watched.world.machines.values()
        if machine.id != watched.units["edge-monitor/0"].machine
    )
    watched.cut_peers(far.id)

    nodes = known(watched, 'up{job="node"}')
    assert far.hostname not in {labels["node"] for labels, _ in nodes}
    assert not known(watched, 'ALERTS{alertname="Watchdog"}')
    watched.heal_peers(far.id)

    assert known(watched, 'ALERTS{alertname="Watchdog"}')


def test_given_machines_without_a_forwarder_when_watched_then_they_are_seen_and_missed_as_others(
    watched,
):
    monitor = watched.world.machines[watched.units["edge-monitor/0"].machine]
    far = next(each for each in watched.world.machines.values() if each is not monitor)
    watched.set_config("edge-node", {"forwarder": "none"})
    watched.settle()
    shown = {
        labels["node"]: (labels["juju_unit"].split("/")[0], labels["instance"], up)
        for labels, up in known(watched, 'up{job="node"}')
    }
    said = {unit.status.message for name, unit in watched.units.items() if "edge-node" in name}
    let_in = "writer-" in monitor.host().read("/etc/edge-monitor/door.yml")
    watched.cut_peers(far.id)
    heard = known(watched, f'up{{job="node",node="{far.hostname}"}}')
    booted = known(watched, "node_boot_time_seconds")
    watched.heal_peers(far.id)
    watched.set_config("edge-node", {"forwarder": "own"})
    watched.settle()
    delivered = known(watched, 'count by (node) (up{job="node"} == 1)')

    assert shown == {
        each.hostname: ("edge-node", f"{each.address}:19100", 1)
        for each in watched.world.machines.values()
    }
    assert all(each.endswith("metrics without a buffer, by forwarder") for each in said)
    assert not let_in
    assert [up for _, up in heard] == [0]
    assert {labels["node"] for labels, _ in booted} == set(shown) - {far.hostname}
    assert {labels["node"]: count for labels, count in delivered} == dict.fromkeys(shown, 1)
    assert monitor.host().glob("/etc/edge-monitor/shown/*") == []
    for machine in watched.world.machines.values():
        assert machine.host().glob("/etc/edge-node/page/*") == []


def test_given_a_supply_that_sags_when_the_page_is_rendered_then_it_says_which_and_what_to_do(
    watched,
):
    calm = site_page.render(watched)
    faults.arm(watched, faults.parse("weak-supply:1@0"))
    watched.advance(120)

    page = site_page.render(watched)

    assert "All is well" in calm
    assert all(f"pi-{number}" in page for number in (1, 2, 3))
    assert "All is well" not in page
    assert "The supply of pi-2 sags" in page


def test_given_a_gate_that_holds_when_the_page_is_rendered_then_it_says_which_and_for_what(
    watched,
):
    control = "edge-upgrade-controller"
    build = watched.world.store.find("microk8s", "1.36/stable", "arm64").revision
    release = {"revision": {"arm64": int(build)}}
    kubernetes = {"to": "1.36", "releases": {"1.36": release}}
    document = {**upgrade_site.DOCUMENT, "targets": {"kubernetes": kubernetes}, "gates": [CALM]}
    host = watched.world.machines[watched.units["edge-monitor/0"].machine].host()
    raised = [{"alertname": "DiskFull", "severity": "critical", "node": "pi-2"}]
    host.write(monitoring.ALERTS, json.dumps(raised))
    watched.set_config(control, {"plan": yaml.safe_dump(document)})
    digest = plan.read(document).digest
    started = watched.run(f"{control}/leader", "start", {"plan-digest": digest})
    assert started.status == "completed", started.message

    watched.advance(3600)
    page = site_page.render(watched)

    assert "Held up: gate calm: fail" in page
    assert "Fires: DiskFull on pi-2" in page
    assert "kubernetes/1.36, canary" in page
    assert "3 waiting" in page
    assert "Verdicts of the gate calm over the last six hours: " in page
    host.write(monitoring.ALERTS, "[]")
    watched.advance(400)
    assert "Held up" not in site_page.render(watched)


def test_given_nodes_that_the_monitor_leaves_when_settled_then_nothing_of_it_is_left(watched):
    watched.remove_relation("edge-monitor:nodes", "edge-node:monitor")
    watched.settle()

    for machine in watched.world.machines.values():
        host = machine.host()
        assert host.glob("/etc/systemd/system/edge-forwarder*") == []
        assert host.glob("/etc/edge-node/*") == ["/etc/edge-node/monitors"]
        assert host.glob("/etc/edge-node/monitors/*") == []
    door = watched.world.machines[watched.units["edge-monitor/0"].machine].host()
    assert "writer-" not in door.read("/etc/edge-monitor/door.yml")
    assert known(watched, 'ALERTS{alertname="Watchdog"}')


class MonitoredSite(upgrade_site.UpgradeSite):
    """A site whose controller asks a monitor before it lets a node be disturbed."""

    def __init__(self, folder, *, seed):
        super().__init__(folder, seed=seed)
        self.add_application("monitor", MONITOR)
        self.monitor = self.add_unit("monitor").machine
        self.integrate("control:health-gate", "monitor:health-gate")
        self.settle()

    def raise_alerts(self, *alerts):
        machine = self.world.machines[self.monitor]
        machine.host().write(monitoring.ALERTS, json.dumps(list(alerts)))

    def _count(self, hook):
        if not hook.unit.startswith("monitor/"):
            super()._count(hook)


@pytest.fixture
def monitored(tmp_path, seed):
    site = MonitoredSite(tmp_path / "site", seed=seed)
    yield site
    site.close()


def test_given_a_site_that_is_well_when_upgraded_then_the_monitors_word_lets_it_through(monitored):
    monitored.start(gates=[CALM, WELL])

    monitored.until_ended()

    assert monitored.phase == "completed"


def test_given_an_alert_when_a_wave_would_open_then_it_waits_and_goes_on_once_that_is_over(
    monitored,
):
    monitored.raise_alerts({"alertname": "DiskFull", "severity": "critical"})
    monitored.start(gates=[CALM])

    monitored.advance(3600)

    assert monitored.granted() == []
    assert monitored.builds() == {"microk8s:134"}
    assert "calm" in monitored.status.message
    monitored.raise_alerts()
    monitored.until_ended()
    assert monitored.phase == "completed"


def test_given_a_monitor_of_which_a_part_died_when_a_wave_would_open_then_silence_is_no_leave(
    monitored, seed
):
    part = ("rules", "store", "door")[seed % 3]
    units = monitored.world.machines[monitored.monitor].units
    units[f"edge-monitor-{part}.service"].active = False
    monitored.start(gates=[CALM])

    monitored.advance(3600)

    assert monitored.granted() == []
    assert monitored.rollout.phase.value == "active"


# --- who is told of what -------------------------------------------------------------------------


def silences(site):
    """The silences that count now, as the monitor's Alertmanager lists them."""
    host = site.world.machines[site.monitor].host()
    found = json.loads(host.fetch("http://127.0.0.1:19093/api/v2/silences", {}, ""))
    return [each for each in found if each["status"]["state"] == "active"]


def silenced(site):
    return [each["matchers"][1]["value"] for each in silences(site)]


def test_given_a_site_when_upgraded_then_only_the_node_that_is_disturbed_is_silenced(monitored):
    monitored.start(gates=[CALM])
    seen, most = set(), 0

    def has_ended():
        nonlocal most
        seen.update(silenced(monitored))
        most = max(most, len(silences(monitored)))
        return monitored.is_in("completed")

    monitored.until(has_ended)
    monitored.settle()
    assert seen
    assert seen <= set(monitored.names)
    assert (most, silences(monitored)) == (1, [])


def test_given_a_controller_that_dies_when_a_node_is_disturbed_then_its_silence_ends_by_itself(
    monitored,
):
    monitored.start(gates=[CALM])
    monitored.until(lambda: silences(monitored))
    (made,) = silences(monitored)
    assert "plan k8s-135, step kubernetes/1.35 disturbs" in made["comment"]
    monitored.power_off(monitored.controllers[0])

    monitored.advance(1800)

    assert silences(monitored) == []
