"""What the charm does to its machine, hook by hook."""

import json
import shlex

import pytest
from ops import testing

import answers
import remotes
import store
from edgecloud.interfaces import health_gate
from edgecloud.testing import decoded
from edgelab.pi import telemetry

STORE = "edge-monitor-store"
EXPORTER = "edge-monitor-exporter"
ALL = (STORE, EXPORTER, "edge-monitor-rules", "edge-monitor-alerts", "edge-monitor-door")
SECRETS = (
    "scrape.yml",
    "alertmanager.yml",
    "door.yml",
    "door.env",
    "store.env",
    "passwords.json",
    "tls/*.key",
)


def test_given_a_bare_pi_when_installed_then_everything_runs(monitor):
    units = monitor.machine.units

    assert {units[f"{name}.service"].active for name in ALL} == {True}
    assert isinstance(monitor.status, testing.ActiveStatus)


def test_given_a_bare_pi_when_installed_then_no_service_of_the_packages_ever_could_start(monitor):
    calls = [" ".join(call.argv) for call in monitor.world.calls]
    masked = next(at for at, call in enumerate(calls) if "mask --now" in call)
    installed = next(at for at, call in enumerate(calls) if "apt-get install" in call)

    assert masked < installed
    assert calls[masked].split()[3:] == [
        "victoria-metrics.service",
        "prometheus-alertmanager.service",
        "prometheus-node-exporter.service",
    ]


def test_given_a_running_monitor_when_nothing_changed_then_nothing_restarts(monitor):
    before = len(monitor.world.calls)

    monitor.run("update_status")

    assert {call.argv[1] for call in monitor.world.calls[before:]} == {
        "is-enabled",
        "is-active",
        "x509",
    }


def test_given_a_new_interval_when_configured_then_the_store_restarts_with_it(monitor):
    monitor.config(scrape_interval=15, write_budget=9.0).run()

    assert '"scrape_interval": "15s"' in monitor.host.read("/etc/edge-monitor/scrape.yml")
    assert "-search.maxStalenessInterval=45s" in monitor.command(STORE)
    assert len(monitor.restarts(STORE)) == 2
    assert len(monitor.restarts(EXPORTER)) == 1


def test_given_a_store_that_can_wait_when_installed_then_it_writes_as_seldom_as_wanted(
    make_monitor, monkeypatch
):
    knows = f"{telemetry.OPTIONS[store.PROGRAM]} {store.FLUSH_OPTION}"
    monkeypatch.setitem(telemetry.OPTIONS, store.PROGRAM, knows)

    monitor = make_monitor().run("install").config(flush_interval=120).run()

    assert "-inmemoryDataFlushInterval=120s" in monitor.command(STORE)


def test_given_a_store_when_installed_then_it_keeps_to_one_core_and_a_share_of_the_memory(monitor):
    assert {"Environment=GOMAXPROCS=1", "Environment=GOMEMLIMIT=50MiB"} <= {
        *monitor.unit(STORE).splitlines()
    }


def test_given_an_older_store_when_installed_then_it_is_told_nothing_that_it_does_not_know(
    monitor,
):
    assert not any("Flush" in word for word in monitor.command(STORE))


def test_given_external_labels_when_configured_then_every_series_has_them(monitor):
    monitor.config(external_labels="site=harbour, pool=a").run()

    text = monitor.host.read("/etc/edge-monitor/scrape.yml")
    assert '"site": "harbour"' in text
    assert '"pool": "a"' in text


def test_given_unfit_options_when_configured_then_each_is_named_and_the_store_stays(monitor):
    before = monitor.unit(STORE)

    monitor.config(
        scrape_interval=1, series=5, flush_interval=4, external_labels="juju_unit=x,nonsense"
    ).run()

    assert monitor.status == testing.BlockedStatus(
        "scrape-interval: must be from 5 to 300 seconds; flush-interval: must be from 5 to 3600"
        " seconds; series: must be at least 1000; external-labels: juju_unit is reserved;"
        " external-labels: nonsense is not name=value"
    )
    assert monitor.unit(STORE) == before


