"""What the charm brings for an agent: alerts that fire and clear, questions that can be asked."""

import dataclasses
import json
import pathlib
import re
import shutil
import subprocess

import pytest
import yaml

import brought

REPOSITORY = pathlib.Path(__file__).parents[4]
FILE = REPOSITORY / "charms/edge-lxd/src/prometheus_alert_rules/lxd.rules"
PROMTOOL = shutil.which("promtool")
PLACE = 'project="default",name="c1",member="pi"'


@dataclasses.dataclass(frozen=True)
class Story:
    """What is measured minute by minute, and when the alert fires because of it."""

    series: dict[str, str]
    quiet: tuple[int, ...]
    fires: tuple[int, ...]


STORIES = {
    "EdgeLxdMemberSilent": Story(
        {'up{job="lxd",member="pi"}': "1x5 0x20 1x5"}, (4, 10, 29), (17, 24)
    ),
    "EdgeLxdWarnings": Story(
        {'lxd_warnings_total{member="pi"}': "0x5 2x25 0x5"}, (4, 15, 34), (24,)
    ),
    "EdgeLxdInstanceOutOfMemory": Story(
        {f"lxd_memory_OOM_kills_total{{{PLACE}}}": "1x5 2x80"}, (4, 75), (7, 50)
    ),
    "EdgeLxdInstanceMemoryFull": Story(
        {
            f"lxd_memory_MemAvailable_bytes{{{PLACE}}}": "90x5 4x25 50x5",
            f"lxd_memory_MemTotal_bytes{{{PLACE}}}": "100x40",
        },
        (4, 15, 36),
        (25,),
    ),
    "EdgeLxdInstanceDiskFull": Story(
        {
            f'lxd_filesystem_avail_bytes{{mountpoint="/",{PLACE}}}': "90x5 9x25 50x5",
            f'lxd_filesystem_size_bytes{{mountpoint="/",{PLACE}}}': "100x40",
        },
        (4, 15, 36),
        (25,),
    ),
}


def rules():
    return {one["alert"]: one for group in brought.groups()["groups"] for one in group["rules"]}


def tell(name, story, folder):
    """Have promtool say whether the alert does what the story says."""
    selector = f'ALERTS{{alertname="{name}",alertstate="firing",member="pi"}}'
    document = {
        "rule_files": [str(FILE)],
        "evaluation_interval": "1m",
        "tests": [
            {
                "interval": "1m",
                "input_series": [
                    {"series": one, "values": values} for one, values in story.series.items()
                ],
                "promql_expr_test": [
                    {
                        "expr": f"count({selector}) or vector(0)",
                        "eval_time": f"{at}m",
                        "exp_samples": [{"labels": "{}", "value": int(at in story.fires)}],
                    }
                    for at in sorted((*story.quiet, *story.fires))
                ],
            }
        ],
    }
    file = folder / "story.yaml"
    file.write_text(yaml.safe_dump(document, sort_keys=False))
    command = (PROMTOOL, "test", "rules", str(file))
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("name", STORIES)
def test_given_a_story_when_told_then_the_alert_fires_and_clears(name, tmp_path):
    ran = tell(name, STORIES[name], tmp_path)

    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_given_a_story_with_a_wrong_end_when_told_then_it_fails(tmp_path):
    story = STORIES["EdgeLxdWarnings"]

    assert tell("EdgeLxdWarnings", dataclasses.replace(story, fires=()), tmp_path).returncode == 0
    wrong = dataclasses.replace(story, quiet=(*story.quiet, 24), fires=())
    assert tell("EdgeLxdWarnings", wrong, tmp_path).returncode == 1


def test_given_the_rules_when_read_then_each_has_a_story_and_a_severity_and_says_what_to_do():
    assert set(rules()) == set(STORIES)
    for rule in rules().values():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


def test_given_the_page_of_alerts_when_compared_then_it_lists_the_charms_own():
    page = (REPOSITORY / "docs/reference/alerts.md").read_text()

    assert set(re.findall(r"^- `(EdgeLxd\w+)`,", page, re.MULTILINE)) == set(rules())


MEASURED = {
    "lxd_filesystem_avail_bytes",
    "lxd_filesystem_size_bytes",
    "lxd_memory_MemAvailable_bytes",
    "lxd_memory_MemTotal_bytes",
}
"""What a real LXD is tested to have of it: tests/machines/edge_lxd."""

# --- the dashboard ---------------------------------------------------------------------------


def page():
    (text,) = brought.dashboards()
    return json.loads(text)


def expressions():
    return [target["expr"] for panel in page()["panels"] for target in panel["targets"]]


def parsed(questions, folder):
    """Return what promtool says of questions, as Prometheus itself reads them."""
    plain = [
        re.sub(r"\$__rate_interval", "5m", re.sub(r'"\$\w+"', '".*"', each)) for each in questions
    ]
    rules = [{"record": f"question:{at}", "expr": each} for at, each in enumerate(plain)]
    file = folder / "questions.rules"
    file.write_text(yaml.safe_dump({"groups": [{"name": "questions", "rules": rules}]}))
    command = (PROMTOOL, "check", "rules", str(file))
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def test_given_the_dashboard_when_its_questions_are_parsed_then_prometheus_understands_them(
    tmp_path,
):
    ran = parsed(expressions(), tmp_path)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert parsed([*expressions(), "sum by (member) ("], tmp_path).returncode == 1


def test_given_the_dashboard_when_it_asks_then_only_for_what_lxd_was_seen_to_measure():
    asked = set(re.findall(r"lxd_\w+", json.dumps(page())))

    assert asked == MEASURED


def test_given_the_dashboard_when_filtered_then_every_question_minds_the_member():
    assert [each for each in expressions() if 'member=~"$member"' not in each] == []


def test_given_the_dashboard_when_read_then_it_follows_the_conventions_of_those_who_take_it():
    found = page()

    assert re.fullmatch(r"[0-9a-f]{40}", found["uid"])
    assert [each["name"] for each in found["templating"]["list"]] == ["prometheusds", "member"]
    sources = re.findall(r'"type": "prometheus", "uid": ("[^"]+")', json.dumps(found))
    assert set(sources) == {'"${prometheusds}"'}
    used = set(re.findall(r"\$\{?(\w+)", " ".join(expressions()))) - {"__rate_interval"}
    assert used == {"member"}
    assert len({panel["id"] for panel in found["panels"]}) == len(found["panels"])
