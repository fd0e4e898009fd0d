"""A whole monitor: the gate as the upgrade controller asks it, alerts, tokens, and addresses."""

import base64
import contextlib
import json
import pathlib
import statistics
import subprocess
import time

import pytest
from gate_site import APP, GUESTS, INTERVAL_S, MAY_WRITE, NODE, SOMETHING_BAD, Monitor
from gate_site import WRITER as COLLECTOR
from monitor_site import Exporter, Process, ask, get, metric, post, sequence, wait

import alerting
import authority
import collection
import door
import guest_alerts
import intake
import questions
import sizing
import store
from bench import writes
from edgecloud.interfaces import node_metrics
from edgecloud.rollout import ledger, terms
from edgecloud.telemetry import forwarder, packages, scrape

Verdict = ledger.Verdict
WRITER = f"writer-{NODE}-0"
WRITER_APP = COLLECTOR.application


CALM = terms.Gate("calm", "alerts", 'severity="critical"')
UNITS_UP = terms.Gate("units-up", "promql")
NODE_UP = terms.Gate("node-up", "promql", questions.units_up({NODE: 1}))
FAR = "far"
FAR_UP = terms.Gate("far-up", "promql", questions.units_up({FAR: 1}))


@pytest.fixture(scope="module")
def monitor(tmp_path_factory, monitor_programs, progress):
    made = Monitor(tmp_path_factory.mktemp("monitor"), SOMETHING_BAD, guests=GUESTS).start()
    try:
        wait(lambda: made.verdict(CALM) is Verdict.PASS, timeout_s=60)
        progress("a monitor runs, and its heartbeat fires")
        sample = f'up{{juju_application="{FAR}",juju_unit="{FAR}/0"}} 1'
        post(f"{store.URL}/api/v1/import/prometheus", sample)
        made.heard = time.time()
        wait(lambda: made.verdict(FAR_UP) is Verdict.PASS)
        yield made
    finally:
        made.stop()


def test_given_a_site_that_is_well_when_asked_then_every_question_passes(monitor):
    wait(lambda: monitor.verdict(UNITS_UP) is Verdict.PASS)

    said = {
        each.name: monitor.verdict(terms.Gate(each.name, "promql"))
        for each in monitor.access.questions
    }
    assert {said["units-up"], said["no-critical-alerts"], said["room-on-disk"]} == {Verdict.PASS}
    # A container may have no clock of its own to synchronise.
    assert said["clock-synchronised"] in (Verdict.PASS, Verdict.FAIL)


def test_given_a_selector_with_a_typing_error_when_asked_then_nothing_is_concluded(monitor):
    for query in (
        'min(up{juju_application="edge-mikrok8s"}) == bool 1',
        'sum(up{juju_application="edge-mikrok8s"}) >= bool 1',
    ):
        assert monitor.verdict(terms.Gate("typo", "promql", query)) is Verdict.INCONCLUSIVE


def test_given_a_query_that_is_none_when_asked_then_it_is_an_error(monitor):
    assert monitor.verdict(terms.Gate("odd", "promql", "min(up")) is Verdict.ERROR


@pytest.mark.parametrize(
    "change",
    [
        {"password": "guessed"},
        {"username": WRITER},
        {"ca": ""},
        {"url": "https://127.0.0.1:1"},
        {"url": "https://localhost:8427"},
        {"url": "http://127.0.0.1:8427"},
    ],
    ids=["token", "user", "authority", "nobody", "name", "no-tls"],
)
def test_given_a_wrong_way_to_ask_when_asked_then_it_is_an_error(monitor, change):
    assert monitor.verdict(CALM, **change) is Verdict.ERROR


# --- tokens and addresses ------------------------------------------------------------------------


def fetched(monitor, path, user=None, method="GET"):
    """The status with which the door answers."""
    command = ["curl", "--silent", "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}"]
    command += ["--cacert", f"{monitor.folder}{authority.CA}", "-X", method]
    stdin = ""
    if user:
        pair = f"{user}:{monitor.passwords[user]}".encode()
        stdin = f'header = "Authorization: Basic {base64.b64encode(pair).decode()}"\n'
    command += ["--config", "-", f"{door.url('127.0.0.1')}{path}"]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=20)
    return int(done.stdout)


