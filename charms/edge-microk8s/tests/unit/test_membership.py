import dataclasses

import hypothesis
import pytest
from hypothesis import strategies

import membership
from edgecloud import books
from edgecloud.interfaces.cluster_join import (
    Admission,
    ClusterRecord,
    Member,
    MemberReport,
    NodeReport,
    Refusal,
    Turn,
)
from membership import JOINED, JOINING, LEAVING

NOW = 1000.0


def report(number, *, role="control-plane", **fields):
    fields.setdefault("ca", f"ca-{number}")
    return NodeReport(node=f"pi-{number}", address=f"10.0.0.{number}", role=role, **fields)


def member(number, state=JOINED, role="control-plane", app="m"):
    return Member(f"{app}/{number}", f"pi-{number}", f"10.0.0.{number}", role, state, 0.0)


def record(*members, **fields):
    return ClusterRecord(cluster="ca-0", steward="m/0", members=members, **fields)


def plan(record, reports, acts=None, leader="m/0", now=NOW):
    peers = {unit: MemberReport() for unit in reports if unit.startswith("m/")}
    return membership.plan(
        record, reports=reports, acts={**peers, **(acts or {})}, leader=leader, now=now
    )


def states(record):
    return {member.unit: member.state for member in record.members}


def test_given_no_cluster_when_the_leader_is_ready_then_it_founds_one():
    planned = plan(ClusterRecord(), {"m/0": report(0), "m/1": report(1)}, leader="m/1")

    assert (planned.cluster, planned.steward) == ("ca-1", "m/1")
    assert states(planned)["m/1"] == JOINED


def test_given_no_cluster_when_only_another_unit_is_ready_then_that_one_founds_it():
    planned = plan(ClusterRecord(), {"m/0": NodeReport(), "m/2": report(2), "m/1": report(1)})

    assert planned.steward == "m/1"


def test_given_no_cluster_when_only_workers_are_ready_then_nothing_is_founded():
    planned = plan(ClusterRecord(), {"w/0": report(4, role="worker")})

    assert planned == ClusterRecord()


def test_given_a_new_leader_that_met_nobody_yet_when_planned_then_the_cluster_stands():
    before = record(member(0), member(1))

    planned = plan(before, {"m/2": NodeReport()}, leader="m/2")

    assert states(planned) == {"m/0": JOINED, "m/1": JOINED}
    assert planned.cluster == "ca-0"


def test_given_two_units_that_wait_when_planned_then_one_is_admitted():
    reports = {"m/0": report(0), "m/1": report(1), "m/2": report(2)}

    planned = plan(record(member(0)), reports)

    assert planned.admission == Admission("m/1", 1, NOW + books.ADMISSION_S)
    assert states(planned) == {"m/0": JOINED, "m/1": JOINING}


def test_given_a_worker_and_a_control_plane_when_both_wait_then_the_control_plane_goes_first():
    reports = {"m/0": report(0), "a/0": report(5, role="worker"), "m/3": report(3)}

    planned = plan(record(member(0)), reports)

    assert planned.admission.unit == "m/3"


def test_given_an_admitted_unit_that_joined_when_planned_then_the_next_has_its_turn():
    before = record(member(0), member(1, JOINING), admission=Admission("m/1", 1, NOW + 60))
    reports = {"m/0": report(0), "m/1": report(1, joined=True, ca="ca-0"), "m/2": report(2)}

    planned = plan(before, reports)

    assert states(planned) == {"m/0": JOINED, "m/1": JOINED, "m/2": JOINING}
    assert planned.admission.unit == "m/2"


def test_given_a_unit_that_joined_another_cluster_when_planned_then_it_is_not_counted():
    before = record(member(0), member(1, JOINING), admission=Admission("m/1", 1, NOW + 60))

    planned = plan(before, {"m/0": report(0), "m/1": report(1, joined=True, ca="other")})

    assert states(planned)["m/1"] == JOINING


def test_given_a_refused_unit_when_planned_then_it_waits_and_the_next_goes_ahead():
    before = record(member(0), member(1, JOINING), admission=Admission("m/1", 1, NOW + 60))
    refused = report(1, attempt=1, error="Invalid token")

    planned = plan(before, {"m/0": report(0), "m/1": refused, "m/2": report(2)})

    assert planned.admission.unit == "m/2"
    assert planned.refusals == (Refusal("m/1", 1, NOW + 30, "Invalid token"),)


