"""Write stories as the unit tests that promtool runs."""

import shutil
import subprocess

import stories
import yaml

PROMTOOL = shutil.which("promtool")


def document(told):
    """Return the file that `promtool test rules` reads."""
    return {
        "rule_files": [str(path) for path in sorted(stories.RULES.iterdir())],
        "evaluation_interval": "1m",
        "tests": [_test(story) for story in told],
    }


def _test(story):
    return {
        "name": f"{story.alert}: {story.about}",
        "interval": story.step,
        "input_series": [
            {"series": name, "values": " ".join("_" if v is None else repr(v) for v in values)}
            for name, values in story.written().items()
        ],
        "promql_expr_test": [
            {
                "expr": f"count({stories.alerts(story)}) or vector(0)",
                "eval_time": f"{at * stories.STEPS[story.step]}s",
                "exp_samples": [{"labels": "{}", "value": int(at in story.fires)}],
            }
            for at in sorted({*story.quiet, *story.fires})
        ],
    }


def run(told, folder):
    """Return what promtool says of stories that are told with the same step."""
    file = folder / "tests.yaml"
    written = document(told)
    written["evaluation_interval"] = told[0].step
    file.write_text(yaml.safe_dump(written, sort_keys=False))
    return subprocess.run(
        (PROMTOOL, "test", "rules", str(file)), capture_output=True, text=True, timeout=300
    )
