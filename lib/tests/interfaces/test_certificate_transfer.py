import json

import pytest
from ops import testing

from edgecloud.interfaces import certificate_transfer

A, B = "-----BEGIN CERTIFICATE-----\nA", "-----BEGIN CERTIFICATE-----\nB"

VECTORS = {
    "version 1": ({"certificates": json.dumps([B, A]), "version": "1"}, {}, [A, B]),
    "version 1 without any": ({"certificates": "[]", "version": "1"}, {}, []),
    "version 0 as JSON": (
        {},
        {"ca": json.dumps(A), "certificate": json.dumps(A), "chain": json.dumps([A, B])},
        [A, B],
    ),
    "version 0 without chain": ({}, {"ca": json.dumps(A)}, [A]),
    "version 0 as plain text": ({}, {"ca": A, "certificate": B}, [A]),
    "not ready": ({}, {}, []),
}


def receive(charm):
    end = certificate_transfer.CertificateTransferRequirer(charm)
    return end.certificates(), end.announce(), end.announce()


@pytest.mark.parametrize(("app", "unit", "found"), VECTORS.values(), ids=VECTORS)
def test_given_any_published_databag_when_read_then_its_certificates_are_known(
    app, unit, found, inside
):
    relation = testing.Relation(
        "receive-ca-cert", remote_app_data=app, remote_units_data={0: unit}
    )

    assert inside(receive, relation, leader=True).result == (found, True, False)


@pytest.mark.parametrize("version", ["1", None], ids=["speaks version 1", "speaks version 0"])
def test_given_our_own_offer_when_the_other_end_reads_it_then_both_agree(version, inside):
    def send(charm):
        end = certificate_transfer.CertificateTransferProvider(charm)
        return end.publish([B, A, A + "\n"]), end.publish([A, B])

    spoken = {"version": version} if version else {}
    ran = inside(send, testing.Relation("send-ca-cert", remote_app_data=spoken), leader=True)
    said = ran.relation("send-ca-cert")
    unit = {key: value for key, value in said.local_unit_data.items() if "address" not in key}
    app = said.local_app_data if version else {}  # An old requirer looks at the unit only.
    relation = testing.Relation(
        "receive-ca-cert", remote_app_data=app, remote_units_data={0: unit}
    )

    assert ran.result == (True, False)
    assert inside(receive, relation, leader=True).result[0] == [A, B]


def test_given_none_any_more_when_published_then_both_versions_are_empty(inside):
    def send(charm):
        end = certificate_transfer.CertificateTransferProvider(charm)
        end.publish([A])
        return end.publish([])

    said = inside(send, testing.Relation("send-ca-cert"), leader=True).relation("send-ca-cert")

    assert json.loads(said.local_app_data["certificates"]) == []
    assert not said.local_unit_data.get("ca")
