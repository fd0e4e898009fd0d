"""The journal: torn tails, flipped bits, rotation, and the chain across them."""

import dataclasses
import os

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as limits
from hypothesis import strategies as st

from edgecloud import host
from edgecloud.agent import ballast, journal, paths
from edgecloud.rollout import audit, chronicle, state

QUICK = limits(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def node(name="idle", **changes):
    return state.Node("pi-1", state=state.State(name), **changes)


@pytest.fixture
def machine(tmp_path):
    return host.LocalHost(tmp_path)


def fill(machine, *names):
    made = journal.Journal(machine)
    for at, name in enumerate(names):
        made.append(at, node(name, reason=f"step {at}"), "event")
    return machine.path(paths.JOURNAL)


def test_given_nothing_when_read_then_nothing_is_remembered(machine):
    found = journal.Journal(machine)

    assert found.node is None
    assert found.head == ""


def test_given_lines_when_read_again_then_the_last_one_holds(machine):
    fill(machine, "preflight", "staging")

    assert journal.Journal(machine).node == node("staging", reason="step 1")


@QUICK
@given(cut=st.integers(1, 5000))
def test_given_a_torn_tail_when_read_then_the_lines_before_it_hold(tmp_path_factory, cut):
    machine = host.LocalHost(tmp_path_factory.mktemp("journal"))
    file = fill(machine, "preflight", "staging", "waiting")
    whole = file.read_bytes()
    file.write_bytes(whole[: max(0, len(whole) - cut)])
    left = file.read_bytes().count(b"\n")

    found = journal.Journal(machine)
    found.append(9, node("granted"), "event")

    assert len(found.entries) == left + 1
    assert journal.Journal(machine).node == node("granted")


@QUICK
@given(at=st.integers(0, 5000), bit=st.integers(0, 7))
def test_given_a_flipped_bit_when_read_then_no_line_from_there_on_is_believed(
    tmp_path_factory, at, bit
):
    machine = host.LocalHost(tmp_path_factory.mktemp("journal"))
    file = fill(machine, "preflight", "staging", "waiting")
    raw = bytearray(file.read_bytes())
    raw[at % len(raw)] ^= 1 << bit
    file.write_bytes(bytes(raw))

    found = journal.Journal(machine)

    assert len(found.entries) == bytes(raw[: at % len(raw)]).count(b"\n")


def test_given_a_line_when_appended_then_all_of_it_is_synced_before_anything_follows(
    machine, monkeypatch
):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.append(os.fstat(descriptor)))

    journal.Journal(machine).append(1, state.Node("pi-0"), "x")

    file, folder = (machine.path(path).stat() for path in (paths.JOURNAL, paths.HOME))
    assert (synced[0].st_ino, synced[0].st_size) == (file.st_ino, file.st_size)
    assert synced[-1].st_ino == folder.st_ino


def test_given_an_upgrade_when_it_goes_on_then_every_effect_lies_between_two_lines(
    pair, monkeypatch
):
    events, append = [], journal.Journal.append

    def note(self, *line):
        events.append("line")
        return append(self, *line)

    monkeypatch.setattr(journal.Journal, "append", note)
    pair.upgrade(1, boundary=lambda name: " in " in name and events.append(name.split()[0]))

    effects = [at for at, event in enumerate(events) if event == "before"]
    assert len(effects) >= 9
    for at in effects:
        assert events[at - 1 : at + 3] == ["line", "before", "after", "line"]


def test_given_a_large_journal_when_it_turns_over_then_node_and_chain_go_on(machine, monkeypatch):
    monkeypatch.setattr(journal, "LARGEST", 2000)

    fill(machine, *(["preflight", "staging"] * 20))

    assert journal.Journal(machine).node == node("staging", reason="step 39")
    assert audit.first_bad(journal.chain(machine)) is None
    assert journal.Journal(machine).link.seq == 40


def test_given_a_rewritten_link_when_the_chain_is_checked_then_it_breaks_there(machine):
    fill(machine, "preflight", "staging", "waiting")
    links = journal.chain(machine)

    forged = dataclasses.replace(links[1], entry={**links[1].entry, "to": "done"})

    assert audit.first_bad([links[0], forged, links[2]]) == 2


