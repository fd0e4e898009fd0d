"""How often a hook looks at the same thing: a Pi's card is slow, and so is each look."""

import collections

import pytest

from edgecloud.testing import cluster_peers
from edgelab.pi import host


@pytest.fixture
def reads(monkeypatch):
    """Count what is read of each file from now on."""
    counts, read = collections.Counter(), host.PiHost.read

    def counted(self, path):
        counts[path] += 1
        return read(self, path)

    monkeypatch.setattr(host.PiHost, "read", counted)
    return counts


def settle(unit, peers):
    for _ in range(6):
        (peers,) = unit.update(peers, leader=True).relations
        unit.pis.settle()
    return peers


def test_given_a_settled_leader_when_an_option_changes_then_it_reads_little(
    single, unit, cluster, reads
):
    leader = unit(0)
    peers = settle(leader, cluster_peers(record=cluster(0)))
    reads.clear()

    leader.dispatch(leader.ctx.on.config_changed(), leader.state(peers, leader=True))

    assert reads["/var/lib/edge-microk8s/birth.json"] == 1
    assert reads["/etc/hostname"] <= 3
    assert sum(reads.values()) <= 55
