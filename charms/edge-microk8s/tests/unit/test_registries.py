import json
import re

import hypothesis
import pytest
from hypothesis import strategies

import registries
from edgecloud import host
from registries import Credential, RegistriesError, Registry

CA = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----"
MIRRORED = Registry("docker.io", mirrors=("http://10.0.0.5:5000",))
DEFAULT = 'server = "https://docker.io"\n'
TEMPLATE = 'version = 2\n\n[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "x"\n'
LOGIN = Credential("10.0.0.5:5000", "pi", "hunter2")
HOSTS = f"{registries.FOLDER}/docker.io/hosts.toml"


@pytest.fixture
def machine(tmp_path):
    found = host.LocalHost(tmp_path)
    found.write(HOSTS, DEFAULT, mode=0o660)
    found.write(registries.TEMPLATE, TEMPLATE, mode=0o660)
    return found


def parse(*entries):
    return registries.parse(json.dumps(entries))


def refused(*entries):
    with pytest.raises(RegistriesError) as caught:
        parse(*entries)
    return str(caught.value)


def secret(**entries):
    return {"credentials": json.dumps(entries)}


@pytest.mark.parametrize("text", ["", "  \n", "[]"])
def test_given_no_registries_when_parsed_then_there_are_none(text):
    assert registries.parse(text) == ()


def test_given_an_entry_when_parsed_then_all_of_it_is_known():
    entry = {
        "host": "ghcr.io",
        "mirrors": ["https://mirror.example/v2"],
        "fallback": False,
        "skip-verify": True,
        "ca": CA,
    }

    assert parse(entry) == (Registry("ghcr.io", ("https://mirror.example/v2",), False, True, CA),)


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ({}, "an entry without one is no host"),
        ({"host": "https://docker.io"}, "is no host"),
        ({"host": "../../etc"}, "is no host"),
        ({"host": "a", "mirror": "x"}, "a: unknown key mirror"),
        ({"host": "a", "mirrors": "http://b"}, "a: mirrors must be a list"),
        ({"host": "a", "mirrors": ["b:5000"]}, "a: b:5000 is no URL such as"),
        ({"host": "a", "mirrors": ['http://b"]']}, "is no URL"),
        ({"host": "a", "fallback": "no"}, "a: fallback must be true or false"),
        ({"host": "a", "skip-verify": 1}, "a: skip-verify must be true or false"),
        ({"host": "a", "ca": "/etc/ca.crt"}, "a: ca must be a certificate"),
        ({"host": "a", "fallback": False}, "fallback is false but there are no mirrors"),
    ],
)
def test_given_a_wrong_entry_when_parsed_then_the_problem_is_named(entry, problem):
    assert problem in refused(entry)


@pytest.mark.parametrize("text", ['{"host": "a"}', "[1]", "3", '"a"', "[[]]"])
def test_given_another_shape_when_parsed_then_the_right_one_is_shown(text):
    with pytest.raises(RegistriesError, match="must be a list of objects"):
        registries.parse(text)


def test_given_two_wrong_entries_when_parsed_then_both_are_named():
    found = refused({"host": "a", "fallback": 1}, {"host": "b", "ca": 1}, {"host": "b"})

    assert "a: fallback" in found
    assert "b: ca" in found
    assert "b is there twice" in found


@pytest.mark.parametrize("key", ["username", "password", "auth", "token", "credentials"])
def test_given_a_secret_in_the_option_when_parsed_then_it_is_sent_elsewhere(key):
    found = refused({"host": "a", key: "hunter2"})

    assert "registry-credentials" in found
    assert "hunter2" not in found


@pytest.mark.parametrize("url", ["http://pi:hunter2@b:5000", "https://pi:hun/ter2@b"])
def test_given_a_secret_in_a_url_when_parsed_then_it_is_not_repeated(url):
    found = refused({"host": "a", "mirrors": [url]})

    assert "registry-credentials" in found
    assert "hun" not in found


def test_given_credentials_when_parsed_then_they_come_by_host():
    one, other = {"username": "u", "password": "p"}, {"username": "v", "password": "q"}
    content = secret(**{"b": one, "a:5": other})

    assert registries.parse_credentials(content) == (
        Credential("a:5", "v", "q"),
        Credential("b", "u", "p"),
    )


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"password": "hunter2"},
        {"credentials": "hunter2"},
        {"credentials": '["hunter2"]'},
        secret(a="hunter2"),
        secret(a={"username": "pi"}),
        secret(a={"username": "pi", "password": "hunter2\n"}),
        secret(**{"a/b": {"username": "pi", "password": "hunter2"}}),
    ],
)
def test_given_a_wrong_secret_when_parsed_then_the_message_keeps_it(content):
    with pytest.raises(RegistriesError) as caught:
        registries.parse_credentials(content)

    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "credentials, with JSON such as" in str(caught.value)


def test_given_a_credential_when_shown_then_its_password_is_not():
    assert "hunter2" not in repr(LOGIN)


def test_given_a_mirror_when_rendered_then_the_registry_is_asked_last():
    assert registries.hosts_toml(MIRRORED) == (
        "# Written by the charm edge-microk8s: option registries.\n"
        'server = "https://registry-1.docker.io"\n'
        "\n"
        '[host."http://10.0.0.5:5000"]\n'
        '  capabilities = ["pull", "resolve"]\n'
    )


def test_given_no_fallback_when_rendered_then_the_registry_is_never_asked():
    registry = Registry("ghcr.io", ("http://a", "http://b"), fallback=False)

    text = registries.hosts_toml(registry)

    assert 'server = "http://a"' in text
    assert "ghcr.io" not in text


