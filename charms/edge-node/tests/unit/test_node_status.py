"""One line that says what matters most."""

import dataclasses

import pytest

import node_status
from edgecloud.rollout import messages
from node_status import Facts, judge

Status = messages.Status


def facts(status="idle", reason="", part="kubernetes/1.36", **changes):
    report = messages.Report(Status(status), "digest", part, reason=reason)
    return dataclasses.replace(Facts(name="pi-0", report=report), **changes)


@pytest.mark.parametrize(
    ("known", "status", "words"),
    [
        (facts(), "active", "ready"),
        (facts(rival="edge-node-two/0"), "blocked", "edge-node-two/0 has this machine"),
        (facts(problems=("clock: wrong",)), "blocked", "clock: wrong"),
        (facts(name=""), "waiting", "principal"),
        (facts(installed=False), "waiting", "before it is replaced"),
        (facts(spoke=False), "waiting", "first report"),
        (facts(agent_problem="nothing helps: disk"), "blocked", "nothing helps: disk"),
        (facts(troubles=("no bus",)), "waiting", "trying again: no bus"),
        (facts(waits_for="an offer"), "waiting", "waiting for an offer"),
        (facts("disrupted", state="draining"), "maintenance", "kubernetes/1.36: draining"),
        (
            facts("disrupted", state="applying", awaits="nodes are being replaced"),
            "maintenance",
            "kubernetes/1.36: nodes are being replaced",
        ),
        (facts("uncommitted", state="validating"), "maintenance", "validating"),
        (facts("waiting"), "active", "waits for its turn"),
        (facts("waiting", veto="exam week"), "active", "vetoed: exam week"),
        (facts("soaking"), "active", "is watched"),
        (facts("rolled-back", reason="disk: full"), "active", "was taken back: disk: full"),
        (
            facts("rolled-back", part="hosted/1.36", reason="1b new by now; 2a stays"),
            "active",
            "hosted/1.36 ended early: 1b new by now; 2a stays",
        ),
        (facts("skipped", reason="PDB"), "active", "was not done: PDB"),
        (facts("quarantined", reason="no"), "blocked", "could not be taken back: no"),
        (facts("regressed", reason="ill"), "waiting", "waiting for leave to go back: ill"),
        (facts(veto="exam week"), "active", "vetoed: exam week"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_given_what_is_known_when_judged_then_the_worst_is_said(known, status, words):
    line = judge(known)

    assert line.status == status
    assert words in line.message


@pytest.mark.parametrize("status", list(Status))
def test_given_any_status_of_an_upgrade_when_judged_then_there_is_a_line(status):
    assert judge(facts(status.value)).status in {
        node_status.ACTIVE, node_status.WAITING, node_status.MAINTENANCE, node_status.BLOCKED,
    }  # fmt: skip
