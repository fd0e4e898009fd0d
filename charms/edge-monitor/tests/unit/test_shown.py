"""The machines that show their metrics: who sees them, and who is counted."""

import json
import subprocess

import pytest
import test_nodes
from ops import testing

import shown
from edgecloud.interfaces import node_metrics
from edgecloud.testing import encoded

STORE, FORWARDER = "edge-monitor-store", "edge-monitor-forwarder"
CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBkzCCATugAwIBAgIUcKCA/TESRrmuT8XcZbIdvv9LhGUwCgYIKoZIzj0EAwIw
FDESMBAGA1UEAwwJZWRnZS1ub2RlMCAXDTI2MTEyNjAzNDEyNloYDzIxMjYxMTAy
MDM0MTI2WjAUMRIwEAYDVQQDDAllZGdlLW5vZGUwWTATBgcqhkjOPQIBBggqhkjO
PQMBBwNCAAQE9r5JE+AUoDxMeVFa+GlmqwHX/cD6LGXefv1CZB6H27B6vLx8qFUc
sz+j1vZlU/JFq9bUTZYvi4ftM1na2Pzxo2kwZzAdBgNVHQ4EFgQUXA+lYNuK8LFn
a5dOKgsbzD9/HrYwHwYDVR0jBBgwFoAUXA+lYNuK8LFna5dOKgsbzD9/HrYwDwYD
VR0TAQH/BAUwAwEB/zAUBgNVHREEDTALggllZGdlLW5vZGUwCgYIKoZIzj0EAwID
RgAwQwIgSSPl7AAfYSTCCfad8s0qE+MZU5WGStaiTUXx44knDgoCH035iUvh3KEa
ujhzrN53fV/3ieFGEkLkQJmSxgecjdg=
-----END CERTIFICATE-----
"""
"""What a machine made once; its key is nowhere."""
PAGE = "10.20.0.11:19100"


def machines(*, page=PAGE, certificate=CERTIFICATE, hostname="pi-0", sends=False):
    """A relation with a machine that shows, and one that delivers."""
    shows = node_metrics.Sender(1, hostname, sends, page, certificate, "pi-0", "worker")
    return testing.Relation(
        "nodes",
        remote_app_name="edge-node",
        remote_units_data={0: encoded(shows), 1: encoded(node_metrics.Sender(1, "pi-1", True))},
    )


def job(monitor):
    """How the machine is scraped."""
    document = json.loads(monitor.host.read("/etc/edge-monitor/scrape.yml"))
    (found,) = (each for each in document["scrape_configs"] if each["scheme"] == "https")
    return found


def pages(monitor):
    document = json.loads(monitor.host.read("/etc/edge-monitor/scrape.yml"))
    return [target for each in document["scrape_configs"] if each["scheme"] == "https"
            for static in each["static_configs"] for target in static["targets"]]  # fmt: skip


@pytest.fixture
def related(monitor):
    return monitor.set(relations={machines()}).run()


def test_given_a_machine_that_shows_when_related_then_it_is_scraped_as_what_juju_says(related):
    found = job(related)

    (static,) = found["static_configs"]
    assert static["targets"] == [PAGE]
    assert static["labels"]["juju_unit"] == "edge-node/0"
    assert (static["labels"]["node"], static["labels"]["role"]) == ("pi-0", "worker")
    assert static["labels"]["job"] == "node"
    assert found["series_limit"]


def test_given_a_machine_that_shows_when_related_then_both_know_each_other_by_certificates(
    related,
):
    tls, unit = job(related)["tls_config"], related.unit(STORE)
    lent = dict(
        line.removeprefix("LoadCredential=").split(":")
        for line in unit.splitlines()
        if line.startswith("LoadCredential=")
    )
    files = {key: lent[path.rpartition("/")[2]] for key, path in tls.items() if "/" in path}

    assert tls["server_name"] == "edge-node"
    assert related.host.read(files["ca_file"]) == CERTIFICATE
    assert related.host.read(files["cert_file"]) == test_nodes.sink(related).scraper
    for path in files.values():
        mode = related.host.path(path).stat().st_mode & 0o777
        assert mode == 0o600 or path == files["cert_file"]


def test_given_who_scrapes_when_made_then_the_certificate_is_for_callers_alone_and_of_its_key(
    related,
):
    words = ("openssl", "x509", "-noout", "-pubkey", "-ext", "extendedKeyUsage")
    said = subprocess.run(
        words, input=test_nodes.sink(related).scraper, capture_output=True, text=True, check=True
    ).stdout
    key = related.host.path(shown.KEY)
    public = subprocess.run(
        ("openssl", "pkey", "-in", str(key), "-pubout"), capture_output=True, text=True, check=True
    ).stdout

    assert "TLS Web Client Authentication" in said
    assert "Server" not in said
    assert public in said
    assert key.stat().st_mode & 0o777 == 0o600


def test_given_a_machine_that_shows_when_related_then_no_way_through_the_door_is_its_own(related):
    assert "writer-edge-node-0" not in test_nodes.users(related)
    assert {each.unit for each in test_nodes.sink(related).writers} == {"edge-node/1"}


def test_given_a_machine_that_showed_when_it_delivers_again_then_it_is_let_in(related):
    (relation,) = related.state.get_relations("nodes")
    again = {**relation.remote_units_data, 0: encoded(node_metrics.Sender(1, "pi-0", False))}

    related.set(relations={testing.Relation(
        "nodes", id=relation.id, remote_app_name="edge-node", remote_units_data=again,
        local_unit_data=relation.local_unit_data,
    )}).run()  # fmt: skip

    assert "writer-edge-node-0" in test_nodes.users(related)
    assert pages(related) == []
    assert related.host.glob("/etc/edge-monitor/shown/*") == []


def test_given_a_machine_that_shows_when_counted_then_gates_and_heartbeat_expect_it(related):
    assert '(up{juju_application="edge-node",written_by=""})) >= 2' in test_nodes.watched(related)
    assert related.status.message == "watching 3 units, 15 days kept"


@pytest.mark.parametrize(
    "page",
    ["127.0.0.1:18428", "[::1]:19100", "[::ffff:127.0.0.1]:80", "0.0.0.0:19100", "localhost:19100",
     "door.example:8427", "10.20.0.11", "10.20.0.11:0", "10.20.0.11:http", "fe80::1%a b:1", ""],
)  # fmt: skip
def test_given_a_page_that_is_no_place_beyond_this_machine_when_related_then_it_is_left_alone(
    monitor, page
):
    monitor.set(relations={machines(page=page)}).run()

    assert pages(monitor) == []
    assert monitor.status.message.endswith("; nothing from edge-node/0")


@pytest.mark.parametrize(
    "certificate",
    ["", "/etc/shadow", CERTIFICATE.replace("MII", "MIX"), CERTIFICATE[:300], CERTIFICATE * 30,
     "-----BEGIN CERTIFICATE-----\nö\n-----END CERTIFICATE-----\n"],
)  # fmt: skip
def test_given_a_certificate_that_is_none_when_related_then_the_page_is_left_alone(
    monitor, certificate
):
    monitor.set(relations={machines(certificate=certificate)}).run()

    assert pages(monitor) == []


def test_given_the_mode_agent_when_a_machine_shows_then_the_forwarder_scrapes_it(related):
    related.config(mode="agent", remote_stores=test_nodes.FAR).run()

    assert pages(related) == [PAGE]
    assert "/etc/edge-monitor/shown/edge-node-0.crt" in related.unit(FORWARDER)


def test_given_the_monitors_own_machine_when_it_shows_then_its_exporter_is_the_only_one(monitor):
    here = monitor.host.read("/etc/hostname").strip()

    monitor.set(relations={machines(hostname=here)}).run()

    assert "node" in test_nodes.jobs(monitor)
    assert pages(monitor) == [PAGE]
    assert not monitor.unit_exists(test_nodes.EXPORTER)


def test_given_a_second_look_when_nothing_changed_then_nothing_restarts_and_nobody_is_woken(
    related,
):
    before = related.state.relations, related.state.secrets, len(related.restarts(STORE))

    related.run("update_status")

    assert (related.state.relations, related.state.secrets, len(related.restarts(STORE))) == before


def test_given_a_machine_that_leaves_when_changed_then_nothing_of_it_is_left(related):
    related.set(relations=set()).run()

    assert pages(related) == []
    assert related.host.glob("/etc/edge-monitor/shown/*") == []
