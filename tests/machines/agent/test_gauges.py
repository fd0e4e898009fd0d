"""A machine's metrics, as the distribution's own node exporter reads and passes them on."""

import contextlib
import shutil
import subprocess
import time

import metrics_store
import pytest

from edgecloud.agent import agent, settings
from edgecloud.agent.gauges import writing
from edgecloud.metrics import node
from edgelab import pi
from edgelab.pi import board

EXPORTER = "prometheus-node-exporter"


@pytest.fixture
def machine(tmp_path):
    """A control plane whose memory is as worn as its supply is weak."""
    world = pi.World(tmp_path, pi.Clock(time.time()), seed=1)
    found = world.add_machine("0")
    install = ("/usr/bin/snap", "install", "microk8s", "--classic", "--channel=1.35/stable")
    found.host().run(install, timeout_s=900)
    settings.write(found.host(), settings.Settings("pi-0", "pi-0"))
    agent.Agent(found.host(), settings.read(found.host())).wake()
    board.wear(found, life=(3, 11), spare=2)
    board.sag(found)
    return found


@contextlib.contextmanager
def exporter(folder):
    """Run the real node exporter with nothing but its text files; yield where it answers."""
    program = shutil.which(EXPORTER)
    if program is None:
        pytest.exit(f"Needs apt-get install {EXPORTER}", 2)
    address = f"127.0.0.1:{metrics_store.free_port()}"
    options = ("disable-defaults", "textfile", f"textfile.directory={folder}")
    words = (*(f"--collector.{option}" for option in options), f"--web.listen-address={address}")
    process = subprocess.Popen((program, *words), stderr=subprocess.DEVNULL)
    try:
        yield f"http://{address}/metrics"
    finally:
        process.terminate()
        process.wait(10)


def scrape(url):
    """Return the series that an exporter passes on: name with labels → value."""
    deadline = time.monotonic() + 20
    while True:
        try:
            lines = metrics_store.ask(url).decode().splitlines()
            break
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
    rows = (line.rpartition(" ") for line in lines if not line.startswith("#"))
    return {series: float(value) for series, _, value in rows}


def sorted_labels(series):
    """Return a series with its labels in the order in which the exporter puts them."""
    name, brace, inside = series.partition("{")
    if not brace:
        return series
    pairs = sorted(inside.removesuffix("}").split(","))
    return f"{name}{{{','.join(pairs)}}}"


def test_given_a_machine_when_its_file_is_read_then_every_series_is_passed_on(machine):
    assert writing.write(machine.host())
    text = machine.host().read(writing.TEXTFILE)
    rows = (line.rpartition(" ") for line in text.splitlines() if not line.startswith("#"))
    written = {sorted_labels(series): float(value) for series, _, value in rows}

    with exporter(machine.path(node.FOLDER)) as url:
        found = scrape(url)

    assert found["node_textfile_scrape_error"] == 0
    assert {series: found.get(series) for series in written} == written
    assert written['edge_flash_life_used_ratio{area="b",device="mmcblk0"}'] == 1.1
    (age,) = [time.time() - at for series, at in found.items() if "textfile_mtime" in series]
    assert age < 60


def test_given_a_run_after_the_first_when_its_file_is_read_then_it_is_as_young_as_the_run(machine):
    with exporter(machine.path(node.FOLDER)) as url:
        writing.write(machine.host())
        first = _mtime(scrape(url))
        machine.world.clock.advance(60)
        writing.write(machine.host())

        assert _mtime(scrape(url)) >= first + 60


def _mtime(found):
    (at,) = [value for series, value in found.items() if "textfile_mtime" in series]
    return at
