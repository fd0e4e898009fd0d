"""Every question of the dashboards is one that Prometheus understands."""

import subprocess

import promtool
import pytest
import test_dashboards
import yaml


@test_dashboards.EACH
def test_given_a_dashboard_when_its_questions_are_parsed_then_prometheus_understands_them(
    page, tmp_path
):
    assert check(map(test_dashboards.plain, test_dashboards.expressions(page)), tmp_path) == 0


@pytest.mark.parametrize("expression", ["sum by (node) (", "rate(up)", "up{node=}"])
def test_given_a_question_that_is_none_when_parsed_then_it_does_not_pass(expression, tmp_path):
    assert check([expression], tmp_path) != 0


def check(expressions, folder):
    rules = [
        {"record": f"question:{number}", "expr": expression}
        for number, expression in enumerate(expressions)
    ]
    file = folder / "questions.rules"
    file.write_text(yaml.safe_dump({"groups": [{"name": "questions", "rules": rules}]}))
    command = (promtool.PROMTOOL, "check", "rules", str(file))
    return subprocess.run(command, capture_output=True, timeout=60).returncode