def test_given_a_full_disk_when_there_is_ballast_then_it_makes_room(machine, monkeypatch):
    ballast.take(machine)
    real = journal._append

    def refuse(*arguments):
        if machine.exists(ballast.FILE):
            raise OSError(28, "No space left on device")
        real(*arguments)

    monkeypatch.setattr(journal, "_append", refuse)

    fill(machine, "preflight")

    assert journal.Journal(machine).node.state is state.State.PREFLIGHT


def test_given_a_full_disk_when_written_then_nothing_is_believed_to_be_written(
    machine, monkeypatch
):
    made = journal.Journal(machine)

    def refuse(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(journal, "_append", refuse)

    with pytest.raises(journal.JournalError):
        made.append(1, node("preflight"), "event")
    assert made.node is None


# --- what is counted ---------------------------------------------------------------------------


def go_on(made, at, name, event=None):
    """Move a node as if this event had done it."""
    moved = event or state.Done(state.Effect.APPLY, state.Facts(), at)
    return made.append(at, node(name, reason=f"at {at}"), "event", moved)


def drained(machine):
    """Return how often the node was ever in a state that is timed, and for how long."""
    took = journal.Journal(machine).counts.took
    return (sum(took["draining"].counts), took["draining"].total_s) if took else (0, 0)


def test_given_a_journal_that_turns_over_when_read_then_its_counts_go_on(machine, monkeypatch):
    monkeypatch.setattr(journal, "LARGEST", 3000)
    seen = [(0, 0)]
    for at in range(1, 60):
        go_on(journal.Journal(machine), at, "draining" if at % 2 else "waiting")
        seen.append(drained(machine))

    assert seen == sorted(seen)
    assert seen[-1] == (29, 29)
    assert journal.history(machine)[0].at > 2
    assert journal.history(machine)[0].counts


def test_given_lines_that_move_nothing_when_written_then_only_the_first_carries_counts(machine):
    made = journal.Journal(machine)
    go_on(made, 1, "draining")
    for at in (2, 3):
        go_on(made, at, "draining")
    go_on(made, 4, "waiting")

    assert [bool(each.counts) for each in journal.history(machine)] == [True, False, False, True]
    assert drained(machine) == (1, 3)


@QUICK
@given(cut=st.integers(0, 4000))
def test_given_a_torn_tail_when_it_goes_on_then_the_torn_move_counts_when_it_comes_again(
    tmp_path_factory, cut
):
    machine = host.LocalHost(tmp_path_factory.mktemp("journal"))
    made = journal.Journal(machine)
    for at, name in enumerate(["waiting", "draining", "waiting", "draining", "waiting"], 1):
        go_on(made, at, name)
    file = machine.path(paths.JOURNAL)
    whole = file.read_bytes()
    file.write_bytes(whole[: max(0, len(whole) - cut)])
    left = file.read_bytes().count(b"\n")

    assert drained(machine)[0] == max(0, left - 1) // 2
    again = journal.Journal(machine)
    go_on(again, 9, "draining")
    go_on(again, 10, "waiting")
    # What was torn off in the middle of a drain goes on with that drain.
    assert drained(machine)[0] == max(0, left - 1) // 2 + 1


def test_given_counts_that_a_newer_agent_writes_when_read_then_the_line_holds(
    machine, monkeypatch
):
    made = journal.Journal(machine)
    monkeypatch.setattr(chronicle, "write", lambda counts: {"since": {}, "took": ["other"]})
    go_on(made, 1, "draining")
    monkeypatch.undo()

    found = journal.Journal(machine)

    assert found.node == node("draining", reason="at 1")
    assert found.counts == chronicle.Chronicle()


def test_given_a_journal_of_an_agent_that_counted_nothing_when_it_goes_on_then_it_counts(machine):
    fill(machine, "waiting", "draining")
    file = machine.path(paths.JOURNAL)
    lines = [dataclasses.replace(each, counts=None) for each in journal.history(machine)]
    file.write_bytes(b"".join(map(journal._encode, lines)))

    go_on(journal.Journal(machine), 5, "waiting")
    go_on(journal.Journal(machine), 7, "draining")
    go_on(journal.Journal(machine), 9, "waiting")

    assert drained(machine) == (1, 2)
