import os

import pytest

from edgecloud.host import files


def test_given_no_file_when_read_then_the_text_is_empty(machine):
    assert files.read(machine, "/etc/none") == ""


def test_given_a_file_with_a_mode_when_rewritten_then_it_keeps_mode_and_owner(machine):
    machine.write("/args/kubelet", "old", mode=0o640)
    before = machine.path("/args/kubelet").stat()

    changed = files.rewrite(machine, "/args/kubelet", "new", mode=0o600)

    after = machine.path("/args/kubelet").stat()
    assert changed
    assert (after.st_mode, after.st_gid) == (before.st_mode, before.st_gid)


def test_given_a_file_of_a_group_when_rewritten_then_it_is_given_back(machine, monkeypatch):
    given = []
    machine.write("/args/kubelet", "old", mode=0o660)
    former = machine.path("/args/kubelet").stat()
    monkeypatch.setattr(os, "chown", lambda path, user, group: given.append((user, group)))

    files.rewrite(machine, "/args/kubelet", "new")

    assert given == [(former.st_uid, former.st_gid)]


def test_given_the_same_text_when_rewritten_then_nothing_changed(machine):
    machine.write("/args/kubelet", "same", mode=0o660)

    assert not files.rewrite(machine, "/args/kubelet", "same")


def test_given_no_file_when_rewritten_then_it_is_made_with_the_mode(machine):
    files.rewrite(machine, "/args/new", "text", mode=0o600)

    assert machine.path("/args/new").stat().st_mode & 0o777 == 0o600


def test_given_a_state_when_written_then_it_is_read_back_and_root_only(machine):
    files.write_state(machine, "/state.json", {"b": 1, "a": [2]})

    assert files.read_state(machine, "/state.json") == {"a": [2], "b": 1}
    assert machine.path("/state.json").stat().st_mode & 0o777 == 0o600


def test_given_an_empty_state_when_written_then_there_is_no_file(machine):
    files.write_state(machine, "/state.json", {"a": 1})

    files.write_state(machine, "/state.json", {})

    assert not machine.exists("/state.json")


@pytest.mark.parametrize("text", ["", "{", "[1]", "3"])
def test_given_a_damaged_state_when_read_then_nothing_is_remembered(machine, text):
    machine.write("/state.json", text)

    assert files.read_state(machine, "/state.json") == {}
