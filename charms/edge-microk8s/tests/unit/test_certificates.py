import itertools

import hypothesis
import pytest
from hypothesis import strategies

import certificates
import microk8s
from certificates import CA, FRONT_PROXY, SERVER, Certificate
from edgelab import pi

DAY = 86400
NOW = 1_800_000_000
TEMPLATE = "[ alt_names ]\nDNS.1 = kubernetes\nIP.1 = 127.0.0.1\n#MOREIPS\n\n[ v3_ext ]\n"
NAMES = strategies.lists(
    strategies.one_of(
        strategies.from_regex(r"[a-z]{1,8}\.lan", fullmatch=True),
        strategies.ip_addresses().map(str),
    )
)


@pytest.fixture
def machine(tmp_path):
    world = pi.World(tmp_path, pi.Clock(NOW))
    found = world.add_machine("0")
    microk8s.install(found.host(), channel="1.35/stable", launch="version: 0.2.0\n")
    world.clock.advance(120)
    world.tick()
    return found


def expiring(days, *names):
    return Certificate(NOW + days * DAY, names)


def decide(present, *wanted, tried=0.0):
    return certificates.decide(present, wanted, tried=tried, now=NOW)


# --- reading -----------------------------------------------------------------------------------


def test_given_what_openssl_prints_when_parsed_then_date_and_names_are_known():
    text = (
        "notAfter=Nov  7 08:00:30 2027 GMT\nX509v3 Subject Alternative Name: \n"
        "    DNS:Kubernetes, DNS:pi.lan, IP Address:10.0.0.1, IP Address:FD00:0:0:0:0:0:0:1\n"
    )

    assert certificates.parse(text) == Certificate(
        1825574430, ("10.0.0.1", "fd00::1", "kubernetes", "pi.lan")
    )


@pytest.mark.parametrize("text", ["", "notAfter=soon", "notAfter=Foo 7 08:00:30 2027 GMT"])
def test_given_no_date_when_parsed_then_it_is_refused(text):
    with pytest.raises(ValueError, match="no notAfter"):
        certificates.parse(text)


def test_given_a_node_when_read_again_then_no_process_is_started(machine):
    first = certificates.read(machine.host())
    calls = len(machine.world.calls)

    assert certificates.read(machine.host()) == first
    assert len(machine.world.calls) == calls
    assert first[SERVER].days_left(machine.host().now()) == 364


def test_given_a_damaged_certificate_when_read_then_it_is_named(machine):
    machine.host().write(f"{certificates.FOLDER}/server.crt", "nonsense")

    with pytest.raises(certificates.CertificatesError, match=r"cannot read server\.crt"):
        certificates.read(machine.host())


# --- deciding ----------------------------------------------------------------------------------


def test_given_good_certificates_when_decided_then_nothing_is_due():
    assert not decide({SERVER: expiring(200, "a"), FRONT_PROXY: expiring(200)}, "a")


@pytest.mark.parametrize(("days", "due"), [(30, False), (29.9, True), (-1, True)])
def test_given_an_expiry_when_decided_then_it_is_due_thirty_days_before(days, due):
    assert bool(decide({SERVER: expiring(days)})) is due


def test_given_the_front_proxys_expiry_when_decided_then_it_alone_is_issued():
    assert decide({SERVER: expiring(200), FRONT_PROXY: expiring(3)}).renew == (FRONT_PROXY,)


def test_given_a_missing_name_when_decided_then_the_reason_names_it():
    decision = decide({SERVER: expiring(200, "a")}, "a", "10.0.0.9")

    assert decision.renew == (SERVER,)
    assert "lacks 10.0.0.9" in decision.reason


def test_given_an_attempt_a_short_while_ago_when_decided_then_it_waits_and_says_so():
    decision = decide({SERVER: expiring(200)}, "new.lan", tried=NOW - 60)

    assert not decision
    assert "waits" in decision.reason


