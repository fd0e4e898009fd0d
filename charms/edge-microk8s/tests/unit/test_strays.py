"""Nodes that were let go, lost power before they were deleted, and came up once more."""

import dataclasses

import pytest

import strays
from edgecloud.interfaces.cluster_join import ClusterRecord

UNIT = "edge-lxd/0:1a"


@pytest.fixture
def gone(with_worker, member):
    """A worker that was let go while it was off, and is in the cluster all the same."""
    worker = dataclasses.replace(member(1, role="worker"), unit=UNIT)
    with_worker.world.machines["1"].power_off()
    with_worker.settle()
    strays.note(with_worker.host(0), worker)
    return with_worker, worker


def take_out(pis, view, *members, present=(), after=0.0):
    record = ClusterRecord(members=tuple(members))
    return strays.take_out(pis.host(0), view, record, present, 1000.0 + after)


def test_given_a_node_that_came_back_dead_when_its_unit_is_silent_then_it_is_taken_out(gone, seen):
    pis, _ = gone

    found = take_out(pis, seen("ready", "unknown", workers=1))

    assert found == ("pi-1",)
    assert list(pis.nodes()) == ["pi-0"]


@pytest.mark.parametrize("how", ["ready", "spoken of", "leaving", "joined", "late"])
def test_given_a_node_that_may_be_alive_or_another_when_looked_at_then_it_stays(gone, seen, how):
    pis, worker = gone
    view = seen("ready", "ready" if how == "ready" else "unknown", workers=1)
    states = {"leaving": ["leaving"], "joined": ["joined"]}
    members = [dataclasses.replace(worker, state=each) for each in states.get(how, [])]
    present = [UNIT] if how == "spoken of" else []
    if how == "late":
        take_out(pis, seen("ready", "-", workers=1))

    found = take_out(pis, view, *members, present=present, after=strays.PATIENCE_S)

    assert found == ()
    assert "pi-1" in pis.nodes()


def test_given_a_node_that_stayed_away_when_its_time_is_over_then_it_is_forgotten(gone, seen):
    pis, _ = gone
    away = seen("ready", "-", workers=1)

    for after in (0, strays.PATIENCE_S - 1):
        take_out(pis, away, after=after)
        assert pis.host(0).exists(strays.LET_GO)
    take_out(pis, away, after=strays.PATIENCE_S)

    assert not pis.host(0).exists(strays.LET_GO)


def test_given_a_node_that_its_unit_speaks_of_for_long_when_it_stops_then_its_time_begins(
    gone, seen
):
    pis, _ = gone
    back = seen("ready", "unknown", workers=1)
    take_out(pis, back, present=[UNIT])

    assert take_out(pis, back, present=[UNIT], after=10 * strays.PATIENCE_S) == ()
    assert take_out(pis, back, after=10 * strays.PATIENCE_S) == ("pi-1",)
