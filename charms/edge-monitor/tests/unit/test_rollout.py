"""Where a plan stands: what the store tells of it, and the words for it."""

import dataclasses
import urllib.parse

import demo_site
import metric_names
import pytest

import rollout_source
import rollout_words
import site_words
from edgecloud.rollout import messages, state
from site_facts import Gate, Member, Rollout

NOW = demo_site.NOW
HOUR = 3600


class Store:
    """Answers a query with the samples that it was given for its metric."""

    def __init__(self, history=(), **samples):
        self.samples, self.history, self.asked = samples, history, []

    def __call__(self, path):
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(path).query))
        self.asked.append(asked["query"])
        if path.startswith("/api/v1/query_range"):
            found = [{"metric": labels, "values": values} for labels, values in self.history]
        else:
            metric = asked["query"].split("{")[0].split(" ")[0].removeprefix("upgrade_site_")
            found = [
                {"metric": labels, "value": [NOW, str(value)]}
                for labels, value in self.samples.get(metric, [])
            ]
        return {"status": "success", "data": {"result": found}}


PLAN = {"plan_info": [({"plan": "winter"}, 1)]}
CALM = {"gate": "calm", "kind": "alerts", "asks": 'severity="critical"', "when": "before"}


def look(**samples):
    return rollout_source.look(Store(**samples), NOW)


def test_given_no_plan_when_looked_at_then_there_is_nothing_to_show():
    assert look() is None


def test_given_a_plan_of_which_little_is_told_when_looked_at_then_the_rest_is_not_known():
    assert look(**PLAN) == Rollout("winter")


def test_given_a_whole_plan_when_looked_at_then_each_fact_is_in_its_place():
    found = look(
        **PLAN,
        phase=[({"phase": "active"}, 1)],
        step_info=[({"part": "kubernetes/1.35"}, 1)],
        wave=[({}, 1)],
        waves=[({}, 3)],
        paused=[({}, 0)],
        window_open=[({}, 1)],
        window_remaining_seconds=[({}, 90)],
        unavailable_nodes=[({}, 1)],
        budget_nodes=[({}, 2)],
        changed_timestamp_seconds=[({}, NOW - 5)],
        member_info=[
            ({"member": "pi-2", "wave": "1", "state": "waiting"}, 1),
            ({"member": "pi-1", "wave": "", "state": "done"}, 1),
        ],
        waits=[({"member": "pi-2", "reason": "b"}, 1), ({"member": "pi-2", "reason": "a"}, 1)],
    )

    assert found == Rollout(
        "winter", "active", "kubernetes/1.35", 1, 3, False, True, 90.0, 1, 2, NOW - 5,
        (Member("pi-1", None, "done"), Member("pi-2", 1, "waiting", ("a", "b"))),
    )  # fmt: skip


def test_given_a_gate_that_fails_when_looked_at_then_it_says_what_fires_and_since_when():
    found = look(
        **PLAN,
        gate_info=[(CALM, 1)],
        gate_status=[({"gate": "calm"}, 0)],
        ALERTS=[
            ({"alertname": "NodeSilent", "node": "pi-4"}, 1),
            ({"alertname": "DatastoreMajorityLost"}, 1),
        ],
        history=[({"gate": "calm"}, [[NOW - HOUR, "1"], [NOW - 600, "-1"], [NOW, "0"]])],
    )

    (gate,) = found.gates
    assert gate.causes == ("DatastoreMajorityLost", "NodeSilent on pi-4")
    assert (len(gate.history), gate.history[-7:]) == (37, (1, None, None, None, None, -1, 0))


@pytest.mark.parametrize(("kind", "verdict"), [("alerts", 1), ("alerts", -1), ("promql", 0)])
def test_given_a_gate_that_no_alert_explains_when_looked_at_then_none_is_asked_for(kind, verdict):
    store = Store(
        **PLAN, gate_info=[({**CALM, "kind": kind}, 1)], gate_status=[({"gate": "calm"}, verdict)]
    )

    (gate,) = rollout_source.look(store, NOW).gates

    assert (gate.verdict, gate.causes) == (verdict, ())
    assert not [query for query in store.asked if "ALERTS" in query]


def test_given_words_of_a_gate_that_the_store_refuses_when_asked_then_the_page_goes_on():
    def refuses(path):
        raise ValueError("parse error")

    assert rollout_source.causes(refuses, Gate("calm", asks="severity=="), NOW) == ()


def test_given_more_of_the_past_than_there_is_room_for_when_placed_then_it_is_left_out():
    early = [({"gate": "calm"}, [[NOW - 7 * HOUR, "1"], [NOW + HOUR, "1"]])]

    (gate,) = look(**PLAN, gate_info=[(CALM, 1)], history=early).gates

    assert set(gate.history) == {None}