def test_given_more_series_than_memory_when_configured_then_blocked_with_the_arithmetic(monitor):
    before = monitor.unit(STORE)

    monitor.config(series=2_000_000, scrape_interval=300, write_budget=100.0).run()

    assert isinstance(monitor.status, testing.BlockedStatus)
    assert "memory: 2000000 series need 4065 MB" in monitor.status.message
    assert monitor.unit(STORE) == before


def test_given_no_uplink_when_installed_then_it_waits_and_goes_on_later(make_monitor):
    monitor = make_monitor(uplink=False).run("install")
    assert isinstance(monitor.status, testing.WaitingStatus)
    assert "apt-get install failed" in monitor.status.message

    monitor.machine.uplink = True
    monitor.run("update_status")

    assert isinstance(monitor.status, testing.ActiveStatus)


def test_given_a_monitor_when_removed_then_nothing_runs_and_the_samples_stay(monitor):
    monitor.host.write("/var/lib/edge-monitor-store/data/part", "samples")

    monitor.run("remove")

    assert monitor.host.glob("/etc/systemd/system/edge-*") == []
    assert monitor.host.glob("/etc/edge-monitor/*.*") == []
    assert monitor.host.glob("/etc/edge-monitor/*/*") == []
    assert monitor.host.read("/var/lib/edge-monitor-store/data/part") == "samples"


@pytest.mark.parametrize("name", ALL)
def test_given_a_monitor_when_it_runs_then_only_the_door_listens_beyond_this_machine(
    monitor, name
):
    addresses = [word for word in monitor.command(name) if "isten" in word]

    near = "192.0.2.0:8427" if name == "edge-monitor-door" else "127.0.0.1:"
    assert near in addresses[0]
    assert addresses[1:] in ([], ["--cluster.listen-address="])


def test_given_a_monitor_when_it_runs_then_only_root_can_read_what_is_secret(monitor):
    paths = [path for name in SECRETS for path in monitor.host.glob(f"/etc/edge-monitor/{name}")]

    assert len(paths) == len(SECRETS) + 1
    assert {monitor.host.path(path).stat().st_mode & 0o777 for path in paths} == {0o600}


def test_given_a_monitor_when_it_runs_then_no_password_is_in_an_argument_or_a_unit(monitor):
    passwords = json.loads(monitor.host.read("/etc/edge-monitor/passwords.json")).values()
    shown = "".join(monitor.unit(name) for name in ALL)
    shown += "".join(" ".join(call.argv) for call in monitor.world.calls)

    assert len(set(passwords)) == 2
    assert not any(password in shown for password in passwords)


def test_given_a_daemon_that_died_when_looked_at_then_the_status_names_it(monitor):
    monitor.machine.units["edge-monitor-rules.service"].active = False

    monitor.run("update_status")

    assert monitor.status == testing.WaitingStatus("edge-monitor-rules does not run")


def test_given_rules_of_the_charm_when_it_runs_then_the_heartbeat_is_the_one_of_this_site(
    monitor,
):
    names = [path.rpartition("/")[2] for path in monitor.host.glob("/etc/edge-monitor/rules/*")]

    assert {"machines.rules", "kubernetes.rules", "heartbeat.rules"} <= set(names)
    assert "count by (juju_unit)" in monitor.host.read("/etc/edge-monitor/rules/heartbeat.rules")


# --- the page ------------------------------------------------------------------------------------


def test_given_a_monitor_when_it_runs_then_the_page_is_served_on_loopback_by_a_confined_process(
    monitor,
):
    socket = monitor.host.read("/etc/systemd/system/edge-monitor-page.socket")
    service = monitor.host.read("/etc/systemd/system/edge-monitor-page@.service")

    assert "ListenStream=127.0.0.1:18080\n" in socket
    assert monitor.machine.units["edge-monitor-page.socket"].active
    assert "DynamicUser=yes" in service
    assert "StandardInput=socket" in service


def test_given_an_operator_when_asked_for_the_page_then_told_how_to_get_in(monitor):
    monitor.run("action", "site-page")

    passwords = json.loads(monitor.host.read("/etc/edge-monitor/passwords.json"))
    assert monitor.results["url"] == "https://192.0.2.0:8427/"
    assert monitor.results["password"] == passwords["reader"]


