"""The uplink is cut, and the collector dies in the middle: every scrape is counted."""

import contextlib
import dataclasses
import functools
import pathlib
import time

import pytest
from monitor_site import Disk, Exporter, Process, Uplink, metric, sequence, wait

from edgecloud import host as hosts
from edgecloud.telemetry import daemons, forwarder, packages, scrape

STORE_PORT = 28428
STORE = f"http://127.0.0.1:{STORE_PORT}"
INTERVAL_S = 1
CUT_S = 18
"""More than a quarter of an hour, at one scrape a minute. vmagent tries again 1, 3, 7, 15 and 31 s
after it failed, so this end is far from each of them."""
IN_MEMORY = 8
"""Seconds for which vmagent holds samples in memory before they are in its queue. At one scrape a
minute, that is one scrape; here, eight."""


WHOLE = ("plain", "terminated")
"""Those that lose nothing."""


@dataclasses.dataclass
class Case:
    """One collector with an exporter, an uplink and a disk of its own."""

    name: str
    exporter: Exporter
    uplink: Uplink
    process: Process
    page: str
    disk: Disk | None = None

    def has_caught_up(self, served):
        waiting = metric(self.page, "vmagent_remotewrite_pending_data_bytes")
        return not waiting and served in sequence(STORE, case=self.name)

    def lost(self, served):
        kept = sequence(STORE, case=self.name)
        return [number for number in range(1, served + 1) if number not in kept]


def bare(name, port, url):
    """vmagent as anybody would start it, to compare with."""
    return daemons.Daemon(
        name=name,
        purpose="",
        command=(
            forwarder.PROGRAM,
            f"-promscrape.config=%d/{forwarder.SCRAPE}",
            f"-httpListenAddr=127.0.0.1:{port}",
            f"-remoteWrite.url={url}",
            f"-remoteWrite.tmpDataPath=%S/{name}/queue",
        ),
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory, monitor_programs):
    return tmp_path_factory.mktemp("buffer")


@pytest.fixture(scope="module")
def store(folder):
    """A store somewhere else."""
    made = Process(
        daemons.Daemon(
            "far-store",
            "",
            (
                "/usr/bin/victoria-metrics",
                f"-httpListenAddr=127.0.0.1:{STORE_PORT}",
                "-storageDataPath=%S/data",
                "-retentionPeriod=1",
                "-search.latencyOffset=0s",
            ),
        ),
        folder,
    ).start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def make_case(folder, store):
    made = []
    known = packages.options(_Here(folder), forwarder.PROGRAM)

    def make(name, *, series=0, queue_mb=512, disk_mb=0, ours=True):
        port = 28500 + len(made)
        exporter, uplink = Exporter(series), Uplink(STORE_PORT)
        file = folder / f"{name}.yml"
        job = scrape.Job("synth", ((exporter.address, {"case": name}),))
        file.write_text(scrape.config([job], interval_s=INTERVAL_S))
        url = f"http://127.0.0.1:{uplink.port}/api/v1/write"
        wanted = forwarder.Forwarder(
            (forwarder.Remote(url),), str(file), queue_mb=queue_mb, name=name, port=port
        )
        daemon = forwarder.daemon(wanted, known) if ours else bare(name, port, url)
        daemon = dataclasses.replace(daemon, secrets={forwarder.SCRAPE: str(file)})
        process = Process(daemon, folder)
        disk = None
        if disk_mb:
            disk = Disk.make(folder, f"{name}-disk", disk_mb)
            process.state = disk.at / "state"
        page = f"http://127.0.0.1:{port}"
        made.append(Case(name, exporter, uplink, process.start(), page, disk))
        return made[-1]

    yield make
    for case in made:
        case.process.stop()
        case.exporter.stop()
        case.uplink.cut()
        if case.disk:
            case.disk.unmount()


class _Here(hosts.LocalHost):
    """This computer, but for what it would remember."""

    def __init__(self, folder):
        super().__init__("/")
        self.folder = folder

    def path(self, path):
        return self.folder / "known.json" if path == packages.KNOWN else super().path(path)

    def write(self, path, text, *, mode=0o644):
        self.path(path).write_text(text)
        return True


