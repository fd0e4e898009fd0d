import dataclasses

import hypothesis
import pytest
from hypothesis import strategies

import node_status
from edgecloud.interfaces.cluster_join import Admission, ClusterRecord, Refusal
from node_status import ACTIVE, BLOCKED, MAINTENANCE, WAITING, Facts, Line

READINESS = ["ready", "not ready", "unknown"]


@pytest.fixture
def facts(seen, member):
    """What is known of edge-a/0 in a healthy cluster of three."""
    record = ClusterRecord(cluster="abc", members=(member(0), member(1), member(2)))

    def make(*readiness, **fields):
        view = seen(*(readiness or ("ready",) * 3))
        plain = {"role": "control-plane", "node": "pi-0", "record": record, "view": view}
        return Facts("edge-a/0", **{**plain, **fields})

    return make


def test_given_a_node_that_only_kubernetes_holds_for_ready_when_judged_then_the_leader_names_it(
    facts,
):
    view = dataclasses.replace(
        facts("ready", "ready", "unknown").view, remarks={"pi-2": "mind it"}
    )

    leader = node_status.judge(facts(view=view, speaks_for_all=True))

    assert leader == Line(ACTIVE, "2/3 nodes ready, 2 voters; mind it")
    assert node_status.judge(facts(view=view)) == Line(ACTIVE, "node ready")
    assert node_status.judge(facts(view=view, node="pi-2")) == Line(WAITING, "mind it")


def outside(**fields):
    return ClusterRecord(cluster="abc", **fields)


def test_given_a_healthy_node_when_judged_then_it_is_active(facts):
    assert node_status.judge(facts()) == Line(ACTIVE, "node ready")


def test_given_the_leader_when_judged_then_it_speaks_for_the_cluster(facts):
    line = node_status.judge(facts(speaks_for_all=True))

    assert line == Line(ACTIVE, "3/3 nodes ready, 3 voters")


@pytest.mark.parametrize(
    ("word", "message"),
    [
        ("unknown", "Kubernetes does not hear from this node"),
        ("not ready", "node not ready"),
        ("-", "pi-0 is not registered in Kubernetes"),
    ],
)
def test_given_a_node_that_is_not_ready_when_judged_then_it_waits(facts, word, message):
    assert node_status.judge(facts(word, "ready", "ready")) == Line(WAITING, message)


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        pytest.param(
            {"blockers": ("role=x: wrong", "profile=y: wrong")},
            Line(BLOCKED, "role=x: wrong; profile=y: wrong"),
            id="every problem at once",
        ),
        pytest.param(
            {"blockers": ("mend",), "troubles": ("failed",)}, Line(BLOCKED, "mend"), id="blocked"
        ),
        pytest.param(
            {"installed": False}, Line(MAINTENANCE, "installing MicroK8s"), id="not installed"
        ),
        pytest.param(
            {"installed": False, "troubles": ("snap install failed",)},
            Line(WAITING, "trying again: snap install failed"),
            id="installation failed",
        ),
        pytest.param(
            {"troubles": ("drain failed",)},
            Line(WAITING, "trying again: drain failed"),
            id="trouble",
        ),
        pytest.param(
            {"view": None}, Line(WAITING, "the Kubernetes API does not answer"), id="no answer"
        ),
        pytest.param(
            {"record": ClusterRecord()},
            Line(WAITING, "waiting for the cluster to be founded"),
            id="no cluster",
        ),
        pytest.param(
            {"record": outside()},
            Line(WAITING, "waiting for its turn to join the cluster"),
            id="in the queue",
        ),
        pytest.param(
            {"record": outside(admission=Admission("edge-a/0", 3, 9.0))},
            Line(MAINTENANCE, "joining the cluster (attempt 3)"),
            id="joining",
        ),
        pytest.param(
            {"record": outside(refusals=(Refusal("edge-a/0", 1, 9.0, "Invalid token"),))},
            Line(WAITING, "joining again soon: Invalid token"),
            id="refused",
        ),
        pytest.param(
            {
                "record": outside(
                    refusals=(
                        Refusal("edge-a/0", reason="host name pi is taken: rename one machine"),
                    )
                )
            },
            Line(BLOCKED, "host name pi is taken: rename one machine"),
            id="host name taken",
        ),
    ],
)
def test_given_what_is_known_when_judged_then_the_line_says_what_matters_most(facts, fields, line):
    assert node_status.judge(facts(**fields)) == line


def test_given_a_cordoned_node_when_judged_then_it_says_so(facts):
    plain = facts()
    first, *others = plain.view.nodes
    nodes = (dataclasses.replace(first, cordoned=True), *others)
    view = dataclasses.replace(plain.view, nodes=nodes)

    assert node_status.judge(facts(view=view)).message == "node ready, cordoned"


def test_given_notes_when_judged_then_the_node_stays_active_and_tells_them(facts):
    line = node_status.judge(facts(holding="voter x does not answer", notes=("no backup yet",)))

    assert line == Line(ACTIVE, "node ready; voter x does not answer; no backup yet")


def test_given_two_control_planes_when_summed_up_then_there_is_a_warning(seen, member):
    record = ClusterRecord(cluster="abc", members=(member(0), member(1)))

    text = node_status.summary(record, seen("ready", "ready"))

    assert text.endswith("two control planes are less available than one: add a third")


def test_given_a_member_without_a_node_when_summed_up_then_it_is_missed(seen, member):
    record = ClusterRecord(cluster="abc", members=(member(0), member(1), member(2)))

    assert node_status.summary(record, seen("ready", "unknown")).startswith(
        "1/3 nodes ready, 1 vo"
    )


@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
@hypothesis.given(
    strategies.sampled_from(READINESS),
    strategies.lists(strategies.text(max_size=300), max_size=3),
    strategies.lists(strategies.text(max_size=300), max_size=3),
    strategies.booleans(),
)
def test_given_anything_when_judged_then_active_means_ready_and_the_line_is_short(
    facts, readiness, notes, troubles, leads
):
    line = node_status.judge(
        facts(
            readiness,
            "ready",
            "ready",
            notes=tuple(notes),
            troubles=tuple(troubles),
            speaks_for_all=leads,
        )
    )

    assert (line.status == ACTIVE) is (readiness == "ready" and not troubles)
    assert len(line.message) <= node_status.LONGEST


def test_given_more_problems_than_fit_when_judged_then_it_says_where_all_are_listed(facts):
    many = tuple(f"option-{number}: wrong, set it right" for number in range(20))

    line = node_status.judge(facts(blockers=many))

    assert len(line.message) == node_status.LONGEST
    assert line.message.endswith("… all: juju run edge-a/0 preflight")


def test_given_a_problem_of_several_lines_when_judged_then_the_message_is_one_line(facts):
    assert node_status.judge(facts(blockers=("a:\n  b",))) == Line(BLOCKED, "a: b")


def test_given_a_machine_that_its_agent_disturbs_when_judged_then_nothing_else_is_said(facts):
    line = node_status.judge(facts("unknown", "ready", "ready", disturbed=True, blockers=("x",)))

    assert line == Line(MAINTENANCE, "the agent is at work on this machine")


def test_given_a_launch_that_takes_too_long_when_judged_then_it_is_named(facts):
    late = facts(record=outside(), launching="not applied: see the log")

    assert node_status.judge(late) == Line(WAITING, "not applied: see the log")
