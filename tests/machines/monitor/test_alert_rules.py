"""The stories of the alert rules, told to the real store and the real evaluator of a site."""

import json
import subprocess
import time
import urllib.parse

import metrics_store
import pytest
import stories

HOUR = 3600
DAY = 24 * HOUR


@pytest.mark.parametrize("step", stories.STEPS)
def test_given_stories_in_a_real_store_when_rules_are_replayed_then_alerts_fire_and_clear(
    step, tmp_path
):
    told = [story for story in stories.stories() if story.step == step]
    begin, end = span(told, step)

    with metrics_store.running(tmp_path) as url:
        fill(url, told, begin, stories.STEPS[step])
        replay(url, begin, end, stories.STEPS[step])
        found = {
            (story.alert, story.about, at): is_firing(url, story, begin, at)
            for story in told
            for at in {*story.quiet, *story.fires}
        }

    assert found == {key: key[2] in fires(told, key) for key in found}


def fires(told, key):
    return next(story.fires for story in told if (story.alert, story.about) == key[:2])


def span(told, step):
    """Return whole hours in the past that are long enough for the longest story.

    They begin at one in the morning, whenever the test runs: the store looks for what is before
    the end of a query, so that it does not find a series whose first sample is at midnight, by
    UTC, when it is asked for that moment.
    """
    seconds = max(story.length for story in told) * stories.STEPS[step]
    begin = (int(time.time()) - seconds - 2 * HOUR) // DAY * DAY + HOUR
    return begin, begin + seconds


def fill(url, told, begin, seconds):
    lines = [
        f"{name} {value!r} {(begin + number * seconds) * 1000}\n"
        for story in told
        for name, values in story.written(begin).items()
        for number, value in enumerate(values)
        if value is not None
    ]
    metrics_store.fill(url, lines)


def replay(url, begin, end, seconds):
    command = (
        "vmalert",
        f"-rule={stories.RULES}/*.rules",
        f"-datasource.url={url}",
        f"-remoteWrite.url={url}",
        f"-evaluationInterval={seconds}s",
        f"-datasource.queryStep={seconds}s",
        f"-replay.timeFrom={stamp(begin)}",
        f"-replay.timeTo={stamp(end)}",
        "-replay.rulesDelay=10ms",
        "-remoteWrite.flushInterval=10ms",
    )
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    metrics_store.ask(f"{url}/internal/force_flush")


def stamp(seconds):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def is_firing(url, story, begin, at):
    seconds = stories.STEPS[story.step]
    # What was written at this very evaluation: not what lingers of one before.
    query = f"count(last_over_time({stories.alerts(story)}[{seconds - 1}s])) or vector(0)"
    asked = {"query": query, "time": begin + at * seconds, "step": f"{seconds}s", "nocache": 1}
    answer = json.loads(metrics_store.ask(f"{url}/api/v1/query?{urllib.parse.urlencode(asked)}"))
    return float(answer["data"]["result"][0]["value"][1]) == 1
