import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecloud.rollout import plan
from tests.rollout import sites


def test_given_a_plan_when_written_and_read_then_it_is_the_same_with_the_same_digest():
    accepted = sites.make(windows=[{"start": "02:00", "length": "3h", "tz": "Europe/Madrid"}])

    again = plan.parse(plan.canonical(accepted))

    assert again == accepted
    assert again.digest == accepted.digest


def test_given_several_mistakes_when_read_then_all_are_named_at_once():
    broken = sites.document(canary={"wide": 1}, windows=None, extra=1, limits={"per-domain": 0})

    with pytest.raises(plan.PlanError) as refused:
        plan.read(broken)

    said = {problem.partition(":")[0] for problem in refused.value.problems}
    assert said == {"canary.wide", "windows", "extra", "limits.per-domain"}


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"targets": {}}, "targets"),
        ({"targets": {"kubernetes": {"to": "1.35"}}}, "unpinned: allow"),
        ({"targets": {"firmware": {"eeprom": "2030-01-01"}, "snaps": [
            {"name": "x", "revision": {"arm64": 1}}]}}, "only target"),
        ({"targets": {"os": {"kind": "ab-image", "version": "1"}}}, "targets.os.ref"),
        ({"not-before": "2031-01-01T00:00:00Z"}, "after not-before"),
        ({"expires": "2030-02-01 00:00"}, "moment such as"),
        ({"blackouts": [{"from": 10, "to": 5}]}, "must end after"),
        ({"waves": [{"name": "canary"}]}, "different names"),
        ({"windows": [{"start": "02:00", "length": "10m", "tz": "UTC"}]}, "deadlines.node"),
        ({"windows": [{"start": "2:00", "length": "3h", "tz": "UTC"}]}, "quoted time"),
        ({"windows": [{"start": "02:00", "length": "3h", "tz": "Mars/Base"}]}, "time zone"),
        ({"limits": {"max-unavailable": "0"}}, "max-unavailable"),
        ({"kind": "Plan"}, "kind"),
    ],
)  # fmt: skip
def test_given_a_plan_that_cannot_work_when_read_then_it_is_refused_with_the_reason(
    changes, named
):
    with pytest.raises(plan.PlanError, match=named):
        sites.make(**changes)


def test_given_text_that_is_not_json_when_parsed_then_it_is_refused():
    with pytest.raises(plan.PlanError, match="not JSON"):
        plan.parse("{")


def test_given_a_signature_when_added_then_the_digest_stays():
    signature = {"method": "ssh", "key-id": "site", "value": "c2ln"}

    assert sites.make(signature=signature).digest == sites.make().digest


def test_given_a_canary_that_says_little_when_read_then_the_rest_keeps_its_defaults():
    canary = sites.make(canary={"size": 2}).canary

    assert (canary.name, canary.size, canary.soak_s) == ("canary", "2", 86400)


def test_given_a_default_when_written_out_then_the_digest_stays():
    assert sites.make(limits={"max-unavailable": 1}).digest == sites.make().digest


@given(st.randoms(use_true_random=False))
def test_given_a_document_when_its_keys_are_shuffled_then_the_digest_stays(shuffler):
    pairs = list(sites.document().items())
    random.Random(shuffler.random()).shuffle(pairs)

    assert plan.read(dict(pairs)).digest == sites.make().digest


@given(
    st.sampled_from(sorted(sites.document())),
    st.none()
    | st.integers()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(max_size=3), st.integers()),
)
def test_given_any_value_in_any_field_when_read_then_it_is_a_plan_or_a_plan_error(key, value):
    try:
        assert isinstance(sites.make(**{key: value}), plan.Plan)
    except plan.PlanError as e:
        assert e.problems
