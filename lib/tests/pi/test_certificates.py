import ipaddress
import subprocess

import hypothesis
import pytest
from hypothesis import strategies as st

from edgelab.pi import x509

CERTS = "/var/snap/microk8s/current/certs"
DAY = 86400


def issued(site, name="server.crt", at=0):
    return site.host(at).read(f"{CERTS}/{name}")


def test_given_install_when_done_then_server_lives_a_year_and_the_authority_ten(single):
    now = single.world.clock.now()

    years = [
        round((x509.not_after(issued(single, name)) - now) / DAY)
        for name in ("server.crt", "ca.crt")
    ]

    assert years == [365, 3650]


def test_given_a_year_when_it_passed_then_nobody_renewed_the_certificate(single):
    single.wait(366 * DAY)

    assert x509.not_after(issued(single)) < single.world.clock.now()


def test_given_check_when_asked_then_days_are_told(single):
    said = single.microk8s(0, "refresh-certs", "-c").stdout.splitlines()

    assert said[0] == "The CA certificate will expire in 3649 days."
    assert said[1] == "The server certificate will expire in 364 days."


def test_given_renewal_when_done_then_it_lives_another_year_and_the_fingerprint_changes(single):
    before, fingerprint = issued(single), single.mint(0)[-12:]
    single.wait(300 * DAY)

    result = single.microk8s(0, "refresh-certs", "-e", "server.crt")

    assert result.returncode == 0 and issued(single) != before
    assert x509.not_after(issued(single)) > single.world.clock.now() + 364 * DAY
    assert single.mint(0)[-12:] != fingerprint


@pytest.mark.parametrize(
    ("words", "code"),
    [
        ((), 3), (("-c", "-u"), 2), (("-u",), 1), (("-e", "odd.crt"), 1), (("/nowhere",), 30),
        (("-e", "front-proxy-client.crt"), 0), (("-e", "ca.crt"), 0),
    ],
)  # fmt: skip
def test_given_options_when_run_then_the_exit_code_tells(single, words, code):
    assert single.microk8s(0, "refresh-certs", *words).returncode == code


def test_given_full_disk_when_renewed_then_the_backup_fails(single):
    single.machine(0).fill_disk()

    assert single.microk8s(0, "refresh-certs", "-e", "server.crt").returncode == 10


def test_given_renewal_when_undone_then_the_old_certificate_is_back(single):
    before = issued(single)
    single.microk8s(0, "refresh-certs", "-e", "server.crt")

    single.microk8s(0, "refresh-certs", "-u")

    assert issued(single) == before


@pytest.mark.parametrize(
    ("certificate", "key", "code"),
    [
        ("-----BEGIN CERTIFICATE-----", "-----BEGIN PRIVATE KEY-----", 0),
        ("nonsense", "-----BEGIN PRIVATE KEY-----", 31),
        ("-----BEGIN CERTIFICATE-----", "nonsense", 32),
    ],
)
def test_given_own_authority_when_installed_then_it_is_looked_at(single, certificate, key, code):
    single.host(0).write("/root/ca/ca.crt", certificate)
    single.host(0).write("/root/ca/ca.key", key)

    assert single.microk8s(0, "refresh-certs", "/root/ca").returncode == code


def test_given_new_address_on_a_lone_node_when_noticed_then_the_certificate_follows(single):
    before = issued(single)
    single.machine(0).extra_addresses.append("192.0.2.9")
    single.world.touch()
    single.wait(10)

    assert issued(single) != before
    assert "192.0.2.9" in x509.alternative_names(issued(single))


def test_given_member_when_an_address_comes_then_nothing_is_reissued(pair):
    before = issued(pair)
    pair.machine(0).extra_addresses.append("192.0.2.9")
    pair.world.touch()
    pair.wait(10)

    assert issued(pair) == before