def test_given_a_monitor_that_is_not_up_when_asked_for_the_page_then_that_is_said(make_monitor):
    with pytest.raises(testing.ActionFailed, match="does not run yet"):
        make_monitor().run("action", "site-page")


# --- what it scrapes -----------------------------------------------------------------------------

TOKEN = "/var/lib/edge-microk8s/metrics-token"
CA = "/var/snap/microk8s/current/certs/ca.crt"
KUBELITE = {
    "job_name": "kubelite",
    "scheme": "https",
    "static_configs": [{"targets": ["localhost:10250"], "labels": {"node": "pi-1"}}],
    "tls_config": {"ca_file": CA, "server_name": "pi-1"},
    "authorization": {"type": "Bearer", "credentials_file": TOKEN},
}


def cluster(*units, app="edge-microk8s"):
    return testing.Relation(
        "targets",
        remote_app_name=app,
        remote_units_data={
            number: {
                "ingress-address": f"10.0.0.{number}",
                "config": json.dumps({"metrics_scrape_jobs": jobs}),
            }
            for number, jobs in enumerate(units)
        },
    )


def jobs_of(monitor):
    document = json.loads(monitor.host.read("/etc/edge-monitor/scrape.yml"))
    return {job["job_name"]: job for job in document["scrape_configs"]}


@pytest.fixture
def on_a_node(monitor):
    """A monitor on a node of the cluster, where the token lies."""
    monitor.host.write(TOKEN, "s3cret", mode=0o600)
    monitor.host.write(CA, "ca")
    return monitor


def test_given_a_cluster_when_related_then_its_nodes_are_scraped_with_what_is_lent(on_a_node):
    on_a_node.set(relations={cluster([KUBELITE], [KUBELITE])}).run("update_status")

    jobs = jobs_of(on_a_node)
    lent = "/run/credentials/edge-monitor-store.service/var-lib-edge-microk8s-metrics-token"
    assert jobs["kubelite"]["static_configs"][0]["targets"] == ["10.0.0.0:10250"]
    assert jobs["kubelite-1"]["authorization"]["credentials_file"] == lent
    assert f"LoadCredential=var-lib-edge-microk8s-metrics-token:{TOKEN}" in on_a_node.unit(STORE)
    assert on_a_node.status == testing.ActiveStatus("watching 3 units, 15 days kept")


def test_given_a_token_that_was_renewed_when_looked_at_then_the_store_is_lent_the_new_one(
    on_a_node,
):
    on_a_node.set(relations={cluster([KUBELITE])}).run("update_status")
    before = len(on_a_node.restarts(STORE))

    on_a_node.host.write(TOKEN, "another", mode=0o600)
    on_a_node.run("update_status")

    assert len(on_a_node.restarts(STORE)) == before + 1


def test_given_no_token_here_when_related_then_the_status_says_of_whom_there_is_nothing(monitor):
    monitor.set(relations={cluster([KUBELITE])}).run("update_status")

    assert "kubelite" not in jobs_of(monitor)
    assert monitor.status.message.endswith("; nothing from edge-microk8s/0")


def test_given_a_job_that_wants_another_file_when_related_then_it_gets_nothing(on_a_node):
    greedy = {**KUBELITE, "authorization": {"credentials_file": "/etc/shadow"}}

    on_a_node.set(relations={cluster([greedy])}).run("update_status")

    assert "kubelite" not in jobs_of(on_a_node)
    assert "shadow" not in on_a_node.unit(STORE)


def test_given_units_that_juju_knows_when_one_is_not_looked_at_then_the_heartbeat_would_stop(
    on_a_node,
):
    on_a_node.set(relations={cluster([KUBELITE], None, [KUBELITE])}).run("update_status")

    rule = json.loads(on_a_node.host.read("/etc/edge-monitor/rules/heartbeat.rules"))
    expression = rule["groups"][0]["rules"][0]["expr"]
    assert '(up{juju_application="edge-microk8s",written_by=""})) >= 3)' in expression
    assert '(up{juju_application="mon",written_by=""})) >= 1)' in expression


# --- who is told ---------------------------------------------------------------------------------


def told(monitor, content, **more):
    secret = testing.Secret(content, **more)
    return monitor.set(secrets={secret}).config(alert_receivers=secret.id)


