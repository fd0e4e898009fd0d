"""The action, with a fake of LXD's instances, and of systemd, which runs the switch at once."""

import dataclasses
import subprocess

import pytest

import switch_node
import switching
from edgecloud import host as machines
from edgecloud.lxd import instances
from switchover import Phase

PARAMS = {"service": "app", "port": 8080, "from": "old", "soak": 1, "ready-timeout": 1}


@dataclasses.dataclass
class FakeInstance:
    address: str
    devices: dict
    running: bool = True

    @property
    def expanded_devices(self):
        return {**self.devices, "eth0": {"ipv4.address": self.address}}


class Machine(machines.LocalHost):
    """A machine whose systemd runs the switch when it is waited for."""

    def __init__(self, root):
        super().__init__(root)
        self.commands = []
        self.scripts = []
        self.answers = {"10.0.0.1": "", "10.0.0.2": ""}
        self.clock = 1000.0

    def now(self):
        self.clock += 0.25
        return self.clock

    def run(self, command, *, timeout_s, stdin=None, env=None, check=True):
        self.commands.append(list(command))
        if stdin:
            self.scripts.append(stdin)
        if "--wait" in command:
            self.switch()
        return subprocess.CompletedProcess(command, 0, "", "")

    def switch(self):
        switching.Switcher(
            self,
            None,
            ask=lambda address, port, path: self.answers.get(address, "no route"),
            pause=lambda _: None,
        ).resume()


@pytest.fixture
def lxd(monkeypatch):
    """Return the instances that there are."""
    found = {
        "old": FakeInstance("10.0.0.1", {"sensor": {"type": "usb"}}),
        "new": FakeInstance("10.0.0.2", {}),
    }

    def ensure_keys(_, name, config, devices):
        for device, keys in devices.items():
            found[name].devices.pop(device, None)
            if keys is not None:
                found[name].devices[device] = keys

    monkeypatch.setattr(instances, "find", lambda _, name: found.get(name))
    monkeypatch.setattr(instances, "ensure_keys", ensure_keys)
    return found


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def run(machine, **params):
    return switch_node.run(machine, None, {**PARAMS, **params})


def test_given_a_new_service_when_published_then_its_port_leads_to_the_instance(machine, lxd):
    assert run(machine) == {"active": "old", "result": "old serves app"}

    assert "active { 8080 : 10.0.0.1 . 8080 }" in machine.scripts[-1]
    text = machine.read("/etc/systemd/system/edge-lxd-switch.service")
    assert "src/switch_run.py" in text
    assert "WantedBy=multi-user.target" in text


def test_given_a_ready_shadow_when_switched_then_clients_and_device_are_with_it(machine, lxd):
    result = run(machine, to="new", device="sensor", **{"target-port": 80})

    assert result == {"active": "new", "result": "switched from old to new"}
    assert "active { 8080 : 10.0.0.2 . 80 }" in machine.scripts[-1]
    assert (lxd["old"].devices, lxd["new"].devices) == ({}, {"sensor": {"type": "usb"}})


def test_given_a_service_that_was_switched_when_switched_back_then_its_port_is_known(machine, lxd):
    run(machine, to="new", **{"target-port": 80})

    result = switch_node.run(machine, None, {"service": "app", "to": "old", "soak": 1})

    assert result["active"] == "old"
    assert "active { 8080 : 10.0.0.1 . 80 }" in machine.scripts[-1]


def test_given_a_shadow_that_is_not_ready_when_switched_then_it_is_refused(machine, lxd):
    machine.answers["10.0.0.2"] = "connection refused"

    with pytest.raises(switch_node.SwitchNodeError, match="new is not ready: connection refused"):
        run(machine, to="new", device="sensor")

    assert switching.find(machine, "app").active == "old"
    assert "sensor" in lxd["old"].devices


def test_given_a_shadow_that_dies_when_switched_then_all_is_back_and_the_action_fails(
    machine, lxd
):
    def ask(address):
        serving = "10.0.0.2" in "".join(machine.scripts[-1:])
        return "died" if address == "10.0.0.2" and serving else ""

    machine.answers = type("Answers", (), {"get": lambda _, address, __: ask(address)})()

    with pytest.raises(switch_node.SwitchNodeError, match="switched back to old: new died: died"):
        run(machine, to="new", device="sensor", soak=60)

    assert "10.0.0.1" in machine.scripts[-1]
    assert "sensor" in lxd["old"].devices


def test_given_a_new_service_when_something_is_missing_then_it_is_named(machine, lxd):
    with pytest.raises(switch_node.SwitchNodeError, match="say port and from, too"):
        switch_node.run(machine, None, {"service": "app"})


def test_given_a_service_when_another_is_said_to_serve_it_then_it_is_refused(machine, lxd):
    run(machine)

    with pytest.raises(switch_node.SwitchNodeError, match="old serves app, not new"):
        run(machine, **{"from": "new"})


def test_given_the_serving_instance_was_deleted_when_another_is_named_then_it_serves(machine, lxd):
    run(machine)
    del lxd["old"]

    assert run(machine, **{"from": "new"})["active"] == "new"


def test_given_a_switch_under_way_when_another_is_asked_for_then_it_is_refused(machine, lxd):
    run(machine)
    switching.Switcher(machine, None).begin(switching.find(machine, "app"), "new")

    with pytest.raises(switch_node.SwitchNodeError, match="being switched to new"):
        run(machine, to="new")


def test_given_a_switch_that_takes_longer_when_waited_for_then_it_goes_on_and_is_said(
    machine, lxd, monkeypatch
):
    monkeypatch.setattr(machine, "switch", lambda: None)

    with pytest.raises(switch_node.SwitchNodeError, match="goes on by itself"):
        run(machine, to="new")

    assert switching.find(machine, "app").phase is Phase.CHECKING


def test_given_a_unit_that_goes_when_removed_then_no_service_and_no_journal_is_left(machine, lxd):
    run(machine)

    switch_node.remove(machine)

    assert machine.glob("/etc/systemd/system/edge-lxd-switch*") == []
    assert switching.services(machine) == []


def test_given_a_damaged_journal_when_read_then_the_others_count(machine, lxd):
    run(machine)
    machine.write(f"{switching.JOURNALS}/bad.json", "{")

    assert [service.name for service in switching.services(machine)] == ["app"]
