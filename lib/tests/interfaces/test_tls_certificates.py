import json

import pytest
from ops import testing

from edgecloud.interfaces import tls_certificates

REQUEST = "-----BEGIN CERTIFICATE REQUEST-----\nR"
GIVEN = {
    "certificate_signing_request": REQUEST + "\n",
    "certificate": "-----BEGIN CERTIFICATE-----\nC\n",
    "ca": "-----BEGIN CERTIFICATE-----\nA",
    "chain": ["-----BEGIN CERTIFICATE-----\nC", "-----BEGIN CERTIFICATE-----\nA\n"],
}
ISSUED = tls_certificates.Issued(
    "-----BEGIN CERTIFICATE-----\nC",
    "-----BEGIN CERTIFICATE-----\nA",
    ("-----BEGIN CERTIFICATE-----\nC", "-----BEGIN CERTIFICATE-----\nA"),
)


def step(charm):
    end = tls_certificates.CertificateRequirer(charm)
    return end.related, end.issued(REQUEST), end.request(REQUEST), end.request(REQUEST + "\n")


@pytest.mark.parametrize(
    ("given", "issued"),
    [
        ([GIVEN], ISSUED),
        ([{**GIVEN, "certificate_signing_request": "another"}, GIVEN], ISSUED),
        ([{**GIVEN, "recommended_expiry_notification_time": 168, "revoked": False}], ISSUED),
        ([{**GIVEN, "chain": None}], tls_certificates.Issued(ISSUED.certificate, ISSUED.ca)),
        ([{**GIVEN, "revoked": True}], None),
        ([{**GIVEN, "certificate": ""}], None),
        ([7, "x", {}], None),
        ([], None),
    ],
)
def test_given_any_published_databag_when_read_then_ours_is_found_or_nothing(
    given, issued, inside
):
    relation = testing.Relation(
        "certificates", remote_app_data={"certificates": json.dumps(given)}
    )

    assert inside(step, relation).result == (True, issued, True, False)


@pytest.mark.parametrize(
    ("given", "revoked"),
    [([{**GIVEN, "revoked": True}], True), ([GIVEN], False), ([], False)],
)
def test_given_an_answer_when_it_was_revoked_then_that_can_be_told(given, revoked, inside):
    relation = testing.Relation(
        "certificates", remote_app_data={"certificates": json.dumps(given)}
    )

    ran = inside(
        lambda charm: tls_certificates.CertificateRequirer(charm).is_revoked(REQUEST), relation
    )

    assert ran.result is revoked


def test_given_a_request_when_asked_then_the_databag_holds_it_and_no_key(inside):
    ran = inside(step, testing.Relation("certificates"))

    bag = ran.relation("certificates").local_unit_data
    assert json.loads(bag["certificate_signing_requests"]) == [
        {"certificate_signing_request": REQUEST, "ca": False}
    ]
    assert "PRIVATE" not in json.dumps(dict(bag))


def test_given_no_authority_when_asked_then_there_is_none(inside):
    assert inside(step).result == (False, None, False, False)
