"""Every alert rule fires and clears as its story says, by Prometheus' own tool."""

import pathlib
import subprocess

import promtool
import pytest
import stories


@pytest.mark.parametrize("step", stories.STEPS)
def test_given_stories_when_told_then_each_alert_fires_and_clears(step, tmp_path):
    told = [story for story in stories.stories() if story.step == step]

    ran = promtool.run(told, tmp_path)

    assert (ran.returncode, ran.stdout + ran.stderr) == (0, ran.stdout)


def test_given_a_story_with_a_wrong_end_when_told_then_it_fails(tmp_path):
    story = next(story for story in stories.stories() if story.alert == "RootReadOnly")
    wrong = stories.Story(**{**vars(story), "quiet": story.fires, "fires": ()})

    ran = promtool.run([wrong], tmp_path)

    assert ran.returncode == 1
    assert "got: {} 1E+00" in ran.stdout + ran.stderr


@pytest.mark.parametrize("file", sorted(stories.RULES.iterdir()), ids=lambda file: file.name)
def test_given_a_file_when_linted_then_nothing_is_wrong(file):
    assert lint(file).returncode == 0


@pytest.mark.parametrize(
    ("good", "bad"),
    [
        ("expr: vector(1)", "expr: vector(1"),
        ("severity: none", "severity: {{ $labels }"),
        ("- alert: Watchdog", "- alarm: Watchdog"),
        ("    rules:", "   rules:"),
        ("summary: Alert", "summary: {{ $value | unknown }} Alert"),
    ],
)
def test_given_a_broken_file_when_linted_then_it_does_not_pass(good, bad, tmp_path):
    text = (stories.RULES / "heartbeat.rules").read_text()
    assert good in text
    broken = tmp_path / "broken.rules"
    broken.write_text(text.replace(good, bad))

    assert lint(broken).returncode != 0


def lint(file: pathlib.Path):
    return subprocess.run(
        (promtool.PROMTOOL, "check", "rules", str(file)), capture_output=True, timeout=60
    )
