"""What operators ask of one node: answers from this machine alone, and no secret in any."""

import json

import pytest
from conftest import WORKER
from hypothesis import given
from hypothesis import strategies as st

import actions
from edgecloud.agent import exchange, heal, healing, journal
from edgecloud.agent import paths as agent_paths
from edgecloud.host import files
from edgecloud.rollout import messages, state
from edgelab import pi

TOKEN = "d2f0a1b3c4e5968778695a4b3c2d1e0f"


@pytest.fixture
def ready(node):
    return node.runs(WORKER).event("install").wake().event()


def test_given_a_resting_node_when_asked_then_it_says_what_it_is(ready):
    said = ready.act("node-status", format="json")["status"]

    found = json.loads(said)
    assert (found["name"], found["state"], found["vetoed"]) == ("pi-0", "idle", "no")
    assert "kubelet" in found["required-checks-that-fail"]


def test_given_a_resting_node_when_asked_for_text_then_each_line_is_one_fact(ready):
    lines = ready.act("node-status", format="text")["status"].splitlines()

    assert any(line.split() == ["state", "idle"] for line in lines)


def test_given_an_upgrade_that_was_taken_back_when_asked_then_it_says_how_that_ended(ready):
    said = json.loads(ready.act("node-status", format="json")["status"])
    lines = journal.Journal(ready.host)
    back = state.Node("pi-0", state=state.State.ROLLED_BACK, reason="the node is not ready")
    lines.append(1, back, "done: validate")
    lines.append(2, state.Node("pi-0"), "order")

    after = json.loads(ready.act("node-status", format="json")["status"])

    assert said["last-end"] == "none"
    assert (after["state"], after["reason"]) == ("idle", "none")
    assert after["last-end"] == "rolled-back: the node is not ready"


def test_given_a_veto_when_given_and_taken_back_then_the_agent_sees_both(ready):
    ready.act("veto", reason="exam week")
    during = ready.veto
    ready.act("unveto")

    assert (during, ready.veto) == ("exam week\n", "")


def test_given_remedies_that_were_tried_when_asked_then_each_is_told(ready):
    tried = heal.Tried(heal.Rung.REBOOT.value, 1_800_000_000, "disk")
    files.write_state(ready.host, agent_paths.HEALING, heal.write(heal.History((tried,))))

    said = ready.act("heal-history")

    assert said["history"] == "2027-01-15 08:00:00Z  reboot  because of disk"
    assert healing.look(ready.host).tried == (tried,)


def test_given_secrets_on_the_machine_when_support_is_collected_then_none_is_in_it(ready):
    ready.host.write(agent_paths.REJOIN, json.dumps({"urls": [f"10.0.0.1:25000/{TOKEN}"]}))
    ready.machine.log("edge-agent", f"joining by 10.0.0.1:25000/{TOKEN}/0a1b2c")

    file = ready.act("collect-support")["file"]

    assert TOKEN not in ready.host.read(file)
    assert "joining by 10.0.0.1:" in ready.host.read(file)
    assert ready.host.path(file).stat().st_mode & 0o777 == 0o600


def test_given_a_log_that_cannot_be_read_when_support_is_collected_then_it_says_so(ready):
    ready.machine.faults.add(pi.Fault(("/usr/bin/journalctl",), pi.fail(1, "no journal")))

    file = ready.act("collect-support")["file"]

    assert "no journal" in ready.host.read(file)


@given(st.from_regex(r"[0-9a-f]{32}", fullmatch=True), st.text(max_size=20))
def test_given_any_token_in_an_address_when_redacted_then_it_is_gone(token, around):
    assert token not in actions.redacted(f"{around} 10.0.0.1:25000/{token}/00ff {around}")


@given(
    st.recursive(
        st.sampled_from([TOKEN, f"token={TOKEN}", f"https://me:{TOKEN}@site/x", 7, None, "ok"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.just("k"), inner),
        max_leaves=8,
    )
)
def test_given_secrets_anywhere_when_redacted_then_each_value_is_and_the_rest_can_be_read(value):
    written = json.dumps(actions._cleaned({"found": value}))

    assert TOKEN not in written
    assert shape(json.loads(written)["found"]) == shape(value)


def shape(value):
    """Return a value with every text in it the same."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value]
    return "" if isinstance(value, str) else value


def test_given_a_password_in_a_report_when_support_is_collected_then_it_is_still_json(ready):
    reason = 'password: "hunter2", and then'
    exchange.write_outbox(ready.host, messages.Report(reason=reason), state="idle")

    file = ready.act("collect-support")["file"]

    found = json.loads(ready.host.read(file))
    assert "hunter2" not in ready.host.read(file)
    assert found["report"]["report"]["reason"].endswith("and then")
