"""The alert rules as files: whole, in house style, about metrics that exist, of use on a site."""

import re

import metric_names
import pytest
import stories
import yaml

RULES = stories.rules()
SEVERITIES = {"critical", "warning", "info", "none"}
ALERTS = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)


def test_given_the_folder_when_looked_at_then_each_alert_has_a_name_of_its_own():
    written = [
        name
        for file in stories.RULES.iterdir()
        for name in re.findall(r"^ +- alert: (\w+)$", file.read_text(), re.MULTILINE)
    ]

    assert sorted(written) == sorted(RULES)


@ALERTS
def test_given_a_rule_when_read_then_it_is_of_a_kind_that_old_evaluators_know(rule):
    # keep_firing_for, for one, stops the vmalert of Debian 12 from starting.
    assert set(rule) - {"file"} <= {"alert", "expr", "for", "labels", "annotations"}


@ALERTS
def test_given_a_rule_when_read_then_it_says_how_bad_it_is(rule):
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["labels"]) <= {"severity", "gate"}
    assert rule["labels"].get("gate", "upgrade") == "upgrade"


@ALERTS
def test_given_a_rule_when_read_then_it_says_what_is_wrong_and_what_to_do(rule):
    annotations = rule["annotations"]

    assert set(annotations) == {"summary", "description"}
    assert annotations["summary"].endswith(".")
    assert len(annotations["summary"]) <= 110
    assert len(annotations["description"]) >= 60


@ALERTS
def test_given_a_rule_when_read_with_the_uplink_down_then_nothing_points_to_the_internet(rule):
    assert not re.search(r"https?://|www\.", str(rule["annotations"]))


@ALERTS
def test_given_a_rule_when_it_sends_to_an_action_or_an_option_then_a_charm_has_it(rule):
    text = " ".join(rule["annotations"]["description"].split())

    for charm, action in re.findall(r"juju run (edge-[\w-]+)/leader ([\w-]+)", text):
        assert action in charmcraft(charm)["actions"]
    for charm, option in re.findall(r"(edge-[\w-]+)'s option `([\w-]+)`", text):
        assert option in charmcraft(charm)["config"]["options"]


def charmcraft(charm):
    charms = stories.RULES.parents[2]
    return yaml.safe_load((charms / charm / "charmcraft.yaml").read_text())


@ALERTS
def test_given_a_rule_when_it_names_a_place_then_its_series_say_which(rule):
    text = str(rule["annotations"])

    used = set(re.findall(r"\$labels\.(\w+)", text))
    aggregated = re.match(
        r"\s*(?:\d+ \* )?\(?\s*\(?\s*(?:sum|max|min|count) by \(([^)]*)\)", rule["expr"]
    )
    if aggregated:
        assert used <= set(re.split(r",\s*", aggregated[1]))
    elif rule["alert"] != "Watchdog":
        assert "node" in used


@ALERTS
def test_given_a_rule_when_it_asks_for_a_metric_then_something_serves_it(rule):
    asked = metric_names.asked(rule["expr"])

    assert asked <= metric_names.known()
    assert asked or rule["alert"] == "Watchdog"


@ALERTS
def test_given_a_rule_when_looked_up_then_a_story_lets_it_fire_and_clear(rule):
    told = [story for story in stories.stories() if story.alert == rule["alert"]]

    whole = [s for s in told if s.forever or (s.fires and s.quiet and s.quiet[-1] > s.fires[-1])]
    assert whole
    if "for" in rule:
        assert any(s.quiet[0] < s.fires[0] for s in whole)


def test_given_a_story_when_looked_up_then_there_is_such_a_rule():
    assert {story.alert for story in stories.stories()} == set(RULES)


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ('up{job="node"} == 0', {"up"}),
        ("sum by (site, node_name) (rate(a_total[5m])) / b_c", {"a_total", "b_c"}),
        ('x_y unless on (some_label) (last_over_time(z_z{k="q_q"}[30m]) == 1)', {"x_y", "z_z"}),
        ("max_over_time(a_b[$__rate_interval]) or vector(0)", {"a_b"}),
    ],
)
def test_given_an_expression_when_read_then_the_metrics_in_it_are_found(expression, names):
    assert metric_names.asked(expression) == names


@pytest.mark.parametrize("text", ["1*", "1*2 x", "*3", "1 * 2", "1*2, 3*4"])
def test_given_a_series_that_is_none_when_read_then_the_story_is_refused(text):
    with pytest.raises(AssertionError, match="is no piece"):
        stories.values(text)


def test_given_pieces_when_read_then_they_are_what_they_say():
    assert stories.values("1*2 _*1 0+2.5*3 @7*1", begin=100) == [1, 1, None, 0, 2.5, 5, 107]


def test_given_the_page_of_alerts_when_compared_then_it_lists_every_rule_and_no_other():
    page = (stories.RULES.parents[3] / "docs/reference/alerts.md").read_text()

    listed = re.findall(r"^\| `\w+` \|.*\|$", page, re.MULTILINE)

    assert listed == [row(rule) for rule in RULES.values()]


def row(rule):
    labels, summary = rule["labels"], rule["annotations"]["summary"]
    shown = re.sub(r"\{\{ \$(?:labels\.)?(\w+).*?\}\}", r"*\1*", summary)
    holds = "yes" if "gate" in labels else ""
    cells = (f"`{rule['alert']}`", labels["severity"], rule.get("for", "at once"), holds, shown)
    return f"| {' | '.join(cells)} |"
