import base64
import json

import hypothesis
import pytest
import yaml
from hypothesis import strategies

import access
import microk8s
from access import Grant
from edgelab import pi

KUBECTL = "/snap/microk8s/current/kubectl"
LAUNCH = "version: 0.2.0\naddons:\n  - name: rbac\n"
NAMESPACES = strategies.from_regex(r"[a-z][a-z0-9-]{0,60}[a-z]", fullmatch=True)


@pytest.fixture
def machine(tmp_path):
    world = pi.World(tmp_path, pi.Clock(1_800_000_000))
    found = world.add_machine("0")
    microk8s.install(found.host(), channel="1.35/stable", launch=LAUNCH)
    for _ in range(12):
        world.clock.advance(15)
        world.tick()
    return found


def grant(machine, **wish):
    return access.kubeconfig(machine.host(), Grant(**wish), address="10.20.0.11")


def ask(machine, kubeconfig, *words):
    machine.host().write("/root/kubeconfig", kubeconfig, mode=0o600)
    command = (KUBECTL, "--kubeconfig=/root/kubeconfig", *words)
    return machine.host().run(command, timeout_s=30, check=False).returncode


def token_expiring(moment):
    claims = base64.urlsafe_b64encode(json.dumps({"exp": moment}).encode()).decode().rstrip("=")
    return f"e30.{claims}.c2ln"


def test_given_a_scope_when_granted_then_the_kubeconfig_allows_that_and_no_more(machine):
    found = grant(machine, scope="view")["kubeconfig"]

    assert ask(machine, found, "get", "pods", "-A") == 0
    assert ask(machine, found, "delete", "pod", "x") != 0


def test_given_some_hours_when_they_are_over_then_the_kubeconfig_is_worthless(machine):
    found = grant(machine, hours=2)["kubeconfig"]
    machine.world.clock.advance(2 * 3600 + 1)

    assert ask(machine, found, "get", "pods", "-A") != 0


def test_given_a_grant_when_shown_then_address_and_authority_are_this_clusters(machine):
    document = yaml.safe_load(grant(machine)["kubeconfig"])

    cluster = document["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    assert cluster["server"] == "https://10.20.0.11:16443"
    assert authority == machine.host().read(access.AUTHORITY)


def test_given_any_grant_when_made_then_no_token_and_no_key_is_in_a_command_line(machine):
    found = yaml.safe_load(grant(machine)["kubeconfig"])

    token = found["users"][0]["user"]["token"]
    assert not any(token in " ".join(call.argv) for call in machine.world.calls)


def test_given_a_namespace_that_is_not_there_when_granted_then_it_is_refused(machine):
    with pytest.raises(access.AccessError, match="shop"):
        grant(machine, namespace="shop")


def test_given_rbac_off_when_granted_then_it_is_refused_because_every_account_could_do_all(
    machine,
):
    text = machine.host().read(access.APISERVER)
    machine.host().write(access.APISERVER, text.replace("RBAC", "AlwaysAllow"))

    with pytest.raises(access.AccessError, match="rbac=true"):
        grant(machine)


@pytest.mark.parametrize(
    ("arguments", "on"),
    [
        ("--authorization-mode=RBAC,Node\n", True),
        ("--authorization-mode=AlwaysAllow\n", False),
        ("# --authorization-mode=RBAC\n", False),
        ("--authorization-mode=RBAC\n--authorization-mode=AlwaysAllow\n", False),
        ("", False),
    ],
)
def test_given_arguments_when_asked_then_the_last_mode_decides(arguments, on):
    assert access.enforces_rbac(arguments) is on


@pytest.mark.parametrize(
    ("wish", "problem"),
    [
        ({"scope": "admin"}, "scope admin needs a namespace"),
        ({"scope": "edit"}, "scope edit needs a namespace"),
        ({"scope": "view"}, None),
        ({"scope": "cluster-admin"}, "not one of"),
        ({"scope": "edit", "namespace": "kube-system"}, "owns the cluster"),
        ({"hours": 0}, "an hour at least"),
        ({"scope": "view", "namespace": "kube-system"}, None),
        ({"scope": "admin", "namespace": "shop"}, None),
    ],
)
def test_given_a_wish_when_judged_then_rights_that_are_too_wide_are_refused(wish, problem):
    found = access.problem_of(Grant(**wish))

    assert (problem or "") in (found or "")
    assert bool(found) is bool(problem)


@hypothesis.given(strategies.sampled_from(access.SCOPES), NAMESPACES)
def test_given_any_namespace_when_rendered_then_the_rights_hold_there_only(scope, namespace):
    *_, binding = access.manifests(Grant(scope, namespace))

    assert binding["kind"] == "RoleBinding"
    assert binding["metadata"]["namespace"] == namespace


def test_given_long_namespaces_that_begin_alike_when_granted_then_each_has_its_own_account():
    """A service account is named like a domain, of up to 253 characters."""
    names = {Grant("edit", "x" * 62 + end).account for end in "ab"}

    assert len(names) == 2
    assert max(map(len, names)) <= 253


def test_given_admin_was_asked_for_when_returned_then_it_is_reachable_and_comes_with_a_warning(
    machine,
):
    results = access.admin_kubeconfig(machine.host(), address="fd00::1")

    assert "https://[fd00::1]:16443" in results["kubeconfig"]
    assert "cannot be withdrawn" in results["warning"]


def test_given_a_worker_when_admin_is_asked_for_then_it_is_refused(tmp_path):
    machine = pi.World(tmp_path).add_machine("0")

    with pytest.raises(access.AccessError, match="ask a control plane"):
        access.admin_kubeconfig(machine.host(), address="10.0.0.1")


def test_given_no_api_when_granted_then_the_tools_words_are_kept(machine):
    machine.faults.add(pi.Fault((KUBECTL,), pi.fail(1, "refused")))

    with pytest.raises(access.AccessError, match="refused"):
        grant(machine)


# --- metrics -----------------------------------------------------------------------------------


def test_given_a_token_with_an_expiry_when_read_then_it_is_known():
    assert access.expires(token_expiring(1234)) == 1234


@hypothesis.given(strategies.text())
def test_given_anything_else_when_read_then_it_counts_as_expired(text):
    assert access.expires(text) == 0 or "." in text


def test_given_no_token_when_asked_then_one_is_made_that_may_read_metrics_only(machine):
    token = access.metrics_token(machine.host(), current=None)

    role = next(item for item in access.metrics_manifests() if item["kind"] == "ClusterRole")
    assert token
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get"}


def test_given_a_young_token_when_asked_then_it_is_kept_without_a_process(machine):
    current = token_expiring(machine.host().now() + 80 * 86400)
    calls = len(machine.world.calls)

    assert access.metrics_token(machine.host(), current=current) == current
    assert len(machine.world.calls) == calls


def test_given_an_old_token_when_asked_then_it_is_replaced_in_time(machine):
    current = token_expiring(machine.host().now() + 20 * 86400)

    assert access.metrics_token(machine.host(), current=current) != current


def test_given_no_api_when_a_token_is_needed_then_it_raises(machine):
    machine.faults.add(pi.Fault((KUBECTL,), pi.fail(1, "refused")))

    with pytest.raises(access.AccessError, match="refused"):
        access.metrics_token(machine.host(), current=None)
