"""Options that change while the site runs, and what all nodes have to do for them together."""

import json
import re

import pytest

from edgecloud.host import kubectl
from edgelab import pi

ADMIN = "/var/snap/microk8s/current/credentials/client.config"
SERVER = "/var/snap/microk8s/current/certs/server.crt"


@pytest.fixture
def site(make_site):
    site = make_site(seed=4)
    site.settle()
    return site


def everywhere(site, path):
    """The content of a file on every machine of the site."""
    hosts = [site.world.machines[unit.machine].host() for unit in site.units.values()]
    return [host.read(path) if host.exists(path) else "" for host in hosts]


APISERVER = "/var/snap/microk8s/current/args/kube-apiserver"


def add_secret(site):
    """Put a secret into the cluster, as somebody with its credentials would."""
    manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "wifi"}}
    host = site.world.machines[site.units[site.leader()].machine].host()
    kubectl.apply(host, ADMIN, json.dumps({**manifest, "stringData": {"psk": "sesame"}}))


def test_given_a_site_when_secrets_are_to_be_encrypted_then_all_nodes_agree_and_do(site):
    add_secret(site)
    before = site.cluster().secrets_encrypted

    site.set_config("edge-microk8s", {"encrypt-secrets": True})
    site.settle()

    assert not before
    assert site.cluster().secrets_encrypted
    assert all("--encryption-provider-config" in text for text in everywhere(site, APISERVER))


def test_given_encrypted_secrets_when_switched_off_then_they_are_plain_again(site):
    add_secret(site)
    site.set_config("edge-microk8s", {"encrypt-secrets": True})
    site.settle()

    site.set_config("edge-microk8s", {"encrypt-secrets": False})
    site.settle()

    assert not site.cluster().secrets_encrypted
    assert not any("--encryption-provider-config" in text for text in everywhere(site, APISERVER))


def keys(site):
    """What all control planes share of encryption at rest."""
    (secret,) = [s for s in site.secrets.values() if s.label == "encryption-keys"]
    return secret.revisions[secret.latest]


def encrypt(site):
    add_secret(site)
    site.set_config("edge-microk8s", {"encrypt-secrets": True})
    site.settle()


def test_given_encrypted_secrets_when_another_option_is_wrong_then_they_stay_encrypted(site):
    encrypt(site)
    before = keys(site)

    site.set_config("edge-microk8s", {"profile": "huge"})
    site.advance(1200)
    during = keys(site)
    site.set_config("edge-microk8s", {"profile": "auto"})
    site.settle()

    assert before == during == keys(site)
    assert site.cluster().secrets_encrypted


def test_given_a_year_that_ends_while_keys_change_when_that_is_done_then_the_key_is_rotated(site):
    add_secret(site)
    site.set_config("edge-microk8s", {"encrypt-secrets": True})
    while not [s for s in site.secrets.values() if s.label == "encryption-keys"]:
        site.step() or site.advance(5)
    (secret,) = [s for s in site.secrets.values() if s.label == "encryption-keys"]
    first, secret.rotate_at = keys(site), site.clock.now()

    site.settle()

    assert (first["stage"], keys(site)["stage"]) == ("learning", "on")
    assert names(first) and not set(names(first)) & set(names(keys(site)))
    assert site.cluster().secrets_encrypted


def names(content):
    """The names of the keys in a shared secret."""
    return re.findall(r"key-[0-9]+", json.dumps(content))


def test_given_a_restart_for_every_node_when_it_comes_then_one_at_a_time_has_its_turn(site):
    down = []
    site.record.watchers.append(
        lambda _: down.append(sum(not ready for ready in site.nodes().values()))
    )

    site.set_config("edge-microk8s", {"autonomy": "forever"})
    site.settle()

    assert max(down) <= 1
    assert all("unreachable-toleration-seconds" in text for text in everywhere(site, APISERVER))


def test_given_wrong_options_when_set_then_each_is_named_and_nothing_changes(site):
    before = everywhere(site, APISERVER)

    site.set_config("edge-microk8s", {"channel": "latest/stable", "autonomy": "soon"})
    site.settle()

    message = site.units[site.leader()].status.message
    assert set(site.statuses().values()) == {"blocked"}
    assert "channel=latest/stable" in message
    assert "autonomy=soon" in message
    assert everywhere(site, APISERVER) == before


def test_given_wrong_options_when_set_right_again_then_the_site_is_as_before(site):
    site.set_config("edge-microk8s", {"channel": "latest/stable"})
    site.settle()

    site.reset_config("edge-microk8s", "channel")
    site.settle()

    assert set(site.statuses().values()) == {"active"}


def test_given_a_role_that_was_changed_when_set_then_it_says_what_to_revert_to(site):
    site.set_config("edge-microk8s", {"role": "worker"})
    site.settle()

    messages = [unit.status.message for unit in site.units.values()]
    assert all("set it back to control-plane" in message for message in messages)


