import hypothesis
import pytest
from hypothesis import strategies

import microk8s
import node_labels
from edgecloud.host import kubectl
from edgelab import pi


@pytest.fixture
def world(tmp_path):
    return pi.World(tmp_path, pi.Clock())


@pytest.fixture
def host(world):
    found = world.add_machine("0").host()
    microk8s.install(found, channel="1.35/stable", launch="version: 0.2.0\n")
    world.clock.advance(300)
    world.tick()
    return found


def node(host):
    (found,) = kubectl.nodes(host, microk8s.ADMIN)
    return found


def ensure(host, *, labels=None, taints=()):
    return node_labels.ensure(host, microk8s.ADMIN, node(host), labels=labels or {}, taints=taints)


def test_given_labels_and_taints_when_ensured_then_the_node_has_them(host):
    changed = ensure(host, labels={"site": "north"}, taints=["power=battery:NoSchedule"])

    assert changed
    assert node(host).labels["site"] == "north"
    assert node(host).taints == ("power=battery:NoSchedule",)


def test_given_a_node_that_has_all_when_ensured_then_no_process_runs(world, host):
    ensure(host, labels={"site": "north"}, taints=["a=b:NoSchedule"])
    present = node(host)
    before = len(world.calls)

    changed = node_labels.ensure(
        host, microk8s.ADMIN, present, labels={"site": "north"}, taints=["a=b:NoSchedule"]
    )

    assert not changed
    assert len(world.calls) == before


def test_given_ours_when_no_longer_wanted_then_the_node_is_as_before(host):
    before = node(host)
    ensure(host, labels={"site": "north"}, taints=["a=b:NoSchedule"])

    ensure(host)

    assert node(host) == before
    assert not host.exists(node_labels.STATE)


def test_given_labels_and_taints_of_others_when_ours_go_then_theirs_stay(host):
    kubectl.label(host, microk8s.ADMIN, "pi-0", {"owner": "me"})
    kubectl.taint(host, microk8s.ADMIN, "pi-0", ["mine:NoSchedule"])
    ensure(host, labels={"site": "north"}, taints=["a=b:NoSchedule"])

    ensure(host)

    assert node(host).labels["owner"] == "me"
    assert node(host).taints == ("mine:NoSchedule",)


def test_given_a_label_that_we_replaced_when_ours_goes_then_the_former_value_is_back(host):
    kubectl.label(host, microk8s.ADMIN, "pi-0", {"site": "south"})
    ensure(host, labels={"site": "north"})

    ensure(host)

    assert node(host).labels["site"] == "south"


def test_given_a_label_that_somebody_changed_when_ours_goes_then_theirs_stays(host):
    ensure(host, labels={"site": "north"})
    kubectl.label(host, microk8s.ADMIN, "pi-0", {"site": "east"})

    ensure(host)

    assert node(host).labels["site"] == "east"


def test_given_a_taint_with_another_value_when_ensured_then_it_replaces_the_former(host):
    ensure(host, taints=["power=battery:NoSchedule"])

    ensure(host, taints=["power=grid:NoSchedule"])

    assert node(host).taints == ("power=grid:NoSchedule",)


def test_given_power_that_goes_in_between_when_ensured_again_then_ours_can_still_be_undone(
    world, host
):
    before = node(host)
    world.machines["0"].faults.add(pi.Fault((kubectl.KUBECTL,), pi.cut_after(), nth=2))
    with pytest.raises(pi.PowerCut):
        ensure(host, labels={"site": "north"})
    world.machines["0"].power_on()
    world.clock.advance(300)
    world.tick()

    ensure(host)

    assert node(host).labels == before.labels


def test_given_a_node_that_registered_anew_when_ensured_then_its_labels_are_set_again(host):
    ensure(host, labels={"site": "north"})
    kubectl.label(host, microk8s.ADMIN, "pi-0", {"site": None})

    assert ensure(host, labels={"site": "north"})
    assert node(host).labels["site"] == "north"


KEYS = strategies.sampled_from("abcd")
LABELS = strategies.dictionaries(KEYS, strategies.sampled_from("123"))


def follow(present, todo):
    changed = {**present, **todo.labels}
    return {key: value for key, value in changed.items() if value is not None}


@hypothesis.given(present=LABELS, wishes=strategies.lists(LABELS, max_size=4))
def test_given_any_wishes_in_turn_when_all_are_dropped_then_labels_are_as_before(present, wishes):
    labels, ours = dict(present), {}

    for wanted in [*wishes, {}]:
        found = kubectl.Node("n", kubectl.Readiness.READY, labels=labels)
        todo = node_labels.changes(found, labels=wanted, taints=(), our_labels=ours, our_taints=())
        labels = follow(labels, todo)
        ours = {
            key: {"ours": value, "former": todo.replaced[key]} for key, value in wanted.items()
        }
        assert wanted.items() <= labels.items()

    # A value that was there and wished for as well counts as ours from then on.
    same = {key for wanted in wishes for key in wanted if wanted[key] == present.get(key)}
    assert {k: v for k, v in labels.items() if k not in same} == {
        k: v for k, v in present.items() if k not in same
    }