@pytest.mark.parametrize(
    ("user", "path"),
    [
        (None, "/api/v1/query?query=up"),
        (None, "/metrics"),
        (None, "/flags"),
        (None, "/-/reload"),
        (None, "/debug/pprof/cmdline"),
        ("gate", "/api/v1/query_range?query=up"),
        ("gate", "/api/v1/export?match[]=up"),
        ("gate", "/api/v1/query/../export?match[]=up"),
        ("gate", "/api/v1/query%2f..%2fexport?match[]=up"),
        ("gate", "/api/v1/admin/tsdb/delete_series?match[]=up"),
        ("gate", "/api/v1/write"),
        ("gate", "/metrics"),
        ("anybody", "/api/v1/export?match[]=up"),
        ("anybody", "/api/v1/label/x/../../export?match[]=up"),
        ("anybody", "/api/v1/admin/tsdb/delete_series?match[]=up"),
        ("anybody", "/api/v1/write"),
        ("anybody", "/api/v1/import"),
        ("anybody", "/"),
        (WRITER, "/api/v1/query?query=up"),
        (WRITER, "/api/v1/export?match[]=up"),
        (WRITER, "/snapshot/create"),
    ],
)
def test_given_a_token_when_it_is_used_beyond_its_path_then_the_door_stays_shut(
    monitor, user, path
):
    assert 400 <= fetched(monitor, path, user) < 500


def test_given_the_gates_token_when_it_asks_then_the_door_opens(monitor):
    assert fetched(monitor, "/api/v1/query?query=up", "gate") == 200


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/query?query=up",
        "/api/v1/query_range?query=up&start=1&end=2&step=1",
        "/api/v1/series?match[]=up",
        "/api/v1/labels",
        "/api/v1/label/__name__/values",
    ],
)
def test_given_the_open_address_when_somebody_asks_as_grafana_does_then_the_door_opens(
    monitor, path
):
    command = ["curl", "--silent", "--globoff", "-o", "/dev/null", "-w", "%{http_code}"]
    command += ["--cacert", f"{monitor.folder}{authority.CA}"]
    command += [f"{door.open_url('127.0.0.1')}{path}"]

    done = subprocess.run(command, capture_output=True, text=True, timeout=20)

    assert done.stdout == "200"


def test_given_a_monitor_when_it_runs_then_nothing_listens_on_every_address(monitor):
    text = subprocess.run(
        ("ss", "-H", "-ltnup"), capture_output=True, text=True, check=True, timeout=20
    ).stdout
    mine = {str(process.popen.pid) for process in monitor.processes.values()}
    found = [line.split() for line in text.splitlines()]
    addresses = {line[4] for line in found if any(f"pid={pid}," in line[-1] for pid in mine)}

    assert {address.rpartition(":")[0] for address in addresses} == {"127.0.0.1"}
    assert len(addresses) == len(monitor.processes)


def test_given_a_monitor_when_it_runs_then_arguments_hold_no_secret(monitor):
    shown = "".join(
        pathlib.Path(f"/proc/{process.popen.pid}/cmdline").read_text()
        for process in monitor.processes.values()
    )

    secret = [word for user, word in monitor.passwords.items() if user != door.ANYBODY.user]
    assert not any(password in shown for password in secret)


@pytest.mark.parametrize(
    "path", ["/api/v1/admin/tsdb/delete_series?match[]=synth_seq", "/snapshot/create"]
)
def test_given_the_store_when_asked_on_its_machine_then_it_removes_nothing_of_what_it_keeps(
    monitor, path
):
    wait(lambda: ask(store.URL, "synth_seq"))

    command = ("curl", "--silent", "--globoff", "--fail", f"{store.URL}{path}")
    done = subprocess.run(command, capture_output=True, timeout=20)

    assert done.returncode == 22
    assert ask(store.URL, "count_over_time(synth_seq[1h])")


def scraped_at(job):
    """How many seconds after a whole interval each scrape of a job was; negative if before."""
    lines = get(f"{store.URL}/api/v1/export", **{"match[]": f'up{{job="{job}"}}'}).splitlines()
    times = [at / 1000 for line in lines for at in json.loads(line)["timestamps"]]
    return [(at + INTERVAL_S / 2) % INTERVAL_S - INTERVAL_S / 2 for at in times]