def test_given_a_refused_unit_when_its_wait_is_over_then_a_new_attempt_is_numbered():
    before = record(member(0), refusals=(Refusal("m/1", 1, NOW - 1, "Invalid token"),))
    refused = report(1, attempt=1, error="Invalid token")

    planned = plan(before, {"m/0": report(0), "m/1": refused})

    assert planned.admission.attempt == 2


def test_given_an_admission_that_ran_out_when_planned_then_the_unit_waits():
    before = record(member(0), member(1, JOINING), admission=Admission("m/1", 1, NOW))

    planned = plan(before, {"m/0": report(0), "m/1": report(1)})

    assert planned.admission is None
    assert membership.refusal_of(planned, "m/1").reason == "did not answer in time"


def test_given_a_host_name_in_use_when_planned_then_the_unit_is_told_to_rename():
    twin = dataclasses.replace(report(7), node="pi-0")

    planned = plan(record(member(0)), {"m/0": report(0), "m/7": twin})

    assert planned.admission is None
    assert membership.refusal_of(planned, "m/7").reason == (
        "host name pi-0 is taken by m/0: rename one machine"
    )


def test_given_a_machine_that_comes_back_when_its_old_node_is_leaving_then_it_waits():
    again = dataclasses.replace(report(1))

    planned = plan(record(member(0), member(1, LEAVING)), {"m/0": report(0), "m/9": again})

    assert planned.admission is None
    assert "m/1" in membership.refusal_of(planned, "m/9").reason


def test_given_a_departed_unit_when_anybody_saw_it_then_its_node_is_to_leave():
    planned = plan(
        record(member(0), member(1), member(2)),
        {"m/0": report(0), "m/2": report(2)},
        acts={"m/2": MemberReport(departed=("m/1",))},
    )

    assert states(planned)["m/1"] == LEAVING


def test_given_a_worker_that_came_back_when_planned_then_the_old_sighting_does_not_count():
    planned = plan(
        record(member(0), member(5, role="worker", app="w")),
        {"m/0": report(0), "w/5": report(5, role="worker")},
        acts={"m/0": MemberReport(departed=("w/5",))},
    )

    assert states(planned)["w/5"] == JOINED


def test_given_a_leaving_member_when_the_steward_took_it_out_then_it_is_forgotten():
    planned = plan(
        record(member(0), member(1, LEAVING)),
        {"m/0": report(0)},
        acts={"m/0": MemberReport(gone=("m/1",), departed=("m/1",))},
    )

    assert states(planned) == {"m/0": JOINED}


def test_given_the_departing_joiner_when_planned_then_its_admission_ends():
    before = record(member(0), member(1, JOINING), admission=Admission("m/1", 1, NOW + 60))

    planned = plan(before, {"m/0": report(0)}, acts={"m/0": MemberReport(departed=("m/1",))})

    assert planned.admission is None
    assert states(planned)["m/1"] == LEAVING


def test_given_nobody_of_the_old_cluster_left_when_planned_then_a_new_one_is_founded():
    planned = plan(
        record(member(0)),
        {"m/4": report(4)},
        acts={"m/4": MemberReport(departed=("m/0",))},
        leader="m/4",
    )

    assert planned.cluster == "ca-4"
    assert states(planned) == {"m/4": JOINED}


def test_given_a_leader_that_is_no_member_when_planned_then_a_member_acts():
    reports = {"m/0": report(0), "m/1": report(1), "m/2": report(2)}

    planned = plan(record(member(0), member(1)), reports, leader="m/2")

    assert planned.steward == "m/0"


def test_given_a_steward_that_does_not_answer_when_an_attempt_failed_then_another_acts():
    before = record(member(0), member(1), refusals=(Refusal("m/2", 1, NOW + 9, "late"),))

    planned = plan(before, {"m/0": report(0), "m/1": report(1), "m/2": report(2)}, leader="m/2")

    assert planned.steward == "m/1"


EVENTS = strategies.lists(
    strategies.tuples(
        strategies.sampled_from(["ready", "join", "refuse", "depart", "clean", "wait", "lead"]),
        strategies.integers(0, 4),
    ),
    max_size=40,
)