def queries():
    words = [query for _, query in rollout_source.WORDS.values()]
    tables = (rollout_source.NUMBERS, rollout_source.COUNTS, rollout_source.ANSWERS)
    return [
        *words,
        *(query for table in tables for query in table.values()),
        rollout_source.MEMBERS,
        rollout_source.WAITS,
        rollout_source.GATES,
        rollout_source.VERDICTS,
        rollout_source.HISTORY,
    ]


@pytest.mark.parametrize("query", queries())
def test_given_a_query_of_the_page_when_read_then_something_serves_its_metrics(query):
    assert metric_names.asked(query) <= metric_names.known()


# --- words ---------------------------------------------------------------------------------------

WINTER = demo_site.WINTER


def winter(**changes):
    return dataclasses.replace(WINTER, **changes)


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({}, True),
        ({"phase": "scheduled", "changed": NOW - 9 * 86400}, True),
        ({"phase": "completed"}, True),
        ({"phase": "completed", "changed": NOW - 2 * 86400}, False),
        ({"phase": "completed", "changed": None}, False),
        ({"phase": "held", "changed": NOW - 9 * 86400}, True),
    ],
)
def test_given_a_plan_when_asked_then_it_is_shown_as_long_as_it_matters(changes, shown):
    assert rollout_words.is_shown(winter(**changes), NOW) is shown


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ("active", "plain", "kubernetes/1.35, wave 1 of 2")),
        ({"wave": 0}, ("active", "plain", "kubernetes/1.35, canary")),
        ({"part": "", "wave": 2}, ("active", "plain", "wave 2 of 2")),
        ({"paused": True}, ("paused", "warn", "kubernetes/1.35, wave 1 of 2")),
        ({"phase": "expired"}, ("expired", "bad", "kubernetes/1.35")),
        ({"phase": ""}, ("not known", "plain", "kubernetes/1.35")),
    ],
)
def test_given_a_plan_when_said_then_its_word_tone_and_place_fit(changes, said):
    assert dataclasses.astuple(rollout_words.phase(winter(**changes))) == said


def test_given_nodes_that_all_wait_for_one_thing_when_said_then_it_is_a_warning_said_once():
    members = (Member("a", 0, "waiting", ("x", "y")), Member("b", 0, "waiting", ("y", "z")))
    rollout = winter(members=members, wave=0)

    assert [cell.text for cell in rollout_words.holding(rollout)] == ["Held up: y"]
    (wave,) = rollout_words.waves(rollout)
    assert wave.reasons == (("a", "x"), ("b", "z"))


def test_given_a_node_that_is_on_its_way_when_others_wait_then_that_is_no_warning():
    assert [cell.tone for cell in rollout_words.holding(WINTER)] == ["plain"]


@pytest.mark.parametrize("step", [each.value for each in state.State])
def test_given_any_word_for_what_a_node_does_when_it_is_on_its_way_then_the_page_knows_it(step):
    word = messages.doing(step)

    assert not word or (word in site_words.BUSY and site_words.state_tone(word) == "warn")


def test_given_a_plan_that_is_over_when_said_then_nothing_is_held_up():
    assert rollout_words.holding(winter(phase="held")) == []
    assert not any(wave.is_at_hand for wave in rollout_words.waves(winter(phase="held")))


def test_given_members_without_a_wave_when_shown_then_they_come_last():
    titles = [w.title for w in rollout_words.waves(winter(members=(
        Member("z", None), Member("b", 1), Member("a", 0))))]  # fmt: skip

    assert titles == ["Canary", "Wave 1", "Others"]


def test_given_a_plan_that_is_over_when_shown_then_its_nodes_are_not_called_others():
    over = winter(phase="completed", members=(Member("a", None), Member("b", None)))

    assert [wave.title for wave in rollout_words.waves(over)] == ["Every node"]


@pytest.mark.parametrize(
    ("verdict", "reason", "said"),
    [
        (1, "", ("pass", "good")),
        (0, "gate calm: fail", ("fail", "bad")),
        (-1, "gate calm: inconclusive", ("inconclusive", "warn")),
        (-1, "gate calm: error", ("error", "warn")),
        (-1, "", ("no answer", "warn")),
        (None, "", ("not asked", "unknown")),
    ],
)
def test_given_a_verdict_when_said_then_it_is_the_controllers_own_word(verdict, reason, said):
    rollout = winter(members=(Member("a", 0, "waiting", (reason,)),))

    found = rollout_words.verdict(Gate("calm", verdict=verdict), rollout)

    assert (found.text, found.tone) == said


def test_given_little_that_is_known_when_accounted_then_nothing_is_made_up():
    assert rollout_words.account(Rollout("winter", "active"), NOW) == ()
    assert rollout_words.account(winter(window_open=False), NOW)[1] == "no window is open"
    assert rollout_words.account(winter(window_left=None), NOW)[1] == "window open"
    assert "window" not in " ".join(rollout_words.account(winter(phase="held"), NOW))


def test_given_no_verdicts_when_summed_up_then_that_is_said():
    assert rollout_words.summary((None, None)) == "none asked"
    assert rollout_words.strip((None, 1.0, 0.0)) == [(1, "good"), (2, "bad")]
