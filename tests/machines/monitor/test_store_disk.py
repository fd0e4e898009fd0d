"""The store on a disk that fills up: nothing that it kept is lost, and it goes on by itself."""

import contextlib
import dataclasses
import urllib.error

import gate_site
import pytest
from monitor_site import Disk, Process, ask, get, metric, post, wait

import sizing
import store
from edgecloud.telemetry import daemons, packages

PORT = 28429
URL = f"http://127.0.0.1:{PORT}"
GUARD_MB = sizing.GUARD_MB


@pytest.fixture(scope="module")
def disk(tmp_path_factory, monitor_programs):
    made = Disk.make(tmp_path_factory.mktemp("store"), "disk", GUARD_MB + 300)
    yield made
    made.unmount()


@pytest.fixture
def process(disk, tmp_path):
    """The store as its unit says, on that disk."""
    host = gate_site.Tree(tmp_path)
    size, problems = sizing.fit(
        sizing.Machine(4096, 50_000), sizing.Wish(flush_s=sizing.FLUSH_S), waits=True
    )
    assert not problems
    daemon = store.daemon(
        size,
        packages.options(host, store.PROGRAM),
        interval_s=60,
        retention_days=15,
        # As many as the test tries to keep on a full disk: one that stays up counts them all.
        series=1_000_000,
    )
    command = tuple(word.replace(str(store.PORT), str(PORT)) for word in daemon.command)
    made = Process(dataclasses.replace(daemon, command=command, environment_file=""), tmp_path)
    made.state = disk.at / "state"
    yield start(made)
    made.stop()


def start(process):
    process.start()
    wait(lambda: process.dead or get(f"{URL}/health"), timeout_s=60)
    return process


def keep(name, count=1):
    lines = "".join(f'{name}{{n="{n}"}} {n * 2654435761 % 999983}\n' for n in range(count))
    post(f"{URL}/api/v1/import/prometheus", lines)
    get(f"{URL}/internal/force_flush")


def kept(name):
    return ask(URL, f"count(last_over_time({name}[1d]))")


def test_given_a_disk_that_fills_to_the_last_byte_when_there_is_room_again_then_all_is_readable(
    disk, process, progress
):
    keep("before", 100)
    wait(lambda: kept("before"))
    # What lies in memory is on the disk then; without, the last five seconds would be lost.
    process.terminate()
    start(process)

    disk.fill()
    with contextlib.suppress(OSError):
        for number in range(20):
            keep(f"lost_{number}", 20_000)
    progress(f"on a full disk the store {'ended, as known' if process.dead else 'stayed up'}")
    disk.empty()
    if process.dead:
        # The unit says Restart=always, and no limit to it.
        assert "Restart=always" in daemons.unit(process.daemon)
        assert "StartLimitIntervalSec=0" in daemons.unit(process.daemon)
        start(process)

    assert wait(lambda: kept("before"))[0]["value"][1] == "100"
    # It looks once a second how much room there is.
    wait(lambda: not metric(URL, "vm_storage_is_read_only"))
    keep("after")
    wait(lambda: kept("after"))


def test_given_less_room_than_the_guard_when_started_then_it_answers_and_takes_nothing_in(
    disk, process
):
    keep("before", 100)
    wait(lambda: kept("before"))
    process.terminate()
    disk.fill(leave_mb=GUARD_MB - 100)

    start(process)
    assert metric(URL, "vm_storage_is_read_only") == 1
    assert kept("before")[0]["value"][1] == "100"
    with pytest.raises(urllib.error.HTTPError) as refused:
        keep("refused")
    refused.value.close()

    process.terminate()
    disk.empty()
    start(process)
    assert not metric(URL, "vm_storage_is_read_only")
    assert kept("before")[0]["value"][1] == "100"
    keep("after_room")
    wait(lambda: kept("after_room"))
