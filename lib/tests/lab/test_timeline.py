import hypothesis
import pytest
from hypothesis import strategies

from edgelab import timeline
from edgelab.model import record


def hook(at=0.0, seconds=1.0, *, unit="app/0", machine="0", label="start", **fields):
    plain = {"outcome": "ok", "status": "active"}
    return record.HookRecord(at, seconds, unit, machine, label, **{**plain, **fields})


def run(*hooks, incidents=()):
    found = record.Record()
    for one in hooks:
        found.add(one)
    found.incidents.extend(incidents)
    return found


HOOKS = strategies.lists(
    strategies.builds(
        hook,
        at=strategies.floats(0, 1e6),
        seconds=strategies.floats(0, 1e5),
        unit=strategies.sampled_from(["app/0", "app/1"]),
        outcome=strategies.sampled_from(["ok", "power cut"]),
    ),
    max_size=12,
)


@hypothesis.given(HOOKS)
def test_given_any_run_when_laid_out_then_everything_lies_within_it(hooks):
    built = timeline.build(run(*hooks))

    spans = [span for lane in built.lanes for span in lane.spans]
    assert len(spans) == len(hooks)
    assert all(s.start >= 0 and s.start + s.width <= 1 + 1e-9 for s in spans)


@hypothesis.given(HOOKS, strategies.integers(1, 200))
def test_given_any_lane_when_drawn_then_it_is_as_wide_as_asked_for(hooks, width):
    for lane in timeline.build(run(*hooks)).lanes:
        assert len(timeline.bar(lane, width)) == width


def test_given_nothing_that_ran_when_laid_out_then_there_are_no_lanes():
    built = timeline.build(run())

    assert (built.lanes, built.marks) == ((), ())


def test_given_units_on_machines_when_laid_out_then_lanes_come_in_the_order_of_machines():
    hooks = [hook(unit=f"app/{n}", machine=m) for n, m in enumerate(["10", "2", "2/lxd/0"])]

    lanes = timeline.build(run(*hooks)).lanes

    assert [lane.machine for lane in lanes] == ["2", "2/lxd/0", "10"]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({}, "ok"),
        ({"label": "action backup"}, "action"),
        ({"outcome": "RuntimeError: no"}, "failed"),
        ({"label": "action backup", "outcome": "RuntimeError: no"}, "failed"),
    ],
)
def test_given_a_hook_when_laid_out_then_its_kind_says_how_it_went(fields, kind):
    (lane,) = timeline.build(run(hook(**fields))).lanes

    assert lane.spans[0].kind == kind


def test_given_a_failure_within_work_when_drawn_then_it_is_not_hidden():
    (lane,) = timeline.build(run(hook(0, 10), hook(10, 9, outcome="no"), hook(20, 20))).lanes

    assert timeline.bar(lane, 4) == "█✗██"


def test_given_a_status_that_stays_when_told_then_it_is_told_once():
    told = timeline.milestones(run(hook(0), hook(5), hook(10, status="blocked: x")))

    assert told == [(1.0, "app/0", "active"), (11.0, "app/0", "blocked: x")]


def test_given_faults_and_failures_when_told_then_they_come_in_order_of_time():
    fault = record.Incident(4.0, "1", "power cut")
    failed = hook(2, outcome="RuntimeError: no")

    told = timeline.milestones(run(failed, hook(8, label="action backup"), incidents=[fault]))

    assert [(who, what) for _, who, what in told] == [
        ("app/0", "start failed: RuntimeError: no"),
        ("app/0", "active"),
        ("machine 1", "power cut"),
        ("app/0", "action backup"),
    ]


def test_given_an_incident_when_laid_out_then_it_is_marked_in_its_time():
    fault = record.Incident(50.0, "1", "power cut")

    built = timeline.build(run(hook(0), hook(99), incidents=[fault]))

    assert built.marks == (timeline.Mark(0.5, "1", "power cut"),)


def test_given_a_length_when_ticked_then_the_first_and_last_tick_are_its_ends():
    ticks = timeline.build(run(hook(0, 3600))).ticks(4)

    assert [label for _, label in ticks] == ["0:00:00", "0:15:00", "0:30:00", "0:45:00", "1:00:00"]
