"""What the answers of a monitor do to a rollout."""

import dataclasses
import re

import pytest
from ops import testing

import gates
from edgecloud.interfaces.health_gate import GateSource
from edgecloud.metrics import site_upgrade
from edgecloud.rollout import gating, ledger
from edgecloud.testing import encoded

GATE = {"name": "well", "type": "promql", "query": "min(up)", "when": ["before", "continuous"]}
Verdict = ledger.Verdict


@pytest.fixture
def gated(site, monkeypatch):
    """A site with a monitor whose verdict the test sets."""
    said, why = {"well": Verdict.PASS}, {}

    def ask(*_):
        return {name: gates.Answer(verdict, why.get(name, "")) for name, verdict in said.items()}

    monkeypatch.setattr(gates, "ask", ask)
    source = GateSource(schema=1, url="http://monitor")
    site.more = [
        testing.Relation("health-gate", remote_app_name="monitor", remote_app_data=encoded(source))
    ]
    site.verdicts, site.why = said, why
    return site


def test_given_a_gate_that_passes_when_rounds_pass_then_the_plan_completes(gated):
    gated.start(gates=[GATE])

    assert gated.rounds().versions() == {"1.35.1"}


@pytest.mark.parametrize("verdict", [Verdict.INCONCLUSIVE, Verdict.ERROR])
def test_given_no_clear_answer_when_rounds_pass_then_it_holds_and_ends_nothing(gated, verdict):
    gated.verdicts["well"] = verdict
    gated.start(gates=[GATE])

    for _ in range(5):
        gated.round()

    assert gated.granted() == []
    assert gated.rollout.phase is ledger.Phase.ACTIVE
    assert "gate well" in gated.status.message


def test_given_a_gate_that_fails_on_the_way_when_rounds_pass_then_the_plan_is_held(gated):
    gated.start(gates=[GATE])
    gated.round().round()

    gated.verdicts["well"] = Verdict.FAIL
    gated.why["well"] = "DiskFull on pi-2"
    gated.rounds()
    gated.why.clear()
    gated.event()

    assert gated.rollout.phase is ledger.Phase.HELD
    assert gated.rollout.reason == "gate well failed"
    assert gated.status.message == "k8s-135 held: gate well failed (DiskFull on pi-2)"


def test_given_a_gate_that_holds_when_asked_then_the_status_says_why(gated):
    gated.verdicts["well"] = Verdict.FAIL
    gated.why["well"] = "DiskFull on pi-2"
    gated.start(gates=[{**GATE, "when": ["before"]}])
    gated.round()

    lines = gated.act("status")["status"].splitlines()

    assert lines[0].endswith("waiting: gate well: fail (DiskFull on pi-2)")
    assert lines[2] == "gate well: fail (DiskFull on pi-2)"


# --- what a gate has cost ----------------------------------------------------------------------


def blocked(site):
    host = site.world.machines["0"].host()
    text = host.read(site_upgrade.TEXTFILE)
    found = re.findall(r'gate_blocked_seconds_total\{gate="(\w+)"\} (\d+)', text)
    return {name: int(seconds) for name, seconds in found}


def test_given_a_gate_that_holds_when_it_passes_then_the_minutes_that_it_took_are_told(gated):
    gated.verdicts["well"] = Verdict.FAIL
    gated.start(gates=[{**GATE, "when": ["before"]}])
    assert gated.round() and blocked(gated) == {"well": 0}

    for _ in range(9):
        gated.round()
    told = blocked(gated)["well"]
    gated.verdicts["well"] = Verdict.PASS
    gated.round()

    assert 540 - gating.WRITTEN_S <= told <= 540
    assert blocked(gated) == {"well": 600}
    assert gated.rounds().rollout.phase is ledger.Phase.COMPLETED
    assert blocked(gated) == {"well": 600}


def test_given_another_leader_in_the_middle_when_told_then_no_minute_is_lost_or_counted_twice(
    gated,
):
    gated.verdicts["well"] = Verdict.ERROR
    gated.start(gates=[GATE])
    gated.round().round(100)
    epoch = gated.rollout.epoch

    bag = {**gated.peers.local_app_data, "leader": "edge-upgrade-controller/7"}
    gated.peers = dataclasses.replace(gated.peers, local_app_data=bag)
    gated.event("leader_elected").round(200).event().event()
    gated.verdicts["well"] = Verdict.PASS
    gated.event()

    assert gated.rollout.epoch == epoch + 1
    assert blocked(gated) == {"well": 300}


def test_given_books_of_a_charm_that_counted_nothing_when_read_then_the_count_begins(gated):
    gated.verdicts["well"] = Verdict.ERROR
    gated.start(gates=[GATE])
    gated.round().round(300)
    bag = {key: text for key, text in gated.peers.local_app_data.items() if key != "held"}
    gated.peers = dataclasses.replace(gated.peers, local_app_data=bag)

    gated.event().round(300)

    assert blocked(gated) == {"well": 300}


def test_given_a_gate_that_goes_on_holding_when_looked_at_again_then_nothing_is_written(gated):
    gated.verdicts["well"] = Verdict.ERROR
    gated.start(gates=[GATE])
    gated.round()
    before = dict(gated.peers.local_app_data)

    gated.clock.advance(gating.WRITTEN_S - 1)

    assert dict(gated.event().peers.local_app_data) == before
