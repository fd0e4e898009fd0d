"""The units of the monitor, as this computer's systemd reads them, and how the exporter runs."""

import dataclasses
import re
import subprocess

import pytest
from gate_site import Tree
from monitor_site import Process, ask, get, wait

import alerting
import door
import guest_alerts
import intake
import page
import showing
import shown
import signed
import sizing
import store
from edgecloud import host as hosts
from edgecloud.interfaces import node_metrics
from edgecloud.telemetry import daemons, exporter, forwarder, packages, scrape

PORT, STORE_PORT = 28600, 28601
SHOWN = "an-exporter-that-is-scraped"
ADDRESS = "127.0.0.2"
"""Another one than the exporter listens on by itself."""


class _Here(hosts.LocalHost):
    """This computer, but for what it would remember."""

    def write(self, path, text, *, mode=0o644):
        return False


def made():
    """Return every daemon, as the versions on this computer are run."""

    def known(program):
        return packages.options(_Here(), program)

    size, _ = sizing.fit(sizing.Machine(4096, 50_000), sizing.Wish(), waits=False)
    remote = forwarder.Remote("https://far.example/w", "user", "/etc/password", "/etc/ca")
    return {
        each.name: each
        for each in (
            exporter.daemon(known(exporter.PROGRAM)),
            exporter.daemon(
                known(exporter.PROGRAM),
                name=SHOWN,
                address="192.0.2.9",
                secrets=showing.SECRETS,
            ),
            forwarder.daemon(
                forwarder.Forwarder((remote,), "/etc/scrape"), known(forwarder.PROGRAM)
            ),
            store.daemon(
                size,
                known(store.PROGRAM),
                interval_s=60,
                retention_days=15,
                series=30_000,
                scrape_file="/etc/scrape",
            ),
            alerting.manager(known(alerting.PROGRAM)),
            alerting.evaluator(
                known(alerting.RULES_PROGRAM), interval_s=30, labels={"site": 'the "old" harbour'}
            ),
            alerting.evaluator(
                known(alerting.RULES_PROGRAM),
                interval_s=30,
                labels={},
                of=guest_alerts.EVALUATOR,
            ),
            intake.collector(known(forwarder.PROGRAM), series=1000, backend=store.URL),
            intake.entrance(
                known(door.PROGRAM),
                address="192.0.2.9",
                shown=signed.Pair(),
                writers=[intake.Writer("collector", ("192.0.2.0/24", "2001:db8::/32"))],
            ),
            door.daemon(known(door.PROGRAM), address="192.0.2.9"),
        )
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory, monitor_programs):
    made_in = tmp_path_factory.mktemp("units")
    for daemon in made().values():
        (made_in / f"{daemon.name}.service").write_text(daemons.unit(daemon, "0123"))
    (made_in / f"{page.NAME}.socket").write_text(page.socket())
    (made_in / f"{page.NAME}@.service").write_text(page.service("/var/lib/juju/x", "a site"))
    return made_in