class Site:
    """Five units, a leader that moves, and a steward that does what it is told."""

    def __init__(self):
        self.record = ClusterRecord()
        self.reports = {f"m/{n}": NodeReport() for n in range(5)}
        self.departed = set()
        self.gone = set()
        self.leader = "m/0"
        self.now = NOW

    def happen(self, kind, number):
        unit = f"m/{number}"
        admission = self.record.admission
        self.now += 5
        if kind == "wait":
            self.now += 600
        elif kind == "clean":
            self.gone |= {m.unit for m in self.record.members if m.state == LEAVING}
        elif unit not in self.reports:
            return
        elif kind == "ready" and not self.reports[unit].node:
            self.reports[unit] = report(number)
        elif kind == "depart" and len(self.reports) > 1:
            del self.reports[unit]
            self.departed.add(unit)
        elif kind == "lead":
            self.leader = unit
        elif admission is not None and admission.unit == unit:
            joined = kind == "join"
            self.reports[unit] = dataclasses.replace(
                self.reports[unit],
                attempt=admission.attempt,
                joined=joined,
                ca=self.record.cluster if joined else f"ca-{number}",
                error=None if joined else "no",
            )

    def plan(self):
        if self.leader not in self.reports:
            self.leader = min(self.reports)
        acts = {unit: MemberReport() for unit in self.reports}
        acts[self.leader] = MemberReport(departed=tuple(self.departed), gone=tuple(self.gone))
        if self.record.steward in self.reports:
            acts[self.record.steward] = acts[self.leader]
        return membership.plan(
            self.record, reports=self.reports, acts=acts, leader=self.leader, now=self.now
        )


@hypothesis.given(EVENTS)
@hypothesis.settings(max_examples=300)
def test_given_any_run_of_events_when_planned_then_the_record_keeps_its_promises(events):
    site = Site()

    for event in events:
        site.happen(*event)
        before, site.record = site.record, site.plan()

        names = [m.node for m in site.record.members if m.state != LEAVING]
        assert len(names) == len(set(names))
        joining = {m.unit for m in site.record.members if m.state == JOINING}
        assert site.record.admission is None or site.record.admission.unit in joining
        for old in before.members:
            if old.state == JOINED and old.unit in site.reports:
                assert states(site.record).get(old.unit) == JOINED
        if any(m.unit in site.reports for m in membership.joined(before)):
            assert site.record.cluster == before.cluster


@hypothesis.given(EVENTS)
def test_given_any_run_of_events_when_planned_twice_then_the_second_changes_nothing(events):
    site = Site()

    for event in events:
        site.happen(*event)
        site.record = site.plan()

    assert site.plan() == site.record


def test_given_two_members_that_want_to_restart_when_planned_then_one_has_its_turn():
    reports = {f"m/{n}": report(n, joined=True, ca="ca-0", wants_turn=True) for n in (0, 1)}

    planned = plan(record(member(0), member(1)), reports)

    assert planned.turn == Turn("m/0", NOW + membership.TURN_S)


def test_given_a_join_under_way_when_somebody_wants_to_restart_then_it_waits():
    before = record(member(0), member(1, JOINING), admission=Admission("m/1", 1, NOW + 60))

    planned = plan(before, {"m/0": report(0, wants_turn=True), "m/1": report(1)})

    assert planned.turn is None


def test_given_a_turn_when_a_unit_wants_to_join_then_it_waits():
    before = record(member(0), turn=Turn("m/0", NOW + 60))

    planned = plan(before, {"m/0": report(0, wants_turn=True), "m/1": report(1)})

    assert planned.admission is None


def test_given_a_member_not_ready_after_its_turn_when_planned_then_the_next_has_it():
    before = record(member(0), member(1), turn=Turn("m/0", NOW))
    reports = {f"m/{n}": report(n, joined=True, ca="ca-0", wants_turn=True) for n in (0, 1)}

    planned = plan(before, reports)

    assert planned.turn.unit == "m/1"


def test_given_a_unit_that_claims_countless_attempts_when_refused_then_its_wait_has_a_limit():
    many = 10**9
    before = record(member(0), member(1, JOINING), admission=Admission("m/1", many, NOW + 60))
    refused = report(1, attempt=many, error="Invalid token")

    planned = plan(before, {"m/0": report(0), "m/1": refused})

    assert planned.refusals[0].not_before == NOW + books.BACKOFF_LIMIT_S