def test_given_advertised_address_when_another_comes_then_nothing_is_reissued(single):
    path = "/var/snap/microk8s/current/args/kube-apiserver"
    single.host(0).write(path, single.host(0).read(path) + "--advertise-address=10.20.0.11\n")
    before = issued(single)
    single.machine(0).extra_addresses.append("192.0.2.9")
    single.world.touch()
    single.wait(10)

    assert issued(single) == before


def test_given_template_when_edited_on_a_member_then_only_a_renewal_puts_the_name_in(pair):
    path = f"{CERTS}/csr.conf.template"
    pair.host(0).write(
        path, pair.host(0).read(path).replace("#MOREIPS", "DNS.9 = pi.lan\n#MOREIPS")
    )
    pair.wait(10)
    before = x509.alternative_names(issued(pair))

    pair.microk8s(0, "refresh-certs", "-e", "server.crt")

    assert "pi.lan" not in before
    assert "pi.lan" in x509.alternative_names(issued(pair))


def test_given_certificate_when_the_real_openssl_reads_it_then_dates_and_names_are_there(single):
    command = ("/usr/bin/openssl", "x509", "-noout", "-enddate", "-ext", "subjectAltName")

    result = single.run(0, *command, stdin=issued(single))
    by_path = single.run(0, *command, "-in", f"{CERTS}/server.crt")

    assert result.returncode == 0 and result.stdout == by_path.stdout
    assert "notAfter=" in result.stdout and "IP Address:10.20.0.11" in result.stdout
    assert "DNS:kubernetes.default.svc" in result.stdout


def test_given_simulated_time_when_expiry_is_checked_then_it_counts(single):
    command = (
        "/usr/bin/openssl",
        "x509",
        "-checkend",
        str(30 * DAY),
        "-noout",
        "-in",
        f"{CERTS}/server.crt",
    )
    early = single.run(0, *command)
    single.wait(350 * DAY)

    late = single.run(0, *command)

    assert (early.returncode, late.returncode) == (0, 1)
    assert single.run(0, *command[:-1], "/nowhere").returncode == 1


def test_given_joined_node_when_compared_then_it_has_the_cluster_s_authority(pair):
    assert issued(pair, "ca.crt", 1) == issued(pair, "ca.crt", 0)
    assert issued(pair, "ca.key", 1) == issued(pair, "ca.key", 0)
    assert pair.host(1).exists(f"{CERTS}/ca.key.backup")


def test_given_worker_when_compared_then_it_has_no_key_of_the_cluster(quartet):
    assert issued(quartet, "ca.remote.crt", 3) == issued(quartet, "ca.crt", 0)
    assert issued(quartet, "ca.key", 3) != issued(quartet, "ca.key", 0)


ADDRESSES = st.one_of(
    st.ip_addresses().map(str), st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,9})?", fullmatch=True)
)


@hypothesis.given(st.lists(ADDRESSES, max_size=20), st.integers(1, 4_000_000_000))
def test_given_any_names_and_expiry_when_read_back_then_they_are_the_same(names, end):
    text = x509.pem(x509.make("a", "b", 0, end, names, "seed"))

    assert x509.alternative_names(text) == [_plain(name) for name in names]
    assert x509.not_after(text) == end


def test_given_no_pem_when_read_then_value_error():
    with pytest.raises(ValueError, match="no PEM"):
        x509.fingerprint("nothing")


def test_given_certificate_when_the_real_openssl_takes_its_fingerprint_then_it_is_ours():
    text = x509.pem(x509.make("a", "b", 0, 10**9, ["x"], "seed"))

    said = subprocess.run(
        ["openssl", "x509", "-noout", "-fingerprint", "-sha256"],
        input=text, capture_output=True, text=True, timeout=20, check=True,
    ).stdout  # fmt: skip

    assert said.partition("=")[2].replace(":", "").strip().lower() == x509.fingerprint(text)


def _plain(name):
    try:
        return str(ipaddress.ip_address(name))
    except ValueError:
        return name
