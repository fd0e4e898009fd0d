"""The account by which a hosted node is drained: left inside it, anew when it was renewed."""

import base64
import json

import pytest
from conftest import name

import node_account
import pool_plan
from edgecloud.interfaces.handouts import Handout
from edgecloud.lxd import instances
from edgecloud.lxd_member import nodes

UNIT, NODE = "edge-lxd/0", "edge-lxd-0-1a"
AUTHORITY = "/var/snap/microk8s/current/certs/ca.remote.crt"


class End:
    """The relation to a control plane that hands out tokens."""

    def __init__(self, secrets):
        self.secrets = secrets
        self.asked = []

    def access(self, hosted=""):
        self.asked.append(hosted)
        return next((Handout(f"{UNIT}:{hosted}", secret, 1.0) for secret in self.secrets), None)

    def read(self, secret):
        return {"token": self.secrets[secret]} if self.secrets[secret] else None


@pytest.fixture
def hosting(single):
    """A machine with a node that runs; what is inside it is another machine."""
    single.add(1)
    config = {nodes.OWNER: UNIT}
    plan = instances.Plan(NODE, instances.Source.nothing(), config=config, member=name(0))
    instances.create(single.api(0), plan)
    instances.ensure_running(single.api(0), NODE)
    single.host(1).write(AUTHORITY, "an authority")
    return single


def ensure(pis, end):
    return node_account.ensure(
        pis.host(0), pis.api(0), UNIT, end, inside=lambda client, node: pis.host(1)
    )


def test_given_a_token_when_it_arrives_then_it_lies_in_the_node_for_root_alone(hosting):
    end = End({"s:1": "t.o.k"})

    assert ensure(hosting, end) == (NODE,)

    found = json.loads(hosting.host(1).read(nodes.KUBECONFIG))
    authority = found["clusters"][0]["cluster"]["certificate-authority-data"]
    assert end.asked == [pool_plan.hosted_as(UNIT, NODE)]
    assert hosting.host(1).path(nodes.KUBECONFIG).stat().st_mode & 0o777 == 0o600
    assert found["users"][0]["user"] == {"token": "t.o.k"}
    assert base64.b64decode(authority) == b"an authority"
    assert "t.o.k" not in "".join(str(call) for call in hosting.world.calls)


def test_given_a_token_that_was_left_when_run_again_then_the_node_is_not_asked(hosting):
    ensure(hosting, End({"s:1": "t.o.k"}))

    assert ensure(hosting, End({"s:1": "t.o.k"})) == ()
    assert ensure(hosting, End({"s:2": "n.e.w"})) == (NODE,)


def test_given_a_node_that_does_not_answer_when_others_do_then_they_have_theirs(hosting):
    other = instances.Plan("edge-lxd-0-2a", instances.Source.nothing(), config={nodes.OWNER: UNIT})
    instances.create(hosting.api(0), other)
    instances.ensure_running(hosting.api(0), other.name)

    def inside(_, node):
        if node.name == NODE:
            raise OSError(f"{NODE}: it does not answer")
        return hosting.host(1)

    with pytest.raises(OSError, match=f"{NODE}: it does not answer"):
        node_account.ensure(
            hosting.host(0), hosting.api(0), UNIT, End({"s:1": "t.o.k"}), inside=inside
        )

    assert hosting.host(1).exists(nodes.KUBECONFIG)
    assert ensure(hosting, End({"s:1": "t.o.k"})) == (NODE,)


def test_given_a_secret_that_cannot_be_read_yet_when_run_then_it_is_tried_again(hosting):
    assert ensure(hosting, End({"s:1": ""})) == ()
    assert ensure(hosting, End({"s:1": "t.o.k"})) == (NODE,)


def test_given_a_node_that_is_stopped_when_run_then_it_waits_until_it_runs(hosting):
    instances.ensure_stopped(hosting.api(0), NODE)

    assert ensure(hosting, End({"s:1": "t.o.k"})) == ()


def test_given_a_node_that_is_gone_when_run_then_it_is_forgotten(hosting):
    ensure(hosting, End({"s:1": "t.o.k"}))
    instances.ensure_absent(hosting.api(0), NODE)

    ensure(hosting, End({}))

    assert not hosting.host(0).exists("/var/lib/edge-lxd/accounts-edge-lxd-0.json")
