"""The agent in real containers with real systemd; ``lxc stop --force`` is the power cut."""

import pathlib
import time

import agent_site
import pytest

from edgecloud.agent import journal, units
from edgecloud.agent.gauges import writing
from edgecloud.rollout import audit, state

State = state.State
FORWARD = (
    State.PREFLIGHT, State.STAGING, State.WAITING, State.GRANTED, State.CORDONING,
    State.DRAINING, State.BACKING_UP, State.APPLYING, State.VALIDATING, State.UNCORDONING,
    State.SOAKING, State.DONE,
)  # fmt: skip
METRICS = f"{units.NAME}-metrics.service"
BACK = (State.ROLLING_BACK, State.ROLLBACK_VALIDATING, State.ROLLED_BACK)


def boundaries(states):
    """Return every boundary of the journal in these states, as the state table has them."""
    for each in states:
        yield f"after writing {each.value}"
        effect = state.EFFECTS.get(each)
        if effect:
            yield f"after {effect.value} in {each.value}"


@pytest.fixture(scope="module")
def nodes(site, lone, progress):
    """Return three containers that are the voters of one cluster."""
    folder = pathlib.Path(site.folder) / "agent"
    folder.mkdir(mode=0o755)
    made = agent_site.make(lone.api, folder, progress)
    yield made
    for at in range(3):
        agent_site.instances.ensure_absent(made.api, made.name(at), timeout_s=60)


def test_given_real_systemd_when_its_timer_fires_then_metrics_are_written_and_no_journal_is(nodes):
    deadline = time.monotonic() + 150  # The second run comes a minute after the first.
    while "upgrade_node_state" not in nodes.run(0, "cat", writing.TEXTFILE).stdout:
        assert time.monotonic() < deadline, nodes.run(0, "systemctl.real", "status", METRICS)
        time.sleep(1)

    text = nodes.run(0, "cat", writing.TEXTFILE).stdout
    assert 'edge_power_fault{fault="under_voltage",since="now"} 0' in text
    assert "edge_datastore_voters_answering 3" in text
    assert "edge_kubernetes_ready 1" in text
    assert nodes.run(0, "stat", "-c", "%a %U", writing.TEXTFILE).stdout.strip() == "644 root"
    shown = ("-p", "Result", "-p", "Nice", "-p", "NextElapseUSecMonotonic")
    said = nodes.run(0, "systemctl.real", "show", METRICS, f"{units.NAME}-metrics.timer", *shown)
    assert said.stdout.count("Result=success") == 2
    assert "Nice=19" in said.stdout
    assert "NextElapseUSecMonotonic=0" not in said.stdout
    noise = nodes.run(0, "journalctl", "--no-pager", "-q", "-o", "cat", "-u", METRICS)
    assert noise.stdout == ""
    agent_site.stop_metrics(nodes, 0)


def test_given_a_power_cut_at_every_boundary_when_power_returns_then_the_node_is_upgraded(nodes):
    ended = nodes.upgrade(1, nodes.plan(), boundaries(FORWARD), {"done"}, timeout_s=300)

    shown = nodes.shown()["1"]
    assert ended.state is State.DONE
    assert shown["revision"] == shown["new"]
    assert not shown["cordoned"]
    assert not shown["annotations"]
    assert audit.first_bad(journal.chain(nodes.tree(1))) is None


def test_given_a_bad_build_and_power_cuts_on_the_way_back_then_the_voter_joins_anew(nodes):
    shown = nodes.shown()["2"]
    nodes.world("spoil", f"2/{shown['new']}", "sick")

    ended = nodes.upgrade(2, nodes.plan(), boundaries(BACK), {"rolled-back"}, timeout_s=300)

    shown = nodes.shown()["2"]
    assert ended.burnt
    assert shown["revision"] == shown["old"]
    assert not shown["cordoned"]
    assert not shown["reverts"]
    assert audit.first_bad(journal.chain(nodes.tree(2))) is None


FAULTS = {
    "will not start": "crash:0",
    "hangs": "silent",
}


@pytest.mark.parametrize("fault", FAULTS)
def test_given_a_fault_after_the_upgrade_when_validated_then_the_old_build_runs(nodes, fault):
    shown = nodes.shown()["2"]
    nodes.world("spoil", f"2/{shown['new']}", FAULTS[fault])
    token = 1 + list(FAULTS).index(fault)

    ended = nodes.upgrade(2, nodes.plan(), (), {"rolled-back"}, token=token, timeout_s=120)

    shown = nodes.shown()["2"]
    assert ended.burnt
    assert shown["revision"] == shown["old"]
    assert not shown["cordoned"]
    assert not shown["reverts"]


def test_given_a_burnt_build_when_it_is_ordered_again_then_it_is_not_tried(nodes):
    nodes.world("spoil", f"2/{nodes.shown()['2']['new']}", "")

    ended = nodes.upgrade(2, nodes.plan(id="p2"), (), {"failed-safe"}, timeout_s=60)

    assert ended.reason == "it failed here before"


def test_given_the_last_node_when_nobody_cuts_its_power_then_it_is_upgraded_alone(nodes):
    ended = nodes.upgrade(0, nodes.plan(), (), {"done"}, timeout_s=120)

    shown = nodes.shown()["0"]
    assert ended.state is State.DONE
    assert shown["revision"] == shown["new"]