def test_given_receivers_when_configured_then_only_alertmanagers_file_has_them(monitor):
    told(monitor, {"webhook-url": "https://a.example/h", "webhook-token": "t0ken"}).run()

    text = monitor.host.read("/etc/edge-monitor/alertmanager.yml")
    assert "t0ken" in text
    assert "t0ken" not in monitor.status.message
    assert isinstance(monitor.status, testing.ActiveStatus)


def test_given_unfit_receivers_when_configured_then_blocked_and_the_former_stay(monitor):
    before = monitor.host.read("/etc/edge-monitor/alertmanager.yml")

    told(monitor, {"webhook-token": "t0ken", "smtp-server": "mail", "pager": "5"}).run()

    assert monitor.status == testing.BlockedStatus(
        "alert-receivers: pager is not known; webhook-token needs webhook-url;"
        " mail needs smtp-server, smtp-from and smtp-to; smtp-server must be host:port"
    )
    assert monitor.host.read("/etc/edge-monitor/alertmanager.yml") == before


def test_given_a_secret_that_is_not_granted_when_configured_then_the_way_out_is_said(monitor):
    monitor.config(alert_receivers="secret:d0erdgfmp25c762i8np0").run()

    assert "juju grant-secret" in monitor.status.message


# --- stores elsewhere ----------------------------------------------------------------------------

FORWARDER = "edge-monitor-forwarder"
FAR = "https://far.example/api/v1/write"


def test_given_a_store_elsewhere_when_configured_then_one_process_scrapes_for_both(monitor):
    monitor.config(remote_stores=FAR).run()

    urls = [word for word in monitor.command(FORWARDER) if word.startswith("-remoteWrite.url=")]
    assert urls == [
        "-remoteWrite.url=http://127.0.0.1:18428/api/v1/write",
        f"-remoteWrite.url={FAR}",
    ]
    assert not any("promscrape" in word for word in monitor.command(STORE))
    assert f"-remoteWrite.maxDiskUsagePerURL={2**30}" in monitor.command(FORWARDER)
    assert monitor.status.message == "watching 1 unit, 15 days kept, buffer for 15 h"


def test_given_no_store_elsewhere_any_more_when_configured_then_the_store_scrapes_again(monitor):
    monitor.config(remote_stores=FAR).run().config(remote_stores="").run()

    assert monitor.unit_exists(FORWARDER) is False
    assert any("promscrape" in word for word in monitor.command(STORE))


def test_given_the_mode_agent_when_configured_then_only_exporter_and_forwarder_run(monitor):
    monitor.config(mode="agent", remote_stores=FAR).run()

    names = [path.rpartition("/")[2] for path in monitor.host.glob("/etc/systemd/system/edge-*")]
    assert names == [f"{EXPORTER}.service", f"{FORWARDER}.service"]
    assert monitor.status.message == "watching 1 unit, buffer for 15 h"


def test_given_credentials_when_configured_then_they_lie_in_files_of_root_only(monitor):
    secret = testing.Secret({"username": "pi", "password": "s3cret", "ca": "BEGIN CERTIFICATE"})
    monitor.set(secrets={secret}).config(remote_stores=FAR, remote_credentials=secret.id).run()

    command = shlex.split(monitor.line(FORWARDER))
    assert '-remoteWrite.basicAuth.passwordFile="","%d/remote-1"' in command
    assert '-remoteWrite.tlsCAFile="","%d/remote-1-ca"' in command
    assert "s3cret" not in monitor.unit(FORWARDER)
    for path in ("remote.password", "remote-ca.pem"):
        assert monitor.host.path(f"/etc/edge-monitor/{path}").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"mode": "hub"}, "mode: must be one of site, agent"),
        ({"mode": "agent"}, "remote-stores: mode agent keeps nothing here, so it needs one"),
        (
            {"remote_stores": "https://a:s3cret@far.example/w"},
            "remote-stores: put the credentials of far.example into remote-credentials",
        ),
        (
            {"remote_stores": "https://far.example/w?db=a&api_key=s3cret"},
            "remote-stores: put the credentials of far.example into remote-credentials",
        ),
        (
            {"remote_stores": "far.example"},
            "remote-stores: far.example is not an http or https address",
        ),
        ({"remote_stores": "http://[far"}, "remote-stores: holds what is not an address"),
        ({"buffer_mb": 100}, "buffer-mb: must be at least 512"),
    ],
)
def test_given_unfit_stores_when_configured_then_the_way_out_is_said(monitor, options, problem):
    assert monitor.config(**options).run().status == testing.BlockedStatus(problem)