def test_given_a_lower_track_when_set_then_it_is_refused(site):
    site.set_config("edge-microk8s", {"channel": "1.34/stable"})
    site.settle()

    assert "the datastore cannot go back" in site.units[site.leader()].status.message


def test_given_an_addon_when_listed_and_taken_out_then_it_comes_and_goes(site):
    site.set_config("edge-microk8s", {"addons": "dns metrics-server"})
    site.settle()
    came = "metrics-server" in site.cluster().addons

    site.set_config("edge-microk8s", {"addons": "dns"})
    site.settle()

    assert came
    assert "metrics-server" not in site.cluster().addons
    assert "dns" in site.cluster().addons


def test_given_a_new_steward_when_an_addon_is_taken_out_then_it_still_goes(site):
    site.set_config("edge-microk8s", {"addons": "dns metrics-server"})
    site.settle()

    site.remove_unit(site.leader())
    site.settle()
    site.set_config("edge-microk8s", {"addons": "dns"})
    site.settle()

    assert "metrics-server" not in site.cluster().addons


def test_given_an_addon_that_fails_once_when_listed_then_it_is_tried_again_in_time(site):
    fault = pi.Fault(("microk8s", "enable"), effect=pi.fail(1, "no network"))
    site.world.machines[site.units[site.leader()].machine].faults.add(fault)

    site.set_config("edge-microk8s", {"addons": "dns metrics-server"})
    site.advance(600)

    assert "metrics-server" in site.cluster().addons


def test_given_labels_when_set_and_emptied_then_the_nodes_follow(site):
    site.set_config("edge-microk8s", {"node-labels": "site=north"})
    site.settle()
    came = [node.labels.get("site") for node in site.cluster().nodes.values()]

    site.set_config("edge-microk8s", {"node-labels": ""})
    site.settle()

    assert came == ["north"] * 3
    assert not any("site" in node.labels for node in site.cluster().nodes.values())


def test_given_another_name_of_the_api_when_set_then_every_certificate_gets_it(site):
    site.set_config("edge-microk8s", {"extra-sans": "site.lan"})
    site.settle()
    site.advance(3 * 3600)
    site.settle()

    assert all("site.lan" in names for names in certificate_names(site))


def certificate_names(site):
    command = ("/usr/bin/openssl", "x509", "-noout", "-ext", "subjectAltName")
    for unit in site.units.values():
        host = site.world.machines[unit.machine].host()
        yield host.run(command, timeout_s=30, stdin=host.read(SERVER)).stdout


def test_given_a_site_left_alone_for_a_year_when_looked_at_then_no_certificate_expired(site):
    before = everywhere(site, SERVER)

    for _ in range(12):
        site.clock.advance(30 * 86400)
        site.settle()

    assert set(site.statuses().values()) == {"active"}
    assert not set(before) & set(everywhere(site, SERVER))


def test_given_an_unknown_addon_when_strict_then_the_unit_that_enables_is_blocked(site):
    site.set_config("edge-microk8s", {"addons": "dns nosuch", "strict-addons": True})
    site.settle()

    status = site.units[site.leader()].status
    assert status.name == "blocked"
    assert "nosuch is unknown" in status.message


def test_given_secrets_encrypted_from_the_start_when_deployed_then_there_is_one_set_of_keys(
    make_site,
):
    site = make_site(seed=2)
    site.set_config("edge-microk8s", {"encrypt-secrets": True})

    site.settle()

    assert [s.label for s in site.secrets.values()].count("encryption-keys") == 1
    assert set(site.statuses().values()) == {"active"}


def test_given_a_node_that_died_in_its_turn_when_others_want_to_join_then_they_do(make_site):
    site = make_site(seed=3, pis=4)
    site.settle()
    spare = next(m.machine for m in site.cluster().members if m.role != "voter")
    unit = next(u.name for u in site.units.values() if u.machine == spare)
    site.set_config("edge-microk8s", {"datastore": "ssd"})
    while site.units[unit].status.name == "active" and site.step():
        pass

    site.power_off(spare)
    new = site.add_unit("edge-microk8s")
    site.advance(4 * 3600)

    assert new.status.name == "active"


def test_given_a_voter_that_is_away_when_all_should_restart_then_the_others_wait(site):
    away = next(m.machine for m in site.cluster().voters() if m.id != site.cluster().leader)
    site.power_off(away)
    before = len(site.world.calls)

    site.set_config("edge-microk8s", {"datastore": "ssd"})
    site.advance(1800)
    restarts = [call for call in site.world.calls[before:] if "restart" in call.argv]
    site.power_on(away)
    site.settle()

    assert not [call for call in restarts if "microk8s.daemon-k8s-dqlite" in call.argv]
    assert set(site.statuses().values()) == {"active"}