def test_given_a_member_that_died_in_its_turn_when_planned_then_others_may_join_again():
    before = record(member(0), member(1), turn=Turn("m/1", NOW))
    reports = {
        "m/0": report(0),
        "m/1": report(1, joined=True, ca="ca-0", wants_turn=True),
        "m/2": report(2),
    }

    planned = plan(before, reports)

    assert (planned.turn, planned.admission.unit) == (None, "m/2")
    assert planned.late == (Turn("m/1", NOW + membership.LATE_S),)


def test_given_a_late_member_when_its_hour_is_over_then_it_has_another_turn():
    before = record(member(0), member(1), late=(Turn("m/1", NOW),))
    reports = {"m/0": report(0), "m/1": report(1, joined=True, ca="ca-0", wants_turn=True)}

    planned = plan(before, reports)

    assert (planned.turn.unit, planned.late) == ("m/1", ())


def test_given_keys_of_encryption_when_a_cluster_is_founded_anew_then_they_are_kept():
    before = record(member(0), encryption="secret:1", generation=3)

    planned = plan(
        before,
        {"m/4": report(4)},
        acts={"m/4": MemberReport(departed=("m/0",))},
        leader="m/4",
    )

    assert (planned.cluster, planned.encryption, planned.generation) == ("ca-4", "secret:1", 3)


# --- hosted nodes --------------------------------------------------------------------------------


def hosted(number, name, state=JOINED):
    return Member(f"lxd/{number}:{name}", f"pi-{number}-{name}", name, "worker", state, 0.0)


def hosted_report(number, name, **fields):
    fields.setdefault("ca", "own")
    return NodeReport(f"pi-{number}-{name}", name, "worker", **fields)


def test_given_hosted_nodes_that_wait_when_planned_then_they_join_one_at_a_time_in_order():
    waiting = {f"lxd/{n}:{k}": hosted_report(n, k) for n, k in ((1, "1a"), (0, "2a"), (0, "1a"))}

    planned = plan(record(member(0)), {"m/0": report(0), "lxd/0": NodeReport(), **waiting})

    assert planned.admission == Admission("lxd/0:1a", 1, NOW + books.ADMISSION_S)
    assert states(planned) == {"m/0": JOINED, "lxd/0:1a": JOINING}


def test_given_a_hosted_node_that_asks_to_leave_when_planned_then_only_that_one_is_leaving():
    reports = {
        "m/0": report(0),
        "lxd/0": NodeReport(),
        "lxd/0:1a": hosted_report(0, "1a", ca="ca-0", joined=True),
        "lxd/0:2a": hosted_report(0, "2a", leaving=True),
    }

    planned = plan(record(member(0), hosted(0, "1a"), hosted(0, "2a")), reports)

    assert states(planned) == {"m/0": JOINED, "lxd/0:1a": JOINED, "lxd/0:2a": LEAVING}


def test_given_a_hosted_node_that_was_let_go_when_planned_then_it_is_not_admitted_again():
    reports = {"m/0": report(0), "lxd/0:2a": hosted_report(0, "2a", leaving=True)}
    acts = {"m/0": MemberReport(gone=("lxd/0:2a",))}

    planned = plan(record(member(0), hosted(0, "2a", LEAVING)), reports, acts)

    assert states(planned) == {"m/0": JOINED}
    assert planned.admission is None


def test_given_a_host_that_departed_when_planned_then_its_nodes_leave_and_none_is_admitted():
    before = record(
        member(0),
        hosted(0, "1a"),
        hosted(0, "2a", JOINING),
        hosted(1, "1a"),
        admission=Admission("lxd/0:2a", 1, NOW + 60),
        refusals=(Refusal("lxd/0:3a", 1, NOW + 60, "no"),),
    )
    acts = {"m/0": MemberReport(departed=("lxd/0",))}

    planned = plan(before, {"m/0": report(0)}, acts)

    assert states(planned) == {
        "m/0": JOINED,
        "lxd/0:1a": LEAVING,
        "lxd/0:2a": LEAVING,
        "lxd/1:1a": JOINED,
    }
    assert (planned.admission, planned.refusals) == (None, ())


