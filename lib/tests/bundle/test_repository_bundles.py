"""The bundles that this repository offers."""

import itertools
import pathlib
import re

import pytest

from edgelab import bundle

BUNDLES = pathlib.Path(__file__).parents[3] / "bundles"
EDGE_CLOUD = BUNDLES / "edge-cloud.yaml"
FILES = sorted(path for path in BUNDLES.rglob("*.yaml") if path.parent.name != "plans")
SINGLE = ("charmhub",)
TRIPLE = ("workers", "amd64", "charmhub")


def overlay(name: str) -> pathlib.Path:
    return BUNDLES / "overlays" / f"{name}.yaml"


@pytest.mark.parametrize(
    ("name", "overlays"),
    [
        ("edge-cloud", ()),
        ("single-pi", ()),
        ("lxd-lab", ()),
        ("lxd-lab", ("two-storey",)),
        *(("edge-cloud", (name,)) for name in TRIPLE),
        *(("single-pi", (name,)) for name in SINGLE),
        ("edge-cloud", ("monitor",)),
        ("edge-cloud", ("monitor", "cos")),
        ("edge-cloud", ("workers", "charmhub")),
        ("edge-cloud", ("charmhub", "workers")),
        ("edge-cloud", ("amd64", "charmhub")),
    ],
)
def test_given_a_bundle_of_this_repository_when_read_then_juju_takes_it(name, overlays):
    bundle.read(BUNDLES / f"{name}.yaml", [overlay(each) for each in overlays])


def test_given_edge_cloud_when_read_then_three_pis_run_one_application():
    site = bundle.read(EDGE_CLOUD)

    nodes = {f"edge-microk8s/{n}": str(n) for n in range(3)}
    assert bundle.assign(site) == {**nodes, "edge-upgrade-controller/0": "0"}
    assert {machine.constraints.arch for machine in site.machines.values()} == {"arm64"}
    assert site.base(site.applications["edge-microk8s"]) == "ubuntu@24.04"


def test_given_workers_when_read_then_two_more_pis_join_as_workers():
    site = bundle.read(EDGE_CLOUD, [overlay("workers")])

    workers = [app for app in site.applications.values() if app.options.get("role") == "worker"]
    assert {bundle.assign(site)[f"{app.name}/0"] for app in workers} == {"3", "4"}
    related = {str(relation) for relation in site.relations}
    assert {f"edge-microk8s:workers {app.name}:control-plane" for app in workers} <= related
    assert {f"{app.name}:component edge-node:component" for app in workers} <= related


def test_given_amd64_when_read_then_nothing_is_left_of_arm64():
    site = bundle.read(EDGE_CLOUD, [overlay("amd64")])

    assert {charm.architectures for charm in site.charms.values()} == {("amd64",)}
    assert {machine.constraints.arch for machine in site.machines.values()} == {"amd64"}


def test_given_charmhub_when_read_then_no_file_is_named():
    site = bundle.read(EDGE_CLOUD, [overlay("charmhub")])

    apps = site.applications.values()
    assert {app.charm_path for app in apps} == {None}
    assert all(app.channel for app in apps)


def test_given_a_stack_elsewhere_when_read_then_the_monitor_is_related_to_its_offers():
    site = bundle.read(EDGE_CLOUD, [overlay("monitor"), overlay("cos")])

    related = {str(relation) for relation in site.relations}
    assert set(site.saas) == {"prometheus-receive-remote-write", "grafana-dashboards"}
    assert sum(name in each for each in related for name in ("remote-write", "dashboard")) == 2
    monitor = site.applications["edge-monitor"]
    assert monitor.options["external-labels"].startswith("site=")
    assert monitor.options["open-queries"] is False
    assert "grafana-source" in monitor.offers["site-metrics"].endpoints


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_given_a_bundle_when_read_by_people_then_every_block_is_explained(file):
    blocks = file.read_text().strip().split("\n\n")

    assert all("# " in block or block.startswith("description:") for block in blocks)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_given_a_bundle_when_looked_up_then_the_readme_has_a_heading_and_its_command(file):
    readme = (BUNDLES / "README.md").read_text()
    path = file.relative_to(BUNDLES.parent)

    assert re.search(rf"^##+ `{re.escape(str(file.relative_to(BUNDLES)))}`", readme, re.MULTILINE)
    assert re.search(rf"^ *juju deploy .*\./{re.escape(str(path))}", readme, re.MULTILINE)


def test_given_the_commands_of_the_readme_when_their_files_are_read_then_juju_takes_them():
    commands = re.findall(r"^ *juju deploy .*$", (BUNDLES / "README.md").read_text(), re.MULTILINE)

    for command in commands:
        base, *overlays = (BUNDLES.parent / each for each in re.findall(r"\S+\.yaml", command))
        bundle.read(base, overlays)

    assert len(commands) >= len(FILES)
    assert list(itertools.filterfalse(lambda command: "./bundles/" in command, commands)) == []
