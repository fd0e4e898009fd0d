import base64
import json
import ssl

import pytest

from edgecloud.lxd import certificates, errors

PEM = ssl.DER_cert_to_PEM_cert(b"a certificate")
LIST = "/1.0/certificates"
ONE = f"{LIST}/{certificates.fingerprint(PEM)}"


def _token(**fields):
    metadata = {"secret": "s3cret", "addresses": ["a:1"], "request": {"name": "juju"}, **fields}
    return {"class": "token", "metadata": metadata}


def test_given_stranger_when_trusted_then_sent_with_its_walls(fake, lxd):
    fake.serves(LIST, method="POST")

    assert certificates.ensure(lxd, PEM, name="juju", projects=["edge"])

    sent = fake.last("POST").json
    assert (sent["restricted"], sent["projects"]) == (True, ["edge"])
    assert base64.b64decode(sent["certificate"]) == b"a certificate"


def test_given_known_one_when_trusted_then_nothing_is_written(fake, lxd):
    fake.serves(ONE, {})

    assert certificates.ensure(lxd, PEM, name="x", kind=certificates.METRICS) is False
    assert fake.written() == []


def test_given_somebody_faster_when_trusted_then_not_a_change(fake, lxd):
    fake.refuses("POST", LIST, 409, "Certificate already in trust store")

    assert certificates.ensure(lxd, PEM, name="x") is False


def test_given_trusted_ones_when_listed_then_by_name(fake, lxd):
    fake.serves(LIST, [{"name": "b"}, {"name": "a", "restricted": True, "projects": ["p"]}])

    found = certificates.every(lxd)

    assert [one.name for one in found] == ["a", "b"]
    assert found[0].projects == ("p",)


def test_given_certificate_when_removed_then_only_once(fake, lxd):
    fake.serves(ONE, method="DELETE")
    fake.refuses("DELETE", ONE, 404, "Certificate not found")

    assert certificates.ensure_absent(lxd, certificates.fingerprint(PEM))
    assert not certificates.ensure_absent(lxd, certificates.fingerprint(PEM))


def test_given_daemon_when_token_is_minted_then_others_can_read_it(fake, lxd):
    fake.serves("/1.0", {"api_extensions": ["certificate_token"]})
    fake.starts("POST", LIST, **_token(fingerprint="ab"))

    token = certificates.mint(lxd, "juju", projects=["edge"])

    content = json.loads(base64.b64decode(token.encode()))
    assert (content["client_name"], content["secret"]) == ("juju", "s3cret")
    assert content["fingerprint"] == "ab"
    assert fake.last("POST").json["projects"] == ["edge"]
    assert "s3cret" not in repr(token)


def test_given_old_daemon_when_token_is_minted_then_refused(fake, lxd):
    fake.serves("/1.0", {"api_extensions": []})

    with pytest.raises(errors.MissingExtensionError):
        certificates.mint(lxd, "juju")


def test_given_tokens_of_both_kinds_when_listed_then_only_those_for_clients(fake, lxd):
    join = fake.operation(id="j", **{"class": "token"}, metadata={"serverName": "m2"})
    trust = fake.operation(id="t", **_token())
    fake.serves("/1.0/operations", {"running": [join, trust]})

    assert [one.operation for one in certificates.tokens(lxd)] == ["t"]


@pytest.mark.parametrize(
    ("extensions", "key"), [([], "password"), (["explicit_trust_token"], "trust_token")]
)
def test_given_release_when_token_is_redeemed_then_sent_as_it_wants(fake, lxd, extensions, key):
    fake.serves("/1.0", {"api_extensions": extensions})
    fake.serves(LIST, method="POST")
    token = certificates.TrustToken("", "juju", ("a:1",), "ab", "s3cret")

    certificates.redeem(lxd, token)

    assert fake.last("POST").json[key] == token.encode()
