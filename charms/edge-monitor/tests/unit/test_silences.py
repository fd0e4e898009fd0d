"""What is silenced: of disturbed nodes only what that causes, for a while, and nothing else."""

import json
import pathlib
import re

import hypothesis.strategies as st
import pytest
import yaml
from hypothesis import given
from ops import testing

import alerting
import silencer
import silences
from edgecloud.interfaces.health_gate import Disturbance, Upheaval
from edgecloud.testing import encoded

NOW = 1_800_000_000
RULES = pathlib.Path(silences.__file__).parent / "prometheus_alert_rules"
UPGRADED = Disturbance("pi-2", NOW + 900, "winter-2026", "kubernetes/1.35")
COMMENT = "plan winter-2026, step kubernetes/1.35 disturbs pi-2"


class Alertmanager:
    """As much of it as silences are: it keeps what is posted, by names of its own."""

    def __init__(self, kept=()):
        self.kept = {each["id"]: each for each in kept}

    def shown(self, now):
        for each in self.kept.values():
            state = "expired" if silences._read(each["endsAt"]) <= now else "active"
            yield {**each, "status": {"state": state}}

    def active(self, now):
        return [each for each in self.shown(now) if each["status"]["state"] == "active"]

    def take(self, changes, now):
        for each in changes.post:
            sent = silences.body(each, now)
            name = sent.setdefault("id", f"s{len(self.kept)}")
            if each.id:
                assert self.kept[name]["startsAt"] == sent["startsAt"]
            self.kept[name] = sent
        for name in changes.expire:
            self.kept[name] = {**self.kept[name], "endsAt": silences._written(now)}

    def agree(self, disturbed, now):
        changes = silences.decide(
            silences.wanted(disturbed, now), silences.read(list(self.shown(now)))
        )
        self.take(changes, now)
        return changes


def test_given_a_disturbed_node_when_silenced_then_it_says_who_why_and_until_when():
    manager = Alertmanager()

    manager.agree([UPGRADED], NOW)

    (made,) = manager.active(NOW)
    assert (made["createdBy"], made["comment"]) == ("edge-upgrade-controller", COMMENT)
    assert made["endsAt"] == "2027-01-15T08:15:00Z"
    assert made["matchers"][1] == {
        "name": "node", "value": "pi-2", "isRegex": False, "isEqual": True,
    }  # fmt: skip


def test_given_a_node_that_is_still_disturbed_when_said_anew_then_the_same_silence_ends_later():
    manager = Alertmanager()
    manager.agree([UPGRADED], NOW)

    manager.agree([Disturbance("pi-2", NOW + 1500, "winter-2026", "kubernetes/1.35")], NOW + 600)

    (made,) = manager.kept.values()
    assert made["startsAt"] == "2027-01-15T08:00:00Z"
    assert made["endsAt"] == "2027-01-15T08:25:00Z"


def test_given_a_node_that_is_done_when_said_then_its_silence_ends_at_once():
    manager = Alertmanager()
    manager.agree([UPGRADED], NOW)

    manager.agree([], NOW + 60)

    assert manager.active(NOW + 60) == []


def test_given_nobody_who_says_anything_when_time_passes_then_it_ends_by_itself():
    manager = Alertmanager()
    manager.agree([UPGRADED], NOW)

    assert manager.active(NOW + 899)
    assert manager.active(NOW + 900) == []


def test_given_a_controller_that_says_for_ever_when_heard_then_half_an_hour_is_all():
    wishes = silences.wanted([Disturbance("pi-2", NOW + 10**9)], NOW)

    assert wishes["pi-2"].ends == NOW + silences.LONGEST_S


def test_given_a_silence_of_ours_that_somebody_widened_when_looked_at_then_it_ends():
    manager = Alertmanager()
    manager.agree([UPGRADED], NOW)
    (made,) = manager.kept.values()
    made["matchers"] = made["matchers"][:1]

    manager.agree([UPGRADED], NOW)

    (left,) = manager.active(NOW)
    assert left["id"] != made["id"]
    assert len(left["matchers"]) == 2


def test_given_alertmanager_before_0_22_when_it_lists_then_our_silences_are_known():
    manager = Alertmanager()
    manager.agree([UPGRADED], NOW)
    for matcher in next(iter(manager.kept.values()))["matchers"]:
        del matcher["isEqual"]

    assert manager.agree([UPGRADED], NOW) == silences.Changes()


names = st.sampled_from(["", "pi-1", "pi-2", "pi-3", 'a"b', ".*"])
disturbances = st.lists(
    st.builds(Disturbance, names, st.integers(NOW - 999, NOW + 99_999), st.text(), st.text()),
    max_size=6,
)


@st.composite
def strangers(draw):
    """Silences that an operator made; some even like ours."""
    matchers = draw(st.sampled_from([silences._matchers("pi-2"), silences._matchers("x")[:1]]))
    return {
        "id": f"operator-{draw(st.integers(0, 9))}",
        "matchers": matchers,
        "startsAt": silences._written(NOW - 50),
        "endsAt": silences._written(NOW + draw(st.integers(-20, 9000))),
        "createdBy": draw(st.sampled_from(["ann", "", "edge-monitor"])),
        "comment": draw(st.text()),
    }


