"""The catalogue of what edge-node writes, and the page that operators read of it."""

import pathlib
import re
import shutil
import subprocess

import pytest

from edgecloud.metrics import exposition, node, site_upgrade
from edgecloud.rollout import chronicle, messages

ALL = (*node.METRICS, *site_upgrade.METRICS)
PAGE = pathlib.Path(__file__).parents[3] / "docs/reference/metrics.md"


def row(metric):
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| `{metric.name}` | {labels} | {metric.kind} | {metric.help} |"


def one_of(metric):
    labels = dict.fromkeys(metric.labels, "x")
    if metric.kind == exposition.HISTOGRAM:
        return metric.spread((1, 60), (1, 0, 2), 200, **labels)
    return [metric.at(1, **labels)]


def section(who="edge-node"):
    _, _, rest = PAGE.read_text().partition(f"## Written by {who}\n")
    return rest.partition("\n## ")[0]


@pytest.mark.parametrize(
    ("who", "metrics"),
    [("edge-node", node.METRICS), ("edge-upgrade-controller", site_upgrade.METRICS)],
    ids=["edge-node", "edge-upgrade-controller"],
)
def test_given_the_page_when_compared_then_it_lists_every_metric_and_no_other(who, metrics):
    lines = section(who).splitlines()

    listed = [line for line in lines if re.match(r"\| `\w+` \|.*\| \w+ \|", line)]

    assert listed == [row(metric) for metric in metrics]


def test_given_the_catalogue_when_looked_at_then_no_name_is_there_twice():
    assert len(exposition.by_name(ALL)) == len(ALL)


@pytest.mark.parametrize("status", [status.value for status in messages.Status])
def test_given_any_status_of_a_node_when_looked_up_then_the_page_has_it(status):
    assert f"`{status}`" in section()


def test_given_what_a_node_counts_when_looked_up_then_the_page_has_every_step_and_reason():
    page = section()
    words = {each.value for each in (*chronicle.TIMED, *chronicle.Cause)}

    assert {word for word in words if f"`{word}`" not in page} == set()


@pytest.mark.parametrize("metric", ALL, ids=lambda metric: metric.name)
def test_given_a_metric_when_named_then_it_follows_the_rules_of_prometheus(metric):
    assert re.fullmatch(r"(edge|upgrade)(_[a-z0-9]+)+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == exposition.COUNTER)
    assert metric.help.endswith(".")


def test_given_a_sample_of_each_when_written_then_promtool_where_it_is_has_no_complaint():
    samples = [sample for metric in ALL for sample in one_of(metric)]
    text = exposition.write(samples)
    checker = shutil.which("promtool")
    command = (checker, "check", "metrics") if checker else ("cat", "/dev/null")

    checked = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
