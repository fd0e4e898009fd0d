import hypothesis
import pytest
from hypothesis import strategies

import heartbeats
import microk8s
from edgecloud.host import kubectl
from edgelab import pi

READY, UNKNOWN = kubectl.Readiness.READY, kubectl.Readiness.UNKNOWN
NAMES = ("pi-0", "pi-1", "pi-2")
EVERY_S = 300

GAPS = strategies.lists(strategies.integers(1, 1000), min_size=1, max_size=8)
OFFSETS = strategies.tuples(*[strategies.integers(-(10**6), 10**6)] * len(NAMES))


def nodes(*readiness):
    words = readiness or (READY,) * len(NAMES)
    return [kubectl.Node(name, word) for name, word in zip(NAMES, words, strict=True)]


def looks(gaps, renewed, *, seen=None):
    """Look after each gap; ``renewed`` tells a node's lease from the moment. Return the last."""
    history, now, found = heartbeats.History(), 1_800_000_000, None
    for gap in gaps:
        now += gap
        leases = {name: renewed(name, now) for name in NAMES}
        history = heartbeats.note(history, seen or nodes(), leases, now)
        found = heartbeats.judge(history, seen or nodes())
    return found


def lease(item, name="pi-0"):
    return {"kind": "Lease", "metadata": {"name": name}, "spec": item}


# --- the rules -----------------------------------------------------------------------------------


@hypothesis.given(GAPS, OFFSETS, strategies.integers(0, 9))
def test_given_live_nodes_with_any_clocks_when_looked_at_at_any_time_then_nobody_is_accused(
    gaps, offsets, phase
):
    ahead = dict(zip(NAMES, offsets, strict=True))

    found = looks(gaps, lambda name, now: now - (now + phase) % 10 + ahead[name])

    assert found == heartbeats.Seen(tuple(nodes()))


@hypothesis.given(GAPS, OFFSETS, strategies.integers(0, 3000))
def test_given_any_clocks_when_a_node_dies_then_it_is_judged_as_if_all_clocks_were_right(
    gaps, offsets, dies_after
):
    ahead = dict(zip(NAMES, offsets, strict=True))

    def renewed(name, now):
        last = min(now, 1_800_000_000 + dies_after) if name == "pi-2" else now
        return last - last % 10

    wrong = looks(gaps, lambda name, now: renewed(name, now) + ahead[name])

    assert wrong == looks(gaps, renewed)


def test_given_a_dead_node_when_looked_at_thrice_then_it_is_unknown_and_named():
    found = looks([EVERY_S] * 3, lambda name, now: 5 if name == "pi-2" else now)

    assert [node.readiness for node in found.nodes] == [READY, READY, UNKNOWN]
    assert list(found.remarks) == ["pi-2"]
    assert "run restart-kubelite" in found.remarks["pi-2"]


def test_given_a_dead_node_when_less_than_the_limit_went_by_then_it_is_not_accused():
    gaps = [10, heartbeats.SILENT_S - 1]

    found = looks(gaps, lambda name, now: 5 if name == "pi-2" else now)

    assert found == heartbeats.Seen(tuple(nodes()))


def test_given_nothing_that_moves_when_hours_pass_then_nobody_is_accused():
    assert looks([3600] * 5, lambda *_: 5) == heartbeats.Seen(tuple(nodes()))


@pytest.mark.parametrize("step", [-(10**6), 10**6])
@pytest.mark.parametrize("whose", ["this machine", "pi-1"])
def test_given_one_clock_that_is_put_right_between_looks_when_judged_then_nobody_is_accused(
    whose, step
):
    history = heartbeats.History()
    for here, there in ((1000, 1000), (1005, 1005)):
        here += step if whose == "this machine" and here > 1000 else 0
        there += step if whose == "pi-1" and there > 1000 else 0
        history = heartbeats.note(
            history, nodes(), {**dict.fromkeys(NAMES, 990), "pi-1": there}, here
        )

    assert heartbeats.judge(history, nodes()).remarks == {}


