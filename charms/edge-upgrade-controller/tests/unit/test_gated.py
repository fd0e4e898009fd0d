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
    said = {"well": Verdict.PASS}
    monkeypatch.setattr(gates, "ask", lambda access, asked, now: dict(said))
    source = GateSource(schema=1, url="http://monitor")
    site.more = [
        testing.Relation("health-gate", remote_app_name="monitor", remote_app_data=encoded(source))
    ]
    site.verdicts = said
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
    gated.rounds()

    assert gated.rollout.phase is ledger.Phase.HELD
    assert gated.rollout.reason == "gate well failed"
