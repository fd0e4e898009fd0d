"""The units of the monitor, as this computer's systemd reads them."""

import re
import subprocess

import pytest
from monitor_site import Process, get, wait

import alerting
import door
import page
import sizing
import store
from edgecloud import host as hosts
from edgecloud.telemetry import daemons, exporter, forwarder, packages

PORT = 28600


class _Here(hosts.LocalHost):
    """This computer, but for what it would remember."""

    def write(self, path, text, *, mode=0o644):
        return False


def made():
    """Return every daemon, as the versions on this computer are run."""

    def known(program):
        return packages.options(_Here(), program)

    size, _ = sizing.fit(sizing.Machine(4096, 50_000), sizing.Wish(), flushes=(5,))
    remote = forwarder.Remote("https://far.example/w", "user", "/etc/password", "/etc/ca")
    return {
        each.name: each
        for each in (
            exporter.daemon(known(exporter.PROGRAM)),
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
    allowed = {name: 5.0 if name == exporter.NAME else 2.0 for name in found}
    assert len(found) == 6
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