# --- members that their agents disturb ---------------------------------------------------------


def busy(number):
    return report(number, joined=True, ca="ca-0", busy=True)


def test_given_a_disturbed_member_when_another_wants_to_restart_then_it_waits():
    reports = {"m/0": report(0, joined=True, ca="ca-0", wants_turn=True), "m/1": busy(1)}

    assert plan(record(member(0), member(1)), reports).turn is None


def test_given_a_disturbed_member_when_somebody_wants_to_join_then_it_waits():
    reports = {"m/0": report(0, joined=True, ca="ca-0"), "m/1": busy(1), "m/2": report(2)}

    assert plan(record(member(0), member(1)), reports).admission is None


def test_given_a_disturbed_worker_when_somebody_wants_to_join_then_it_may():
    reports = {
        "m/0": report(0, joined=True, ca="ca-0"),
        "w/1": report(1, role="worker", joined=True, ca="ca-0", busy=True),
        "m/2": report(2),
    }
    worker = member(1, role="worker", app="w")

    assert plan(record(member(0), worker), reports).admission.unit == "m/2"


def test_given_a_disturbed_leader_when_planned_then_another_member_acts():
    reports = {"m/0": busy(0), "m/1": report(1, joined=True, ca="ca-0")}

    assert plan(record(member(0), member(1)), reports).steward == "m/1"


def test_given_all_disturbed_when_planned_then_somebody_acts_all_the_same():
    reports = {"m/0": busy(0), "m/1": busy(1)}

    assert plan(record(member(0), member(1)), reports).steward == "m/0"


# --- versions ------------------------------------------------------------------------------------


def admitted(joiner, *cluster, role="control-plane"):
    """Return whether a unit with a version is let into a cluster of these versions."""
    reports = {
        f"m/{n}": report(n, joined=True, ca="ca-0", version=version)
        for n, version in enumerate(cluster)
    }
    members = [member(n) for n in range(len(cluster))]
    planned = plan(record(*members), {**reports, "x/9": report(9, role=role, version=joiner)})
    refusal = membership.refusal_of(planned, "x/9")
    assert (planned.admission is None) is bool(refusal and refusal.reason)
    return planned.admission is not None


@pytest.mark.parametrize(
    ("joiner", "cluster", "plane", "worker"),
    [
        ("1.35.2", ["1.35.4", "1.35.2"], True, True),
        ("1.34.9", ["1.35.2"], False, False),
        ("1.36.0", ["1.35.2"], True, False),
        ("1.37.0", ["1.35.2"], False, False),
        ("1.35.2", ["1.35.2", "1.36.0"], False, True),
        ("1.36.0", ["1.35.2", "1.36.0"], True, False),
        ("1.37.0", ["1.35.2", "1.36.0"], False, False),
        (None, ["1.35.2"], True, True),
        ("1.34.0", [None], True, True),
        ("1.34.0", [None, "1.35.1"], False, False),
    ],
)
def test_given_a_version_when_a_unit_wants_in_then_only_what_goes_together_is_let_in(
    joiner, cluster, plane, worker
):
    assert admitted(joiner, *cluster) is plane
    assert admitted(joiner, *cluster, role="worker") is worker


def test_given_a_version_that_does_not_fit_when_refused_then_the_reason_ends_with_the_remedy():
    reports = {
        "m/0": report(0, joined=True, ca="ca-0", version="1.35.2"),
        "m/1": report(1, version="1.34.5"),
    }

    (refusal,) = plan(record(member(0)), reports).refusals

    assert refusal.reason.startswith("Kubernetes 1.34.5 does not go with the cluster's 1.35")
    assert refusal.reason.endswith(membership.REMEDIES)
    assert refusal.not_before == 0


def test_given_a_refused_version_when_the_cluster_has_it_then_the_unit_is_let_in():
    reports = {
        "m/0": report(0, joined=True, ca="ca-0", version="1.35.2"),
        "w/1": report(1, role="worker", version="1.36.0"),
    }
    before = plan(record(member(0)), reports)
    reports["m/0"] = dataclasses.replace(reports["m/0"], version="1.36.0")

    assert plan(before, reports).admission.unit == "w/1"
