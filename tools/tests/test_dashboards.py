import json

import pytest

import dashboards

SOURCES = dashboards.sources()
PLAIN = """\
title: A page
description: Of a test.
version: 3
variables: [site, node]
panels:
- title: Lines
  kind: timeseries
  lines: {"{{node}}": up, b: vector(1)}
- title: Rows
  kind: table
  width: 16
  steps: [[null, red], [1, green]]
  columns: {heard: up, seen: vector(1)}
"""


@pytest.fixture
def plain(tmp_path):
    file = tmp_path / "plain.yaml"
    file.write_text(PLAIN)
    return json.loads(dashboards.written(dashboards.read(file)))


def test_given_the_repository_when_checked_then_every_dashboard_is_current():
    assert dashboards.main(["--check"]) == 0


def test_given_a_change_when_checked_then_the_stale_file_is_named(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(dashboards, "FOLDER", "none")

    assert dashboards.main(["--check"]) == 1
    said = capsys.readouterr().out
    assert "charms/edge-monitor/none/site-overview.json is not current" in said
    assert "charms/edge-lxd/none/lxd.json is not current" in said


def test_given_a_page_when_written_then_the_source_and_its_variables_come_first(plain):
    names = [variable["name"] for variable in plain["templating"]["list"]]

    assert names == ["prometheusds", "site", "node"]
    assert (plain["title"], plain["version"]) == ("A page", 3)


def test_given_lines_when_written_then_each_is_a_question_over_time(plain):
    first, second = plain["panels"][0]["targets"]

    assert (first["expr"], first["legendFormat"], first["range"]) == ("up", "{{node}}", True)
    assert (second["refId"], second["instant"]) == ("B", False)


def test_given_columns_when_written_then_each_answer_has_its_name(plain):
    table = plain["panels"][1]

    assert [target["instant"] for target in table["targets"]] == [True, True]
    organise = table["transformations"][-1]["options"]
    assert organise["renameByName"] == {"Value #A": "heard", "Value #B": "seen"}
    assert table["fieldConfig"]["defaults"]["thresholds"]["steps"][1] == {
        "value": 1,
        "color": "green",
    }


def test_given_a_row_that_is_full_when_placed_then_the_next_panel_is_below(plain):
    spots = [panel["gridPos"] for panel in plain["panels"]]

    assert spots == [{"x": 0, "y": 0, "w": 12, "h": 8}, {"x": 0, "y": 8, "w": 16, "h": 8}]


@pytest.mark.parametrize("file", SOURCES, ids=lambda file: file.name)
def test_given_a_source_when_written_then_no_two_panels_share_a_place(file):
    taken = set()
    for spot in dashboards.place(dashboards.read(file).panels):
        cells = {
            (x, y)
            for x in range(spot["x"], spot["x"] + spot["w"])
            for y in range(spot["y"], spot["y"] + spot["h"])
        }
        assert not cells & taken
        assert spot["x"] + spot["w"] <= dashboards.COLUMNS
        taken |= cells