def analyse(*words):
    done = subprocess.run(
        ("systemd-analyze", *words), capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr


def test_given_any_unit_when_systemd_reads_it_then_it_has_nothing_to_say(folder):
    for path in sorted(folder.iterdir()):
        assert analyse("verify", str(path)) == (0, ""), path.name


def test_given_any_daemon_when_systemd_judges_it_then_it_calls_its_exposure_small(
    folder, progress
):
    found = {}
    for path in sorted(folder.glob("*[!@].service")):
        _, said = analyse("security", "--offline=true", "--no-pager", str(path))
        found[path.stem] = float(re.search(r"exposure level for \S+: ([\d.]+)", said).group(1))
    progress(f"exposure: {found}")

    # The exporter looks at the whole machine, which the others need not.
    allowed = {name: 5.0 if "exporter" in name else 2.0 for name in found}
    assert len(found) == 10
    assert all(found[name] <= allowed[name] for name in found)


def test_given_the_exporter_as_the_unit_runs_it_when_asked_then_it_knows_what_rules_ask(
    tmp_path, monitor_programs
):
    daemon = exporter.daemon(
        packages.options(_Here(), exporter.PROGRAM), port=PORT, name="an-exporter"
    )
    process = Process(daemon, tmp_path).start()
    try:
        text = wait(lambda: get(f"http://127.0.0.1:{PORT}/metrics"))
    finally:
        process.stop()

    for name in (
        "node_filesystem_avail_bytes",
        "node_filesystem_readonly",
        "node_memory_MemAvailable_bytes",
        "node_timex_sync_status",
        "node_boot_time_seconds",
    ):
        assert f"\n{name}" in text
    assert not re.search(r'mountpoint="/(proc|sys|dev)', text)
    assert text.count("\n") < 2500


# --- a page that is scraped from elsewhere -------------------------------------------------------


class Shown:
    """A machine that shows its page, and a store that scrapes it, with the files of both."""

    def __init__(self, folder):
        self.machine, self.monitor = Tree(folder / "machine"), Tree(folder / "monitor")
        self.folder = folder
        self.running = []
        showing.guard(self.machine, (shown.ensure_key(self.monitor),))
        known = packages.options(_Here(), exporter.PROGRAM)
        self.page = exporter.at(ADDRESS, PORT)
        self.run(
            exporter.daemon(
                known, name=SHOWN, port=PORT, address=ADDRESS, secrets=showing.SECRETS
            ),
            self.machine,
        )

    def run(self, daemon, host):
        lent = {name: str(host.path(path)) for name, path in daemon.secrets.items()}
        process = Process(dataclasses.replace(daemon, secrets=lent), self.folder)
        self.running.append(process.start())

    def scrape(self, **certificates):
        """Let a store scrape the page once for each unit, by the certificate it knows of it."""
        name, jobs, lent = "a-store", [], {}
        for node, certificate in certificates.items():
            where = shown.Page(self.page, certificate, node, "worker")
            job = shown.job(f"edge-node/{node}", where, {"juju_unit": f"edge-node/{node}"})
            self.monitor.write(job.ca_file, certificate)
            files = {path.strip("/").replace("/", "-"): path for path in scrape.files(job)}
            within = {
                path: f"/run/credentials/{name}.service/{key}" for key, path in files.items()
            }
            jobs.append(scrape.moved(job, within))
            lent |= files
        self.monitor.write("/etc/scrape.yml", scrape.config(jobs, interval_s=1))
        options = {
            "httpListenAddr": f"127.0.0.1:{STORE_PORT}",
            "storageDataPath": "%S/data",
            "promscrape.config": "%d/scrape.yml",
            "search.latencyOffset": "0s",
        }
        words = (store.PROGRAM, *(f"-{key}={value}" for key, value in options.items()))
        secrets = {**lent, "scrape.yml": "/etc/scrape.yml"}
        self.run(daemons.Daemon(name, "", words, secrets=secrets), self.monitor)

    def stop(self):
        while self.running:
            self.running.pop().stop()

    def fetched(self, *words, scheme="https"):
        """What somebody gets who asks for the page."""
        # The name in the certificate is not that of the address.
        to = f"{node_metrics.SHOWN_AS}:{PORT}:{self.page}"
        command = ("curl", "--silent", "--insecure", "--connect-to", to, *words)
        url = f"{scheme}://{node_metrics.SHOWN_AS}:{PORT}/metrics"
        return subprocess.run((*command, url), capture_output=True, text=True, timeout=20).stdout


@pytest.fixture
def shows(tmp_path, monitor_programs):
    made = Shown(tmp_path)
    yield made
    made.stop()


def test_given_a_page_on_the_network_when_asked_then_the_scrapers_key_alone_opens_it(
    shows, tmp_path
):
    key, certificate = (shows.monitor.path(path) for path in (shown.KEY, shown.CERTIFICATE))
    stranger = Tree(tmp_path / "stranger")
    shown.ensure_key(stranger)
    others = (stranger.path(shown.KEY), stranger.path(shown.CERTIFICATE))
    own = (
        shows.machine.path(showing.SECRETS[name]) for name in (exporter.KEY, exporter.CERTIFICATE)
    )

    opened = wait(lambda: shows.fetched("--key", str(key), "--cert", str(certificate)))

    assert "node_boot_time_seconds" in opened
    assert "node_" not in shows.fetched()
    assert "node_" not in shows.fetched(scheme="http")
    for key, certificate in (others, tuple(own)):
        assert "node_" not in shows.fetched("--key", str(key), "--cert", str(certificate))
    heard = subprocess.run(
        ("ss", "-Hltn", f"sport = :{PORT}"),
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert [line.split()[3] for line in heard.stdout.splitlines()] == [shows.page]


def test_given_a_page_when_the_store_scrapes_it_then_only_who_shows_its_certificate_is_believed(
    shows, tmp_path
):
    other = Tree(tmp_path / "other")
    showing.guard(other, ())
    here, there = (
        host.read(showing.SECRETS[exporter.CERTIFICATE]) for host in (shows.machine, other)
    )
    url = f"http://127.0.0.1:{STORE_PORT}"

    shows.scrape(right=here, wrong=there)
    wait(lambda: len(ask(url, "up")) == 2, timeout_s=60)
    (found,) = wait(lambda: ask(url, "node_boot_time_seconds"), timeout_s=60)
    up = {each["metric"]["node"]: each["value"][1] for each in ask(url, "up")}

    assert found["metric"]["juju_unit"] == "edge-node/right"
    assert (found["metric"]["node"], found["metric"]["role"]) == ("right", "worker")
    assert up == {"right": "1", "wrong": "0"}
