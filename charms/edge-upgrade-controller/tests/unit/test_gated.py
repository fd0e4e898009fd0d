"""What the answers of a monitor do to a rollout."""

import pytest
from ops import testing

import gates
from edgecloud.interfaces.health_gate import GateSource
from edgecloud.rollout import ledger
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