def test_given_a_store_with_parameters_when_configured_then_only_a_secret_is_refused():
    assert list(remotes.problems("https://far.example/w?extra_label=site%3Dharbour")) == []
    assert list(remotes.problems("https://far.example/w?Token=s3cret"))


def test_given_unfit_credentials_when_configured_then_all_that_is_wrong_is_said(monitor):
    secret = testing.Secret({"username": "pi", "token": "t", "ca": "x", "pin": "1"})

    monitor.set(secrets={secret}).config(remote_stores=FAR, remote_credentials=secret.id).run()

    assert monitor.status == testing.BlockedStatus(
        "remote-credentials: pin is not known; username and password go together;"
        " either username or token; ca is no certificate in PEM"
    )


# --- the gate ------------------------------------------------------------------------------------


@pytest.fixture
def gated(monitor, monkeypatch):
    """A monitor with a controller, and a store that knows what ``known`` says."""
    said = {"known": True}

    def ask(host, query):
        if said["known"] is None:
            raise answers.SilenceError("the store does not answer yet: refused")
        samples = [{"metric": {}, "value": [1, "1"]}] if said["known"] else []
        return {"status": "success", "data": {"resultType": "vector", "result": samples}}

    monkeypatch.setattr(answers, "ask", ask)
    monitor.said = said
    return monitor.set(relations={testing.Relation("health-gate")})


def source(monitor):
    (relation,) = monitor.state.get_relations("health-gate")
    return decoded(health_gate.GateSource, relation.local_app_data)


def test_given_a_controller_when_related_then_it_is_told_address_authority_and_questions(gated):
    gated.run("update_status")

    said = source(gated)
    assert said.url == "https://192.0.2.0:8427"
    assert said.ca == gated.host.read("/etc/edge-monitor/tls/ca.crt")
    assert {"units-up", "no-critical-alerts"} <= {each.name for each in said.questions}


def test_given_a_controller_when_related_then_the_password_lies_in_a_secret_it_may_read(gated):
    gated.run("update_status")

    (secret,) = gated.state.secrets
    passwords = json.loads(gated.host.read("/etc/edge-monitor/passwords.json"))
    assert source(gated).credentials == secret.id
    assert secret.latest_content == {"username": "gate", "password": passwords["gate"]}
    assert list(secret.remote_grants.values()) == [{"remote"}]
    (relation,) = gated.state.get_relations("health-gate")
    assert passwords["gate"] not in str(relation.local_app_data)


def test_given_a_question_without_an_answer_when_related_then_it_is_offered_once_it_has_one(gated):
    gated.said["known"] = False
    gated.run("update_status")
    assert source(gated).questions == ()
    assert [timer for timer in gated.machine.timers if timer.startswith("edge-monitor-mon-0")]

    gated.said["known"] = True
    gated.run("update_status")

    assert len(source(gated).questions) >= 5


def test_given_a_store_that_does_not_answer_when_related_then_nothing_is_said(gated):
    gated.said["known"] = None

    gated.run("update_status")

    assert source(gated).url is None
    assert "does not answer yet" in gated.status.message


def test_given_a_unit_that_does_not_lead_when_related_then_it_says_nothing(gated):
    gated.set(leader=False).run("update_status")

    assert source(gated).url is None


@pytest.mark.parametrize(("interval", "silent_s"), [(15, 180), (60, 180), (300, 900)])
def test_given_an_interval_when_configured_then_three_scrapes_make_a_machine_silent(
    monitor, interval, silent_s
):
    monitor.config(scrape_interval=interval, write_budget=9.0).run()

    rules = monitor.host.read("/etc/edge-monitor/rules/machines.rules")
    assert rules.count(f"present_over_time(node_boot_time_seconds[{silent_s}s])") == 2
    assert f" {silent_s}\n" in monitor.host.read("/etc/systemd/system/edge-monitor-page@.service")
