"""The door's certificate by an authority elsewhere, with the real openssl on both sides."""

import dataclasses
import json
import subprocess
import time

import pytest
from ops import testing

import signed
from edgecloud.interfaces import node_metrics
from edgecloud.testing import decoded, encoded
from edgelab import pi

DAY_S = 86400
DOOR, OWN = "edge-monitor-door", "server.crt:/etc/edge-monitor/tls/server.crt"


class Authority:
    """A small authority of the test."""

    def __init__(self, folder, name="ca"):
        self.folder, self.name = folder, name
        self.openssl(
            *("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-keyout", f"{name}.key", "-out", f"{name}.crt", "-subj", f"/CN={name}"),
        )
        self.ca = (folder / f"{name}.crt").read_text()

    def openssl(self, *words, given=""):
        return subprocess.run(
            ["openssl", *words], input=given, cwd=self.folder, text=True, check=True,
            capture_output=True,
        ).stdout  # fmt: skip

    def sign(self, request, *, days=90, names="IP:192.0.2.0,DNS:pi-0"):
        (self.folder / "names").write_text(f"subjectAltName={names}\n")
        certificate = self.openssl(
            *("x509", "-req", "-CA", f"{self.name}.crt", "-CAkey", f"{self.name}.key"),
            *("-CAcreateserial", "-days", str(days), "-extfile", "names"),
            given=request,
        )
        return {
            "certificate_signing_request": request,
            "certificate": certificate,
            "ca": self.ca,
            "chain": [certificate, self.ca],
        }


@pytest.fixture
def world(tmp_path):
    # openssl signs by this computer's clock.
    return pi.World(tmp_path, pi.Clock(time.time()), seed=1)