@given(st.lists(disturbances, max_size=4), st.lists(strangers(), max_size=4))
def test_given_anything_said_when_agreed_then_just_the_disturbed_nodes_are_silenced_for_a_while(
    rounds, others
):
    manager = Alertmanager(others)
    before = {each["id"]: dict(each) for each in others}

    for number, said in enumerate([*rounds, []]):
        now = NOW + 100 * number
        manager.agree(said, now)

        mine = [each for each in manager.active(now) if each["createdBy"] == silences.CREATOR]
        nodes = [each["matchers"][1]["value"] for each in mine]
        assert sorted(nodes) == sorted({d.node for d in said if d.node and d.until > now})
        for each in mine:
            assert [m["name"] for m in each["matchers"]] == ["alertname", "node"]
            assert not each["matchers"][1]["isRegex"]
            assert silences._read(each["endsAt"]) <= now + silences.LONGEST_S
        assert manager.agree(said, now) == silences.Changes()  # And then nothing is left to do.
    assert {name: manager.kept[name] for name in before} == before


# --- which alerts --------------------------------------------------------------------------------


def rules():
    for path in RULES.glob("*.rules"):
        for group in yaml.safe_load(path.read_text())["groups"]:
            yield from group["rules"]


def test_given_the_rules_when_compared_then_what_is_excused_is_what_a_disturbance_causes():
    known = {rule["alert"]: rule for rule in rules()}
    forgiven = {name for name, rule in known.items() if 'state="disrupted"}[' in rule["expr"]}
    forgiven |= {name for name, rule in known.items() if "disrupted|uncommitted" in rule["expr"]}

    assert set(silences.EXCUSED) == forgiven | {"NodeFlapping"}
    assert all("$labels.node" in known[name]["annotations"]["summary"] or
               "$labels.node" in known[name]["annotations"]["description"]
               for name in silences.EXCUSED)  # fmt: skip


def test_given_what_tells_that_an_upgrade_went_wrong_when_compared_then_it_is_never_excused():
    wrong = {rule["alert"] for rule in rules() if re.match("Upgrade|Audit|Under|Datastore|Root",
                                                          rule["alert"])}  # fmt: skip

    assert len(wrong) >= 15
    assert not wrong & {*silences.EXCUSED, alerting.WATCHDOG}


# --- the charm -----------------------------------------------------------------------------------


@pytest.fixture
def gated(monitor):
    """Return a monitor and what says to it which nodes are disturbed."""

    def say(*disturbed, event="relation_changed"):
        said = testing.Relation(
            "health-gate",
            id=7,
            remote_app_name="control",
            remote_app_data=encoded(Upheaval(1, disturbed)),
        )
        return monitor.set(relations=[said]).run(event, said)

    return say


def silenced(monitor):
    return {each.node for each in silencer.known(monitor.host)}


def soon(monitor, seconds):
    return int(monitor.host.now()) + seconds


def test_given_a_controller_that_says_a_node_is_disturbed_when_heard_then_it_is_silenced(
    gated, monitor
):
    gated(Disturbance("pi-2", soon(monitor, 900), "winter"))

    assert silenced(monitor) == {"pi-2"}
    assert isinstance(monitor.status, testing.ActiveStatus)


def test_given_a_silence_when_the_controller_says_no_more_then_none_is_left(gated, monitor):
    gated(Disturbance("pi-2", soon(monitor, 900)))
    gated()

    assert silenced(monitor) == set()


def test_given_a_silence_when_the_controller_goes_then_none_is_left(gated, monitor):
    gated(Disturbance("pi-2", soon(monitor, 900)))
    gated(Disturbance("pi-2", soon(monitor, 900)), event="relation_broken")

    assert silenced(monitor) == set()


def test_given_an_alertmanager_that_does_not_answer_when_told_then_it_says_so_and_tries_again(
    gated, monitor
):
    monitor.machine.units["edge-monitor-alerts.service"].active = False
    gated(Disturbance("pi-2", soon(monitor, 900)))

    assert "alerts cannot be silenced now" in monitor.status.message
    armed = [call for call in monitor.world.calls if "/usr/bin/systemd-run" in call.argv]
    assert "edge-monitor-mon-0" in " ".join(armed[-1].argv)


def test_given_a_unit_that_does_not_lead_when_told_then_its_own_alertmanager_is_told_too(
    gated, monitor
):
    monitor.set(leader=False)
    gated(Disturbance("pi-2", soon(monitor, 900)))

    assert silenced(monitor) == {"pi-2"}


def test_given_a_silence_under_our_name_that_names_no_node_when_looked_at_then_it_ends(
    gated, monitor
):
    monitor.host.write("/var/lib/edge-monitor-alerts/silences.json", json.dumps([{
        "id": "x", "createdBy": silences.CREATOR, "comment": "", "matchers": [],
        "startsAt": "yesterday", "endsAt": "2199-01-01T00:00:00Z"}]))  # fmt: skip
    gated()

    assert silenced(monitor) == set()
