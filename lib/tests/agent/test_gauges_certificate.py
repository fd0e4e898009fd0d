"""The end of a certificate, read from bytes as real tools write them."""

import datetime
import subprocess

import hypothesis
import pytest
from hypothesis import strategies

from edgecloud.agent.gauges import certificate
from edgelab.pi import x509


def openssl(*words, **options):
    command = ("openssl", *words)
    return subprocess.run(command, capture_output=True, text=True, check=True, **options).stdout


@pytest.fixture(scope="module", params=["rsa:2048", "ec"])
def made(request, tmp_path_factory):
    """Return a maker of self-signed certificates, and what openssl says of their end."""
    folder = tmp_path_factory.mktemp("x509")
    kind = (
        ("rsa:2048",) if request.param != "ec" else ("ec", "-pkeyopt", "ec_paramgen_curve:P-256")
    )

    def make(days):
        paths = ("-keyout", str(folder / "key"), "-out", str(folder / "crt"))
        subject = ("-subj", "/O=Edge/CN=a site with a rather long name in its subject")
        openssl("req", "-x509", "-nodes", "-newkey", *kind, "-days", str(days), *subject, *paths)
        text = (folder / "crt").read_text()
        shown = openssl("x509", "-noout", "-enddate", input=text)
        moment = datetime.datetime.strptime(shown.strip(), "notAfter=%b %d %H:%M:%S %Y GMT")
        return text, moment.replace(tzinfo=datetime.timezone.utc).timestamp()

    return make


@pytest.mark.parametrize("days", [1, 365, 20000])
def test_given_a_real_certificate_when_read_then_it_ends_when_openssl_says(made, days):
    text, ends = made(days)

    assert certificate.ends(text) == ends


def test_given_text_before_and_a_second_certificate_when_read_then_the_first_counts(made):
    text, ends = made(365)

    assert certificate.ends(f"subject=CN = x\n{text}{made(20)[0]}") == ends


@pytest.mark.parametrize(
    "text",
    ["", "no certificate", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n"],
)
def test_given_anything_else_when_read_then_it_has_no_end(text):
    assert certificate.ends(text) is None


@hypothesis.given(
    strategies.integers(0, 2**31),
    strategies.integers(0, 800),
    strategies.integers(1, 255),
)
def test_given_a_damaged_certificate_when_read_then_nothing_breaks(seed, at, change):
    der = bytearray(x509.make("a", "b", 1_700_000_000, 1_800_000_000, ["c"], str(seed)))
    der[at % len(der)] ^= change

    found = certificate.ends(x509.pem(bytes(der)))

    assert found is None or isinstance(found, float)


@hypothesis.given(strategies.integers(0, 700))
def test_given_a_certificate_cut_short_when_read_then_nothing_breaks(size):
    der = x509.make("a", "b", 1_700_000_000, 1_800_000_000, ["c"], "seed")

    assert certificate.ends(x509.pem(der[:size])) in (None, 1_800_000_000)