def test_given_a_node_back_and_alive_when_it_stays_unready_for_minutes_then_it_is_named_as_it_is():
    seen = nodes(READY, READY, UNKNOWN)

    early = looks([EVERY_S], lambda _, now: now, seen=seen)
    late = looks([EVERY_S] * 2, lambda _, now: now, seen=seen)

    assert early.remarks == {}
    assert late.nodes == tuple(seen)
    assert late.remarks["pi-2"].startswith("pi-2 is alive but stays not ready: run restart-")


def test_given_a_dead_node_that_kubernetes_knows_of_when_judged_then_there_is_nothing_to_say():
    seen = nodes(READY, READY, UNKNOWN)

    found = looks([EVERY_S] * 5, lambda name, now: 5 if name == "pi-2" else now, seen=seen)

    assert found == heartbeats.Seen(tuple(seen))


def test_given_a_node_without_a_lease_when_judged_then_its_word_is_taken():
    history = heartbeats.History()
    for now in (1000, 2000, 3000):
        history = heartbeats.note(history, nodes(), {"pi-0": now}, now)

    assert heartbeats.judge(history, nodes()) == heartbeats.Seen(tuple(nodes()))


@pytest.mark.parametrize(
    "item",
    [
        lease({"renewTime": "yesterday"}),
        lease({"renewTime": None}),
        lease({"renewTime": 5}),
        lease({}),
        lease(None),
        {"kind": "Lease"},
        {"kind": "Node", "metadata": {"name": "pi-0"}},
    ],
)
def test_given_leases_that_say_nothing_when_read_then_they_are_left_out(item):
    good = lease({"renewTime": "2026-01-02T03:04:05.250000Z"}, "pi-1")

    assert heartbeats.renewals([item, good]) == {"pi-1": 1767323045.25}


# --- on machines ---------------------------------------------------------------------------------


def look(pis, number=0):
    host = pis.host(number)
    return heartbeats.look(host, microk8s.kubeconfig(host))


def test_given_a_node_that_dies_unnoticed_when_looked_at_then_it_is_found_out(trio):
    trio.world.clusters[trio.world.machines["0"].node.cluster].wedged = True
    before = look(trio)
    trio.world.machines["2"].power_off()
    trio.settle(EVERY_S)
    look(trio)
    trio.settle(EVERY_S)

    after = look(trio)

    assert before.nodes[2].readiness is READY
    assert after.nodes[2].readiness is UNKNOWN
    assert list(after.remarks) == ["pi-2"]


def test_given_what_was_remembered_is_damaged_when_looked_at_then_it_begins_anew(trio):
    trio.host(0).write(heartbeats.STATE, '{"at": "x", "elapsed": [], "tracks": {"pi-0": 1}}')

    assert look(trio).remarks == {}
    assert '"tracks"' in trio.host(0).read(heartbeats.STATE)


@pytest.mark.parametrize(
    "refusal",
    [
        'error: the server doesn\'t have a resource type "leases"',
        'Error from server (Forbidden): leases.coordination.k8s.io is forbidden: User "x" cannot'
        ' list resource "leases" in API group "coordination.k8s.io"',
    ],
)
def test_given_an_api_without_leases_when_looked_at_then_its_word_on_nodes_is_taken(trio, refusal):
    trio.fail(0, "kubectl", effect=pi.fail(1, refusal))

    assert [node.readiness for node in look(trio).nodes] == [READY] * 3


def test_given_an_api_that_does_not_answer_when_looked_at_then_it_is_asked_once(trio):
    trio.fail(0, "kubectl", effect=pi.fail(1, "the connection was refused"), times=0)
    before = len(trio.ran("get"))

    with pytest.raises(kubectl.KubectlError, match="was refused"):
        look(trio)

    assert len(trio.ran("get")) == before + 1


def test_given_a_worker_when_it_looks_then_it_asks_for_no_lease(with_worker):
    assert [node.name for node in look(with_worker, 1).nodes] == ["pi-0", "pi-1"]
    assert with_worker.ran("nodes,leases") == []


def test_given_a_lone_node_when_looked_at_then_nothing_is_written(single):
    assert [node.readiness for node in look(single).nodes] == [READY]
    assert not single.host(0).exists(heartbeats.STATE)