@pytest.fixture(scope="module")
def outage(make_case, progress):
    """All cases at once: warm up, cut, end some in the middle, restore, catch up."""
    cases = {
        "plain": make_case("plain"),
        "killed": make_case("killed"),
        "terminated": make_case("terminated"),
        "power-cut": make_case("power-cut", disk_mb=700),
        "bare": make_case("bare", ours=False),
        "overfull": make_case("overfull", series=3500, queue_mb=1),
    }
    time.sleep(4)
    for case in cases.values():
        case.uplink.cut()
    progress(f"{len(cases)} uplinks cut")
    time.sleep(CUT_S / 2)
    cases["killed"].process.kill()
    cases["bare"].process.kill()
    cases["terminated"].process.terminate()
    cases["power-cut"].disk.cut_power(cases["power-cut"].process)
    for name in ("killed", "bare", "terminated", "power-cut"):
        cases[name].process.start()
    time.sleep(CUT_S / 2)
    full = cases["overfull"]
    full.pending = metric(full.page, "vmagent_remotewrite_pending_data_bytes")
    served = {name: case.exporter.served for name, case in cases.items()}
    for case in cases.values():
        case.uplink.restore()
    for name, case in cases.items():
        wait(functools.partial(case.has_caught_up, served[name]), timeout_s=40)
    time.sleep(2)  # VictoriaMetrics shows what it took a second ago.
    # A newer vmagent may hold one block more until its next try, half a minute after the cut.
    with contextlib.suppress(AssertionError):
        wait(lambda: not any(cases[name].lost(served[name]) for name in WHOLE), timeout_s=40)
    for name, case in cases.items():
        case.missing = case.lost(served[name])
        case.served = served[name]
        progress(f"{name}: {case.served} scrapes, {len(case.missing)} lost {case.missing}")
    full.dropped = metric(full.page, "vm_persistentqueue_blocks_dropped_total")
    progress(f"overfull: {full.pending:.0f} bytes waited, {full.dropped:.0f} blocks dropped")
    return cases


@pytest.mark.parametrize("name", WHOLE)
def test_given_a_cut_uplink_when_it_is_back_then_no_scrape_is_lost_even_over_a_restart(
    outage, name
):
    assert outage[name].served >= CUT_S
    assert outage[name].missing == []


@pytest.mark.parametrize("name", ["killed", "power-cut"])
def test_given_a_collector_that_dies_in_the_cut_when_it_is_back_then_only_its_memory_is_lost(
    outage, name
):
    allowed = max(IN_MEMORY, len(outage["bare"].missing))

    assert len(outage[name].missing) <= allowed
    assert 1 not in outage[name].missing


def test_given_a_queue_that_overflows_when_it_is_back_then_the_oldest_is_gone_and_was_counted(
    outage,
):
    case = outage["overfull"]

    assert case.pending <= 2**20
    # A block is what was scraped in a second.
    assert 0 < len(case.missing) <= case.dropped + 1
    # One gap that begins where the cut did, and ends before it does: the newest is there.
    assert case.missing == list(range(case.missing[0], case.missing[-1] + 1))
    assert case.missing[0] <= case.served - CUT_S + 4
    assert case.missing[-1] < case.served


def test_given_a_queue_on_a_full_disk_when_there_is_room_again_then_it_goes_on_by_itself(
    make_case, progress
):
    case = make_case("starved", series=500, disk_mb=40)
    wait(lambda: case.exporter.served > 2)
    case.uplink.cut()
    time.sleep(2)
    case.disk.fill()
    ended = time.monotonic() + 12
    while time.monotonic() < ended and not case.process.dead:
        time.sleep(0.2)
    progress(f"on a full disk vmagent {'ended, as known' if case.process.dead else 'stayed up'}")

    case.disk.empty()
    if case.process.dead:
        assert "no space left on device" in case.process.text()
        # The unit says Restart=always, and no limit to it.
        assert "Restart=always" in daemons.unit(case.process.daemon)
        case.process.start()
    case.uplink.restore()

    newest = case.exporter.served + 1
    wait(lambda: newest in sequence(STORE, case="starved"), timeout_s=30)
    lost = case.lost(newest)
    progress(f"starved: {newest} scrapes, {len(lost)} lost")
    assert not {1, 2} & set(lost)
    assert pathlib.Path(case.process.state).exists()