@pytest.fixture
def elsewhere(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def asking(monitor):
    """A monitor with an authority that has not answered, and a machine that delivers."""
    said = {0: encoded(node_metrics.Sender(1, "pi-0", True))}
    nodes = testing.Relation("nodes", remote_app_name="edge-node", remote_units_data=said)
    certificates = testing.Relation("certificates", remote_app_data={})
    return monitor.set(relations={nodes, certificates}).run()


def bag(monitor, endpoint="certificates"):
    (relation,) = monitor.state.get_relations(endpoint)
    return relation.local_unit_data


def request(monitor):
    (asked,) = json.loads(bag(monitor)["certificate_signing_requests"])
    return asked["certificate_signing_request"]


def answer(monitor, *given):
    """Let the authority say this, and the monitor hear it."""
    (relation,) = monitor.state.get_relations("certificates")
    said = {"certificates": json.dumps(given)}
    new = dataclasses.replace(relation, remote_app_data=said)
    others = {each for each in monitor.state.relations if each.id != relation.id}
    return monitor.set(relations={*others, new}).run()


def later(monitor, seconds):
    monitor.world.clock.advance(seconds)
    return monitor.run("update_status")


def shown(monitor):
    """What the door shows, by the unit that systemd has."""
    lines = monitor.unit(DOOR).splitlines()
    lines = [line for line in lines if line.startswith("LoadCredential=server.")]
    paths = [line.rpartition(":")[2] for line in lines]
    return [monitor.host.read(path) for path in paths]


def authorities(monitor):
    (relation,) = monitor.state.get_relations("nodes")
    return decoded(node_metrics.Sink, relation.local_unit_data).ca


@pytest.fixture
def settled(asking, elsewhere):
    answer(asking, elsewhere.sign(request(asking)))
    return later(asking, signed.LEARN_S)


def test_given_an_authority_when_related_then_it_is_asked_and_the_key_stays(asking):
    text = asking.host.run(
        ("/usr/bin/openssl", "req", "-noout", "-text"), timeout_s=9, stdin=request(asking)
    ).stdout

    assert "IP Address:192.0.2.0, DNS:" in text
    assert "PRIVATE" not in json.dumps([dict(bag(asking)), dict(bag(asking, "nodes"))])
    (key,) = asking.host.glob("/etc/edge-monitor/tls/signed-*.key")
    assert asking.host.path(key).stat().st_mode & 0o777 == 0o600
    assert OWN in asking.unit(DOOR)
    assert asking.status.message.endswith("; waits for a certificate")


def test_given_an_answer_when_it_is_new_then_its_authority_is_told_before_it_is_shown(
    asking, elsewhere
):
    own = authorities(asking)
    given = elsewhere.sign(request(asking))

    answer(asking, given)
    assert authorities(asking) == own + elsewhere.ca.strip() + "\n"
    assert OWN in asking.unit(DOOR)
    later(asking, signed.LEARN_S)

    certificate, key = shown(asking)
    assert certificate.startswith(given["certificate"].strip())
    assert "PRIVATE KEY" in key
    assert asking.status.message == "watching 2 units, 15 days kept"


def test_given_what_is_shown_when_somebody_trusts_what_is_told_then_they_trust_it(settled):
    certificate, _ = shown(settled)
    settled.host.write("/tmp/told.pem", authorities(settled))
    settled.host.write("/tmp/shown.pem", certificate)

    said = settled.host.run(
        ("/usr/bin/openssl", "verify", "-CAfile", "/tmp/told.pem", "/tmp/shown.pem"), timeout_s=9
    )

    assert said.stdout.endswith("OK\n")


def test_given_an_authority_that_goes_when_changed_then_the_sites_own_is_shown_and_was_trusted(
    settled,
):
    before = authorities(settled)

    (nodes,) = settled.state.get_relations("nodes")
    settled.set(relations={nodes}).run()

    assert OWN in settled.unit(DOOR)
    assert settled.host.read("/etc/edge-monitor/tls/ca.crt") in before
    assert settled.host.glob("/etc/edge-monitor/tls/signed-*") == []


def test_given_a_third_of_its_life_left_when_looked_at_then_another_is_asked_for_with_a_new_key(
    settled, elsewhere
):
    first, restarts = request(settled), len(settled.restarts(DOOR))
    _, key = shown(settled)
    later(settled, 59 * DAY_S)
    assert request(settled) == first

    later(settled, 2 * DAY_S)
    second = request(settled)
    assert second != first
    assert shown(settled)[1] == key
    answer(settled, elsewhere.sign(second, days=180))

    # Everybody trusts that authority already, so nothing waits.
    assert shown(settled)[1] != key
    assert len(settled.restarts(DOOR)) == restarts + 1
    assert request(settled) == second


def test_given_a_certificate_that_nobody_renews_when_it_ends_then_the_sites_own_is_shown(settled):
    later(settled, 90 * DAY_S)

    assert OWN in settled.unit(DOOR)
    assert settled.status.message.endswith("; waits for a certificate")


def test_given_another_authority_when_it_answers_then_it_is_told_first_as_well(
    settled, tmp_path, elsewhere
):
    later(settled, 61 * DAY_S)
    before, other = shown(settled), Authority(tmp_path, "other")

    given = other.sign(request(settled), days=180)
    answer(settled, given)
    assert other.ca.strip() in authorities(settled)
    assert elsewhere.ca.strip() in authorities(settled)
    assert shown(settled) == before

    later(settled, signed.LEARN_S)
    assert shown(settled)[0].startswith(given["certificate"].strip())


def test_given_a_certificate_that_no_client_would_take_when_given_then_it_is_not_shown(
    asking, elsewhere
):
    answer(asking, elsewhere.sign(request(asking), names="DNS:pi-0"))
    later(asking, signed.LEARN_S)

    assert OWN in asking.unit(DOOR)
    assert "the certificate that was given is not for 192.0.2.0" in asking.status.message


@pytest.mark.parametrize("text", ["-----BEGIN CERTIFICATE-----\nno", "nothing"])
def test_given_nonsense_when_given_then_it_is_not_shown(asking, elsewhere, text):
    answer(asking, {**elsewhere.sign(request(asking)), "certificate": text})

    assert OWN in asking.unit(DOOR)
    assert "is none that openssl can read" in asking.status.message


def test_given_a_certificate_for_another_key_when_given_then_it_is_not_shown(asking, elsewhere):
    other = elsewhere.openssl(
        *("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
        *("-keyout", "x.key", "-subj", "/CN=x"),
    )
    given = {**elsewhere.sign(other), "certificate_signing_request": request(asking)}

    answer(asking, given)

    assert OWN in asking.unit(DOOR)
    assert "belongs to another key" in asking.status.message


def test_given_a_revocation_when_heard_then_the_sites_own_is_shown_until_there_is_another(
    settled, elsewhere
):
    given = elsewhere.sign(request(settled))

    answer(settled, {**given, "revoked": True})
    assert OWN in settled.unit(DOOR)
    assert "was revoked" in settled.status.message
    answer(settled, elsewhere.sign(request(settled)))

    assert OWN not in settled.unit(DOOR)


def test_given_certificates_that_always_look_old_when_looked_at_then_nobody_is_pestered(
    asking, elsewhere
):
    asking.world.clock.advance(80 * DAY_S)
    answer(asking, elsewhere.sign(request(asking))).run("update_status")
    first = request(asking)

    for _ in range(3):
        answer(asking, elsewhere.sign(request(asking)))

    assert request(asking) == first
    assert request(later(asking, signed.ASK_AGAIN_S)) != first


def test_given_openssl_that_fails_when_asked_then_everything_else_runs(monitor):
    monitor.machine.faults.add(pi.Fault(("openssl", "req", "-new"), pi.fail(1, "no entropy")))

    monitor.set(relations={testing.Relation("certificates")}).run()

    assert monitor.status == testing.WaitingStatus("openssl req failed: no entropy")
    assert OWN in monitor.unit(DOOR)


def test_given_a_second_look_when_nothing_changed_then_nobody_is_woken(settled):
    before = settled.state.relations, len(settled.restarts(DOOR))

    settled.run("update_status")

    assert (settled.state.relations, len(settled.restarts(DOOR))) == before