def test_given_several_pages_when_scraped_then_all_are_looked_at_in_the_same_second(monitor):
    for job in ("synth", "node"):
        phases = wait(lambda job=job: (found := scraped_at(job))[2:] and found, timeout_s=60)

        # One scrape may be late on a computer with much to do; most are not.
        assert abs(statistics.median(phases)) < 1


# --- what applications bring ---------------------------------------------------------------------


def test_given_rules_of_applications_when_evaluated_then_each_sees_its_own_series_only(monitor):
    (seen,) = wait(lambda: ask(store.URL, 'ALERTS{alertname="Seen0",alertstate="firing"}'))

    assert seen["metric"]["juju_application"] == APP
    # Nor do its series say that an upgrade has to wait.
    assert ask(store.URL, 'synth_seq{gate="upgrade"}')
    assert "gate" not in seen["metric"]
    # By now each rule of each application was looked at as often.
    wait(lambda: metric(guest_url(), "vmalert_execution_total") >= 6)
    assert not ask(store.URL, 'ALERTS{alertname=~"Seen1|Peeping0|Broken.*"}')


def test_given_a_group_that_cannot_be_read_when_judged_then_the_others_are_evaluated(monitor):
    assert monitor.brought.left_out == {APP: ("Broken",)}
    assert not metric(guest_url(), "vmalert_execution_errors_total")


def guest_url():
    return f"http://127.0.0.1:{guest_alerts.PORT}"


@pytest.fixture
def written(monitor):
    """The page that an application writes here, with what it should better not say."""
    page = Exporter()
    page.extra = ["node_boot_time_seconds", "ALERTS", "upgrade_node_state"]
    said = {"juju_application": APP, "juju_unit": f"{APP}/0", intake.MARK: "somebody"}
    job = scrape.Job("synth", ((page.address, said),))
    host = monitor.host
    host.write("/etc/collector.yml", scrape.config([job], interval_s=1))
    remote = forwarder.Remote(
        intake.url("127.0.0.1", WRITER_APP), ca_file=f"{monitor.folder}{authority.CA}"
    )
    wanted = forwarder.Forwarder((remote,), f"{monitor.folder}/etc/collector.yml", port=18439)
    daemon = forwarder.daemon(wanted, packages.options(host, forwarder.PROGRAM))
    process = Process(daemon, monitor.folder / "collector").start()
    yield page
    process.stop()
    with contextlib.suppress(OSError):
        page.stop()


def test_given_an_application_that_writes_when_it_claims_much_then_only_its_own_is_taken(
    monitor, written
):
    mark = f'{intake.MARK}="{WRITER_APP}"'

    wait(lambda: ask(store.URL, f"synth_seq{{{mark}}}") and ask(store.URL, f"up{{{mark}}}"))

    assert not ask(store.URL, f'{{{intake.MARK}="somebody"}}')
    names = ask(store.URL, f"count by (__name__) ({{{mark}}})")
    assert {each["metric"]["__name__"] for each in names} == {"synth_seq", "synth_bad", "up"}


def test_given_an_application_that_writes_of_a_unit_that_is_down_when_asked_then_the_site_is_well(
    monitor, written
):
    wait(lambda: ask(store.URL, f'up{{{intake.MARK}="{WRITER_APP}"}} == 1'))
    written.stop()
    wait(lambda: ask(store.URL, f'up{{{intake.MARK}="{WRITER_APP}"}} == 0'))

    assert monitor.verdict(UNITS_UP) is Verdict.PASS


def sent(monitor, *found):
    """Let an application write series, each as the pairs of labels that it has, in this order."""
    at = b"\x10" + writes._varint(int(time.time() * 1000))
    packed = b"".join(
        writes._field(
            1,
            b"".join(
                writes._field(1, writes._field(1, name.encode()) + writes._field(2, text.encode()))
                for name, text in labels
            )
            + writes._field(2, b"\x09" + bytes(8) + at),
        )
        for labels in found
    )
    body = monitor.folder / "body"
    body.write_bytes(writes._snappy(packed))
    command = ["curl", "--silent", "--show-error", "--fail", "--data-binary", f"@{body}"]
    command += ["--cacert", f"{monitor.folder}{authority.CA}", "-H", "Content-Encoding: snappy"]
    url = intake.url("127.0.0.1", WRITER_APP)
    subprocess.run((*command, url), check=True, capture_output=True, timeout=20)