def test_given_a_certificate_when_rendered_then_its_file_is_named():
    text = registries.hosts_toml(Registry("a:5000", ca=CA, skip_verify=True))

    assert '[host."https://a:5000"]' in text
    assert f'ca = "{registries.FOLDER}/a:5000/edge-microk8s-ca.crt"' in text
    assert "skip_verify = true" in text


@pytest.mark.parametrize("version", [2, 3])
def test_given_a_template_when_given_credentials_then_the_plugin_fits_its_version(version):
    text = registries.with_credentials(TEMPLATE.replace("= 2", f"= {version}"), [LOGIN])

    plugin = {2: "io.containerd.grpc.v1.cri", 3: "io.containerd.cri.v1.images"}[version]
    assert f'[plugins."{plugin}".registry.configs."10.0.0.5:5000".auth]' in text


PRINTABLE = strategies.text(min_size=1, max_size=20).filter(str.isprintable)


@hypothesis.given(template=strategies.sampled_from(["", "a = 1", TEMPLATE]), password=PRINTABLE)
def test_given_any_credentials_when_dropped_then_the_template_is_as_before(template, password):
    with_one = registries.with_credentials(template, [Credential("a", "u", password)])
    with_other = registries.with_credentials(with_one, [LOGIN])

    after = registries.with_credentials(with_other, [])

    assert after.rstrip("\n") == template.rstrip("\n")


@pytest.mark.parametrize("password", ['a"b', "a\\b", "pä$$ö", "${SNAP_DATA}", "'''"])
def test_given_an_odd_password_when_rendered_then_it_is_read_back(password):
    text = registries.with_credentials("", [Credential("a", "u", password)])

    quoted = re.search(r"password = (\".*\")", text).group(1)
    assert json.loads(quoted) == password


def test_given_mirrors_when_ensured_then_no_daemon_needs_a_restart(machine):
    assert registries.ensure(machine, [MIRRORED], []) == set()
    assert machine.read(HOSTS) == registries.hosts_toml(MIRRORED)


def test_given_mirrors_when_dropped_then_the_former_file_is_back(machine):
    registries.ensure(machine, [MIRRORED], [])

    registries.ensure(machine, [], [])

    assert machine.read(HOSTS) == DEFAULT
    assert not machine.exists(registries.STATE)


def test_given_a_new_registry_when_dropped_then_nothing_is_left_of_it(machine):
    registries.ensure(machine, [Registry("ghcr.io", ("http://a",), ca=CA)], [])
    made = machine.glob(f"{registries.FOLDER}/ghcr.io/*")

    registries.ensure(machine, [], [])

    assert len(made) == 2
    assert machine.glob(f"{registries.FOLDER}/*") == [f"{registries.FOLDER}/docker.io"]


def test_given_files_of_the_users_when_ours_are_dropped_then_theirs_stay(machine):
    own = f"{registries.FOLDER}/ghcr.io/client.key"
    machine.write(own, "key")
    machine.write(f"{registries.FOLDER}/quay.io/hosts.toml", "mine")
    registries.ensure(machine, [Registry("ghcr.io", ("http://a",))], [])

    registries.ensure(machine, [], [])

    assert machine.exists(own)
    assert machine.read(f"{registries.FOLDER}/quay.io/hosts.toml") == "mine"


def test_given_a_user_who_edited_our_file_when_dropped_then_theirs_stays(machine):
    registries.ensure(machine, [MIRRORED], [])
    machine.write(HOSTS, "edited", mode=0o660)

    registries.ensure(machine, [], [])

    assert machine.read(HOSTS) == "edited"


def test_given_another_mirror_when_ensured_then_the_first_file_is_still_remembered(machine):
    registries.ensure(machine, [MIRRORED], [])
    registries.ensure(machine, [Registry("docker.io", ("http://other",))], [])

    registries.ensure(machine, [], [])

    assert machine.read(HOSTS) == DEFAULT


def test_given_a_mirror_from_the_installation_when_dropped_then_the_default_is_back(machine):
    machine.write("/snap/microk8s/current/default-args/certs.d/docker.io/hosts.toml", DEFAULT)
    (text,) = registries.launch_configs([MIRRORED]).values()
    machine.write(HOSTS, text, mode=0o660)
    registries.ensure(machine, [MIRRORED], [])

    registries.ensure(machine, [], [])

    assert machine.read(HOSTS) == DEFAULT


def test_given_a_certificate_when_launched_then_the_mirror_waits_for_it():
    assert registries.launch_configs([Registry("a", ca=CA)]) == {}


def test_given_credentials_when_ensured_then_containerd_is_restarted_once(machine):
    first = registries.ensure(machine, [], [LOGIN])
    second = registries.ensure(machine, [], [LOGIN])
    dropped = registries.ensure(machine, [], [])

    assert (first, second, dropped) == ({"containerd"}, set(), {"containerd"})
    assert machine.read(registries.TEMPLATE) == TEMPLATE


def test_given_credentials_in_another_order_when_ensured_then_nothing_changes(machine):
    other = Credential("a", "u", "p")
    registries.ensure(machine, [], [LOGIN, other])

    assert registries.ensure(machine, [], [other, LOGIN]) == set()


def test_given_no_template_yet_when_nothing_is_wanted_then_none_is_made(tmp_path):
    machine = host.LocalHost(tmp_path)

    assert registries.ensure(machine, [], []) == set()
    assert machine.glob("/var/**/*") == []


@pytest.mark.parametrize(
    ("url", "fits"),
    [
        ("http://a", True),
        ("https://[fd00::1]:5000/v2", True),
        ("ftp://a", False),
        ("http://", False),
        ("http://a b", False),
        ("http://a:0", False),
        ("http://[::1", False),
        ("", False),
    ],
)
def test_given_a_text_when_asked_then_it_is_a_url_or_not(url, fits):
    assert registries.is_url(url) is fits
