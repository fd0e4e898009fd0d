"""What the documentation tells its readers to type works, and prints what it says it does."""

import dataclasses
import pathlib
import re

import pytest

from edgecloud.interfaces import cluster_join, edge_component, lxd_cluster, node_metrics
from edgelab import juju_commands, walkthrough

REPOSITORY = pathlib.Path(__file__).parents[2]
PAGES = (
    "docs/tutorial/a-site-on-three-pis.md",
    "docs/tutorial/an-upgrade-that-goes-wrong.md",
    "docs/how-to/add-a-pi.md",
    "docs/how-to/remove-a-pi.md",
    "docs/how-to/replace-a-pi.md",
    "docs/how-to/build-an-lxd-cloud.md",
    "docs/how-to/add-a-pi-to-lxd.md",
    "docs/how-to/replace-a-dead-lxd-pi.md",
)


@pytest.mark.parametrize("path", PAGES)
def test_given_a_page_when_its_commands_are_run_then_they_print_what_it_shows(path, tmp_path):
    page = (REPOSITORY / path).read_text(encoding="utf-8")

    with walkthrough.model_in_order(tmp_path) as juju:
        today = walkthrough.rewritten(page, juju_commands.Shell(juju, REPOSITORY))

    assert today == page, "run: PYTHONPATH=lib python -m edgelab.walkthrough " + path


def test_given_the_tutorial_when_read_then_it_types_every_kind_of_command_it_explains():
    page = (REPOSITORY / PAGES[0]).read_text(encoding="utf-8")

    typed = {line.split()[1] for line in walkthrough.commands_of(page)}

    assert {"add-machine", "deploy", "status", "run", "config", "remove-unit"} <= typed


@pytest.mark.parametrize(
    ("interface", "schemas"),
    [
        (
            "cluster_join",
            (cluster_join.NodeReport, cluster_join.MemberReport, cluster_join.ClusterRecord),
        ),
        ("lxd_cluster", (lxd_cluster.ClusterRecord, lxd_cluster.MemberReport)),
        ("node_metrics", (node_metrics.Sink, node_metrics.Sender)),
        ("edge_component", (edge_component.Component, edge_component.Wishes)),
    ],
)
def test_given_an_interface_when_its_page_is_read_then_it_names_every_key(interface, schemas):
    page = (REPOSITORY / f"docs/reference/interfaces/{interface}.md").read_text(encoding="utf-8")

    named = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))

    assert named == {field.name for schema in schemas for field in dataclasses.fields(schema)}
