import subprocess

import pytest

import nft_switch
from edgecloud import host as machines
from nft_switch import Target


class Machine(machines.LocalHost):
    """A machine that notes what nft is told, and knows the table once it was made."""

    def __init__(self, root):
        super().__init__(root)
        self.scripts = []
        self.refuses = False

    def run(self, command, *, timeout_s, stdin=None, env=None, check=True):
        assert timeout_s
        if self.refuses:
            raise subprocess.CalledProcessError(1, command, "", "Operation not permitted")
        if command[0] == nft_switch.NFT and stdin is not None:
            self.scripts.append(stdin)
        known = "@reached" if any("add table" in script for script in self.scripts) else ""
        if self.scripts and "delete table" in self.scripts[-1]:
            known = ""
        return subprocess.CompletedProcess(command, 0, known, "")


@pytest.fixture
def machine(tmp_path):
    return Machine(tmp_path)


def test_given_no_table_when_pointed_then_it_is_made_with_its_elements_in_one_transaction(machine):
    nft_switch.point(machine, {8080: Target("10.0.0.5", 80)})

    (script,) = machine.scripts
    assert script.startswith("add table ip edge_switch")
    assert "add element ip edge_switch active { 8080 : 10.0.0.5 . 80 }" in script
    assert "add element ip edge_switch reached { 10.0.0.5 . 80 }" in script


def test_given_a_table_when_pointed_elsewhere_then_only_its_elements_change(machine):
    nft_switch.point(machine, {8080: Target("10.0.0.5", 80)})

    nft_switch.point(machine, {8080: Target("10.0.0.6", 80), 53: Target("10.0.0.6", 80)})

    assert machine.scripts[1].splitlines() == [
        "flush map ip edge_switch active",
        "flush set ip edge_switch reached",
        "add element ip edge_switch active { 53 : 10.0.0.6 . 80 }",
        "add element ip edge_switch active { 8080 : 10.0.0.6 . 80 }",
        "add element ip edge_switch reached { 10.0.0.6 . 80 }",
    ]


def test_given_a_table_when_removed_then_it_goes_once(machine):
    nft_switch.point(machine, {})

    assert nft_switch.remove(machine)
    assert machine.scripts[-1] == "delete table ip edge_switch\n"
    assert not nft_switch.remove(machine)


def test_given_nft_refuses_when_pointed_then_its_words_are_kept(machine):
    machine.refuses = True

    with pytest.raises(nft_switch.SwitchError, match="Operation not permitted"):
        nft_switch.point(machine, {80: Target("10.0.0.5", 80)})