def test_given_an_application_that_says_labels_twice_or_too_many_when_written_then_it_is_marked(
    monitor,
):
    many = [(f"label_{number}", "x") for number in range(60)]
    marks = [(intake.MARK, "somebody")] * 60

    sent(
        monitor,
        [("__name__", "fine"), ("__name__", "ALERTS"), ("lure", "twice")],
        [("__name__", "fine"), ("", "ALERTS"), ("lure", "nameless")],
        [("__name__", "up"), ("juju_application", APP), ("lure", "many"), *many],
        [("__name__", "fine"), ("lure", "marks"), *marks],
    )

    found = wait(lambda: (each := ask(store.URL, '{lure!=""}')) and len(each) == 3 and each)
    assert {each["metric"]["lure"]: each["metric"]["__name__"] for each in found} == {
        "nameless": "fine",
        "many": "up",
        "marks": "fine",
    }
    assert {each["metric"].get(intake.MARK) for each in found} == {WRITER_APP}


def test_given_an_application_with_more_labels_than_are_kept_when_written_then_nothing_is(monitor):
    """The mark is the last of its labels."""
    many = [(f"label_{number}", "x") for number in range(store.MOST_LABELS)]

    sent(monitor, [("__name__", "up"), ("flood", "all"), *many])
    sent(monitor, [("__name__", "fine"), ("flood", "next")])

    wait(lambda: ask(store.URL, '{flood="next"}'), timeout_s=120)
    assert not ask(store.URL, '{flood="all"}')


def test_given_an_application_that_writes_too_much_when_counted_then_the_rest_is_dropped(
    monitor, written
):
    wait(lambda: ask(store.URL, f'synth_seq{{{intake.MARK}="{WRITER_APP}"}}'))
    written.extra = [f"flood_{number}" for number in range(3 * MAY_WRITE)]

    dropped = "vmagent_hourly_series_limit_rows_dropped_total"
    wait(lambda: metric(f"http://127.0.0.1:{intake.PORT}", dropped))

    kept = f'count(last_over_time({{{intake.MARK}="{WRITER_APP}"}}[1h]))'
    wait(lambda: int(ask(store.URL, kept)[0]["value"][1]) > 20)
    # vmagent counts a little generously.
    assert int(ask(store.URL, kept)[0]["value"][1]) <= MAY_WRITE * 1.1


@pytest.mark.parametrize("path", ["/metrics", "/api/v1/query?query=up", "/api/v1/import", "/"])
def test_given_the_way_to_write_when_it_is_used_for_more_then_it_stays_shut(monitor, path):
    url = intake.url("127.0.0.1", WRITER_APP).replace(door.WRITE, path)
    command = ["curl", "--silent", "-o", "/dev/null", "-w", "%{http_code}"]
    command += ["--cacert", f"{monitor.folder}{authority.CA}", url]

    done = subprocess.run(command, capture_output=True, text=True, timeout=20)

    assert done.stdout in ("400", "401")


# --- alerts --------------------------------------------------------------------------------------


def test_given_a_cut_uplink_when_an_alert_fires_then_it_blocks_and_is_delivered_once_later(
    monitor, progress
):
    monitor.uplink.cut()
    monitor.exporter.bad = 1
    wait(lambda: monitor.verdict(CALM) is Verdict.FAIL, timeout_s=30)
    progress("the alert fires, and the gate fails, while the uplink is cut")
    assert monitor.verdict(terms.Gate("no-critical-alerts", "promql")) is Verdict.FAIL
    time.sleep(3)
    assert monitor.receiver.taken == []

    monitor.uplink.restore()
    wait(lambda: monitor.receiver.named("SomethingBad"), timeout_s=30)
    time.sleep(5)

    assert len(monitor.receiver.named("SomethingBad")) == 1


def test_given_a_collector_elsewhere_that_died_when_asked_then_its_last_word_is_not_believed(
    monitor,
):
    """It wrote a sample when the monitor began, and nothing since."""
    assert sequence(store.URL, "up", juju_application=FAR) == [1]
    assert time.time() - monitor.heard > store.stale_s(INTERVAL_S)

    assert monitor.verdict(FAR_UP) is Verdict.INCONCLUSIVE