def test_given_an_expired_certificate_when_decided_then_the_wait_is_short():
    assert decide({SERVER: expiring(-1)}, tried=NOW - 1801)
    assert not decide({SERVER: expiring(1)}, tried=NOW - 1801)


def test_given_no_certificates_when_decided_then_nothing_is_due():
    assert not decide({}, "a")


@hypothesis.given(
    strategies.lists(strategies.booleans(), max_size=80), strategies.integers(60, 3600)
)
def test_given_addresses_that_come_and_go_when_decided_then_attempts_keep_their_distance(
    flaps, step
):
    tried, attempts = 0.0, []
    for number, flap in enumerate(flaps):
        now = NOW + number * step
        wanted = ["10.0.0.9"] if flap else []
        present = {SERVER: Certificate(NOW + 300 * DAY)}
        if certificates.decide(present, wanted, tried=tried, now=now):
            tried = now
            attempts.append(now)

    assert all(b - a >= certificates.PAUSE_S for a, b in itertools.pairwise(attempts))


@pytest.mark.parametrize(("days", "said"), [(366, ""), (364, "in 364 days"), (-1, "has expired")])
def test_given_the_authoritys_expiry_when_asked_then_it_warns_a_year_ahead(days, said):
    found = certificates.warnings({CA: expiring(days)}, NOW)

    assert said in "".join(found)
    assert bool(found) is bool(said)


# --- names -------------------------------------------------------------------------------------


@hypothesis.given(NAMES, NAMES)
def test_given_any_names_when_requested_then_others_can_take_their_place(first, second):
    once = certificates.request(TEMPLATE, first)

    assert certificates.request(once, first) == once
    assert certificates.request(once, second) == certificates.request(TEMPLATE, second)
    assert certificates.request(once, []) == TEMPLATE


def test_given_a_name_and_an_address_when_requested_then_each_is_of_its_kind():
    text = certificates.request(TEMPLATE, ["pi.lan", "FD00::0:1"])

    assert "DNS.901 = pi.lan\n" in text
    assert "IP.900 = fd00::1\n" in text
    assert text.index("pi.lan") < text.index("#MOREIPS")


def test_given_no_template_when_names_are_ensured_then_nothing_is_made(tmp_path):
    machine = pi.World(tmp_path).add_machine("0")

    assert not certificates.ensure_names(machine.host(), ["pi.lan"])
    assert not machine.host().exists(certificates.TEMPLATE)


# --- on a machine ------------------------------------------------------------------------------


def test_given_a_new_name_when_refreshed_then_the_certificate_holds_it(machine):
    host = machine.host()
    machine.path(f"{microk8s.LOCKS}/no-cert-reissue").touch()
    certificates.ensure_names(host, ["pi.lan"])

    results = certificates.refresh(host, ["pi.lan"])

    assert results["renewed"] == SERVER
    assert "pi.lan" in certificates.read(host)[SERVER].names
    assert certificates.tried(host) > NOW


def test_given_good_certificates_when_refreshed_then_only_force_issues_them(machine):
    assert certificates.refresh(machine.host(), [])["renewed"] == "none"
    assert certificates.refresh(machine.host(), [], force=True)["renewed"].split() == [
        SERVER,
        FRONT_PROXY,
    ]


def test_given_a_refusal_when_renewed_then_the_tools_words_are_kept_and_the_attempt_counts(
    machine,
):
    machine.faults.add(
        pi.Fault((certificates.MICROK8S, "refresh-certs"), pi.fail(4, "no openssl"))
    )

    with pytest.raises(certificates.CertificatesError, match="no openssl"):
        certificates.renew(machine.host(), [SERVER])

    assert certificates.tried(machine.host()) > NOW


def test_given_a_worker_when_renewed_then_exit_code_0_is_not_believed(machine):
    machine.path(f"{microk8s.LOCKS}/clustered.lock").touch()

    with pytest.raises(certificates.CertificatesError, match="as it was"):
        certificates.renew(machine.host(), [SERVER])
