"""The store as the charm runs it by default: what it has yet to write down is there."""

import dataclasses

import pytest
from gate_site import Tree
from monitor_site import Process, ask, get, post, wait

import sizing
import store
from edgecloud.telemetry import packages

PORT = 28430
URL = f"http://127.0.0.1:{PORT}"


@pytest.fixture
def process(tmp_path, monitor_programs):
    known = packages.options(Tree(tmp_path), store.PROGRAM)
    wish = sizing.Wish()
    size, _ = sizing.fit(sizing.Machine(4096, 50_000), wish, waits=store.waits(known))
    daemon = store.daemon(size, known, interval_s=60, retention_days=15, series=wish.series)
    command = tuple(word.replace(str(store.PORT), str(PORT)) for word in daemon.command)
    made = Process(dataclasses.replace(daemon, command=command, environment_file=""), tmp_path)
    yield start(made)
    made.stop()


def start(process):
    process.start()
    wait(lambda: get(f"{URL}/health"), timeout_s=60)
    return process


def kept():
    return ask(URL, "last_over_time(sample[1d])")


def test_given_samples_in_memory_when_asked_then_they_are_answered_and_outlive_a_stop(
    process,
):
    post(f"{URL}/api/v1/import/prometheus", "sample 7\n")

    # Long before it would write them by itself, where it can wait.
    wait(kept, timeout_s=60)
    process.terminate()
    start(process)

    assert wait(kept)[0]["value"][1] == "7"