def test_given_a_target_that_is_down_when_asked_then_the_site_is_not_well(monitor):
    monitor.exporter.server.shutdown()
    monitor.exporter.server.server_close()

    wait(lambda: monitor.verdict(UNITS_UP) is Verdict.FAIL, timeout_s=30)

    address = monitor.exporter.address
    again = Exporter(port=int(address.rpartition(":")[2]))
    again.served = monitor.exporter.served
    monitor.exporter = again
    wait(lambda: monitor.verdict(UNITS_UP) is Verdict.PASS, timeout_s=30)


def test_given_a_store_that_is_killed_when_it_is_back_then_a_bounded_window_is_lost(
    monitor, progress
):
    process = monitor.processes[store.NAME]
    before = monitor.exporter.served
    process.kill()
    assert monitor.verdict(UNITS_UP) is Verdict.ERROR
    process.start()
    wait(lambda: monitor.exporter.served > before, timeout_s=30)
    wait(lambda: monitor.verdict(UNITS_UP) is Verdict.PASS, timeout_s=30)

    kept = sequence(store.URL, "synth_seq")
    lost = [number for number in range(min(kept), before + 1) if number not in kept]
    window = len(lost) * INTERVAL_S
    progress(f"store killed: {len(lost)} of {before} scrapes lost, a window of {window} s")
    assert window <= sizing.FLUSH_S + 2 * INTERVAL_S


def test_given_rules_that_nobody_evaluates_when_asked_then_silence_is_not_health(
    monitor, progress
):
    monitor.processes[alerting.RULES_NAME].kill()
    killed = time.monotonic()

    wait(lambda: monitor.verdict(CALM) is Verdict.INCONCLUSIVE, timeout_s=60)

    silent_s = time.monotonic() - killed
    progress(f"the heartbeat was missed {silent_s:.0f} s after its end")
    assert silent_s < store.stale_s(INTERVAL_S) + 10
    assert monitor.verdict(UNITS_UP) is Verdict.INCONCLUSIVE


# --- what machines deliver -----------------------------------------------------------------------


def delivering(monitor):
    """What edge-node runs on a machine, as its units say, in the order in which it starts."""
    host = monitor.host
    access = node_metrics.Access(
        "edge-monitor/0",
        f"{door.url('127.0.0.1')}{door.WRITE}",
        host.read(authority.CA),
        1,
        WRITER,
        monitor.passwords[WRITER],
    )
    wish = collection.Wish((access,), "pi-7", "worker", 512)
    host.write("/etc/edge-node/scrape.yml", collection.config(wish))
    host.write("/etc/edge-node/password", access.password)
    remote = forwarder.Remote(
        access.url,
        access.username,
        f"{monitor.folder}/etc/edge-node/password",
        f"{monitor.folder}{authority.CA}",
    )
    wanted = forwarder.Forwarder((remote,), f"{monitor.folder}/etc/edge-node/scrape.yml")
    daemon = forwarder.daemon(wanted, packages.options(host, forwarder.PROGRAM))
    return Process(daemon, monitor.folder)


def test_given_a_machine_when_it_delivers_then_the_door_says_whose_its_samples_are(
    monitor, progress
):
    process = delivering(monitor).start()
    selector = f'node="pi-7",role="worker",juju_unit="{NODE}/0",site="the harbour & co"'
    try:
        for name in ("up", "node_boot_time_seconds"):
            wait(lambda name=name: ask(store.URL, f'{name}{{job="node",{selector}}}'))
        (kept,) = wait(
            lambda: ask(store.URL, f"vmagent_remotewrite_pending_data_bytes{{{selector}}}")
        )
        count = ask(store.URL, f"count({{{selector}}})")[0]["value"][1]
        progress(f"a machine delivers {count} series")
        wait(lambda: monitor.verdict(NODE_UP) is Verdict.PASS)
    finally:
        process.stop()
    assert kept["metric"]["job"] == "vmagent"


def test_given_a_door_that_is_away_when_a_machine_delivers_then_no_sample_is_lost(monitor):
    process = delivering(monitor).start()
    query = f'count_over_time(up{{job="node",juju_unit="{NODE}/0"}}[15s])'
    door_process = monitor.processes[door.NAME]
    try:
        wait(lambda: ask(store.URL, query))
        door_process.terminate()
        time.sleep(6)
        door_process.start()
        # One sample a second, those of the time without a door among them.
        wait(lambda: float(ask(store.URL, query)[0]["value"][1]) >= 14, timeout_s=40)
    finally:
        process.stop()
