import dataclasses
import json

import hypothesis
import pytest
from hypothesis import strategies
from ops import testing

from edgecloud.interfaces import node_upgrade
from edgecloud.interfaces.node_upgrade import (
    Blocked,
    BudgetView,
    ClusterView,
    Label,
    Machine,
    Missing,
    NodeOrder,
    NodeReport,
    Orders,
    SlipContent,
)
from edgecloud.interfaces.slips import Slip
from edgecloud.rollout import inventory, messages
from edgecloud.testing import decoded, encoded

DIGEST = "ab" * 32
MACHINE = Machine(
    role="control-plane",
    voter=True,
    domain="rack-a",
    arch="arm64",
    version="1.34.2",
    labels=(Label("site", "farm"),),
)
MACHINE_WIRE = {
    "role": "control-plane",
    "voter": True,
    "domain": "rack-a",
    "arch": "arm64",
    "version": "1.34.2",
    "lxd": False,
    "coordinator": False,
    "duration_s": 0,
    "labels": [{"key": "site", "value": "farm"}],
}
REPORT = NodeReport(
    schema=1,
    node="pi-1",
    address="10.0.0.1",
    machine=MACHINE,
    status="waiting",
    doing="draining",
    digest=DIGEST,
    part="kubernetes/1.35",
    epoch=2,
    serial=7,
    ready=True,
    version="1.34.2",
    vetoed=False,
    reason="held",
    head="cd" * 32,
    foreign="kured",
    clock=True,
    cluster=ClusterView(
        at=100,
        missing=(Missing("pi-2", heard=False, since=60),),
        voters=("pi-1", "pi-2"),
        answering=("pi-1",),
        leader="pi-1",
    ),
)
REPORT_WIRE = {
    "schema": 1,
    "node": "pi-1",
    "address": "10.0.0.1",
    "machine": MACHINE_WIRE,
    "status": "waiting",
    "doing": "draining",
    "digest": DIGEST,
    "part": "kubernetes/1.35",
    "epoch": 2,
    "serial": 7,
    "ready": True,
    "version": "1.34.2",
    "vetoed": False,
    "reason": "held",
    "head": "cd" * 32,
    "foreign": "kured",
    "clock": True,
    "cluster": {
        "at": 100,
        "missing": [{"node": "pi-2", "heard": False, "since": 60}],
        "voters": ["pi-1", "pi-2"],
        "answering": ["pi-1"],
        "leader": "pi-1",
    },
}
ORDERS = Orders(
    schema=1,
    digest=DIGEST,
    plan="{}",
    signature="signed",
    orders=(NodeOrder("pi-1", 2, 8, "grant", "kubernetes/1.35", 1, 900, 0, MACHINE),),
)
ORDERS_WIRE = {
    "schema": 1,
    "digest": DIGEST,
    "plan": "{}",
    "signature": "signed",
    "orders": [
        {
            "node": "pi-1",
            "epoch": 2,
            "serial": 8,
            "verb": "grant",
            "part": "kubernetes/1.35",
            "wave": 1,
            "expires": 900,
            "token": 0,
            "machine": MACHINE_WIRE,
        }
    ],
}

READER = dataclasses.replace(REPORT, slips=True)
SEER = dataclasses.replace(
    READER, budgets=BudgetView(at=90, blocked=(Blocked("pi-2", ("default/web",)),))
)
SEER_WIRE = {
    **REPORT_WIRE,
    "slips": True,
    "budgets": {"at": 90, "blocked": [{"node": "pi-2", "budgets": ["default/web"]}]},
}
SLIPS = Orders(
    schema=1,
    digest=DIGEST,
    plan="{}",
    signature="signed",
    slips=(Slip("pi-1", "node-a/4", "secret:abc"),),
    live=True,
)
SLIPS_WIRE = {
    "schema": 1,
    "digest": DIGEST,
    "plan": "{}",
    "signature": "signed",
    "slips": [{"node": "pi-1", "unit": "node-a/4", "secret": "secret:abc"}],
    "live": True,
}
SLIP = SlipContent(dataclasses.replace(ORDERS.orders[0], digest=DIGEST))
SLIP_WIRE = {**ORDERS_WIRE["orders"][0], "digest": DIGEST}


def wire(document):
    return {name: json.dumps(value, sort_keys=True) for name, value in document.items()}


VECTORS = {
    "empty report": (NodeReport, {}, NodeReport()),
    "report v1": (NodeReport, wire(REPORT_WIRE), REPORT),
    "report of the future": (
        NodeReport,
        wire({"schema": 2, "node": "pi-1", "battery": 40}),
        NodeReport(schema=2, node="pi-1"),
    ),
    "report v2": (NodeReport, wire({**REPORT_WIRE, "slips": True}), READER),
    "report v3": (NodeReport, wire(SEER_WIRE), SEER),
    "empty orders": (Orders, {}, Orders()),
    "orders v1": (Orders, wire(ORDERS_WIRE), ORDERS),
    "orders v2": (Orders, wire(SLIPS_WIRE), SLIPS),
    "empty slip": (SlipContent, {}, SlipContent()),
    "slip v2": (SlipContent, wire({"order": SLIP_WIRE}), SLIP),
    "slip of the future": (
        SlipContent,
        wire({"order": {"node": "pi-1", "mood": "calm"}, "more": 1}),
        SlipContent(NodeOrder("pi-1")),
    ),
    "orders of the future": (Orders, wire({"schema": 2, "mood": "calm"}), Orders(schema=2)),
}
ORDER = messages.Order((2, 8), messages.Verb.GRANT, DIGEST, "kubernetes/1.35", 1, 900)
MEMBER = node_upgrade.member_of("pi-1", MACHINE)
NUMBER = strategies.integers(0, 2**40)
WORDS = strategies.text(max_size=8)
ANY_ORDER = strategies.builds(
    messages.Order,
    stamp=strategies.tuples(NUMBER, NUMBER),
    verb=strategies.sampled_from(messages.Verb),
    digest=strategies.just(DIGEST),
    part=WORDS,
    wave=NUMBER,
    expires=NUMBER,
    token=NUMBER,
)
ANY_REPORT = strategies.builds(
    messages.Report,
    status=strategies.sampled_from(messages.Status),
    digest=WORDS,
    part=WORDS,
    seen=strategies.tuples(NUMBER, NUMBER),
    ready=strategies.booleans(),
    version=WORDS,
    vetoed=strategies.booleans(),
    reason=WORDS,
    head=WORDS,
)
ANY_MEMBER = strategies.builds(
    inventory.Member,
    name=strategies.just("pi-1"),
    role=strategies.sampled_from(("worker", "control-plane")),
    voter=strategies.booleans(),
    domain=WORDS,
    arch=strategies.sampled_from(("arm64", "amd64")),
    version=WORDS,
    lxd=strategies.booleans(),
    coordinator=strategies.booleans(),
    duration_s=NUMBER,
    labels=strategies.dictionaries(WORDS, WORDS, max_size=3).map(
        lambda d: tuple(sorted(d.items()))
    ),
    hosted=strategies.lists(strategies.sampled_from(("1.35.2", "1.36.0")), max_size=3).map(tuple),
)


def published(inside, orders=ORDERS, node="pi-1"):
    relation = testing.Relation("controller", remote_app_data=encoded(orders))
    return inside(
        lambda charm: node_upgrade.NodeUpgradeRequirer(charm).order(node), relation
    ).result


@pytest.mark.parametrize(("cls", "bag", "meaning"), VECTORS.values(), ids=VECTORS.keys())
def test_given_any_released_databag_when_loaded_then_it_means_the_same_as_ever(cls, bag, meaning):
    assert decoded(cls, bag) == meaning


@pytest.mark.parametrize(
    ("value", "document"),
    [
        (REPORT, REPORT_WIRE),
        (SLIPS, SLIPS_WIRE),
        (SLIP, {"order": SLIP_WIRE}),
    ],
    ids=["report", "orders", "slip"],
)
def test_given_a_value_when_saved_then_the_wire_is_the_same_as_ever(value, document):
    assert encoded(value) == wire(document)


@hypothesis.given(ANY_ORDER, ANY_MEMBER)
def test_given_any_order_when_carried_then_it_arrives_the_same(order, member):
    (entry,) = decoded(
        Orders, encoded(Orders(orders=(node_upgrade.written("pi-1", order, member),)))
    ).orders

    assert node_upgrade.read_order(entry, DIGEST) == order
    assert node_upgrade.member_of("pi-1", entry.machine) == member


@hypothesis.given(ANY_REPORT)
def test_given_any_report_when_carried_then_it_arrives_the_same(report):
    said = decoded(NodeReport, encoded(node_upgrade.describe(report, "pi-1", MACHINE)))

    assert node_upgrade.report_of(said) == report


@pytest.mark.parametrize(
    "changes",
    [{"schema": None}, {"schema": 2}, {"status": None}, {"status": "asleep"}],
    ids=str,
)
def test_given_a_report_that_nobody_understands_when_read_then_it_says_nothing(changes):
    assert node_upgrade.report_of(dataclasses.replace(REPORT, **changes)) is None


def publish(charm, order=ORDER, **options):
    given = ("{}", "signed", {"pi-1": order}, {"pi-1": MEMBER})
    return node_upgrade.NodeUpgradeProvider(charm).publish(*given, **options)


def nodes(report=READER, **units):
    return testing.Relation(
        "nodes", remote_app_name="node-a", remote_units_data={4: encoded(report), **units}
    )


def told(controller, number=4):
    """The controller's relation and secrets as a node sees them."""
    relation = controller.relation("nodes")
    unit = f"{relation.remote_app_name}/{number}"
    return testing.Relation("controller", remote_app_data=relation.local_app_data), [
        testing.Secret(secret.latest_content, id=secret.id)
        for secret in controller.state.secrets
        if unit in secret.remote_grants.get(relation.id, ())
    ]


@pytest.mark.parametrize("report", [READER, REPORT], ids=["knows slips", "older"])
def test_given_a_controller_when_it_publishes_then_the_node_reads_its_order_and_its_plan(
    inside, report
):
    controller = inside(publish, nodes(report), leader=True)
    relation, secrets = told(controller)

    node = inside(
        lambda charm: node_upgrade.NodeUpgradeRequirer(charm).order("pi-1"),
        relation,
        secrets=secrets,
    )

    assert controller.result is True
    assert len(secrets) == (report is READER)
    assert node.result == node_upgrade.Published(ORDER, MEMBER, "{}", "signed")


def test_given_a_slip_that_is_not_granted_when_read_then_the_node_has_no_order(inside):
    relation, _ = told(inside(publish, nodes(), leader=True))

    node = inside(lambda charm: node_upgrade.NodeUpgradeRequirer(charm).order("pi-1"), relation)

    assert node.result is None


def test_given_a_slip_of_the_plan_before_when_read_then_the_node_has_no_order(inside):
    relation, secrets = told(inside(publish, nodes(), leader=True))
    bag = {**relation.remote_app_data, "digest": json.dumps("cd" * 32)}
    later = dataclasses.replace(relation, remote_app_data=bag)

    node = inside(
        lambda charm: node_upgrade.NodeUpgradeRequirer(charm).order("pi-1"),
        later,
        secrets=secrets,
    )

    assert node.result is None


def test_given_another_order_when_published_then_only_its_slip_changes(inside):
    held = dataclasses.replace(ORDER, verb=messages.Verb.HOLD)
    first = inside(publish, nodes(), leader=True)
    state = {"leader": True, "secrets": first.state.secrets}

    second = inside(
        lambda charm: publish(charm, held, standing={"pi-1": ORDER}),
        first.relation("nodes"),
        **state,
    )

    (secret,) = second.state.secrets
    (before,) = first.state.secrets
    assert second.result is True
    assert second.relation("nodes").local_app_data == first.relation("nodes").local_app_data
    assert (before.id, before.latest_content) == (secret.id, before.tracked_content)
    assert decoded(SlipContent, secret.latest_content).order.verb == "hold"


def test_given_a_new_unit_of_a_node_when_published_then_it_gets_a_slip_of_its_own(inside):
    first = inside(publish, nodes(), leader=True)
    relation = dataclasses.replace(first.relation("nodes"), remote_units_data={7: encoded(READER)})

    second = inside(
        lambda charm: publish(charm, standing={"pi-1": ORDER}),
        relation,
        leader=True,
        secrets=first.state.secrets,
    )

    (secret,) = second.state.secrets
    (slip,) = decoded(Orders, second.relation("nodes").local_app_data).slips
    assert (slip.unit, slip.secret) == ("node-a/7", secret.id)
    assert secret.remote_grants == {relation.id: {"node-a/7"}}


def test_given_a_node_when_it_publishes_then_the_controller_reads_the_same(inside):
    node = inside(
        lambda charm: node_upgrade.NodeUpgradeRequirer(charm).publish(REPORT),
        testing.Relation("controller"),
    )
    bag = node.relation("controller").local_unit_data

    controller = inside(
        lambda charm: node_upgrade.NodeUpgradeProvider(charm).reports(),
        testing.Relation("nodes", remote_app_name="node-a", remote_units_data={4: bag}),
    )

    assert node.result is True
    assert controller.result == {"node-a/4": READER}


@pytest.mark.parametrize("report", [READER, REPORT], ids=["knows slips", "older"])
def test_given_the_same_orders_when_published_again_then_nobody_is_woken(inside, report):
    def step(charm):
        return publish(charm), publish(charm, standing={"pi-1": ORDER})

    assert inside(step, nodes(report), leader=True).result == (True, False)


@pytest.mark.parametrize(
    "changes",
    [{"schema": 2}, {"schema": None}, {"plan": None}, {"digest": None}],
    ids=str,
)
def test_given_orders_that_a_node_does_not_understand_when_read_then_it_has_none(inside, changes):
    assert published(inside, dataclasses.replace(ORDERS, **changes)) is None


def test_given_an_unknown_verb_when_read_then_the_node_has_no_order(inside):
    strange = dataclasses.replace(ORDERS.orders[0], verb="dance")

    assert published(inside, dataclasses.replace(ORDERS, orders=(strange,))) is None


def test_given_an_order_for_another_node_when_read_then_it_has_none(inside):
    assert published(inside, node="pi-2") is None


def test_given_no_relation_when_asked_then_both_ends_say_so(inside):
    def step(charm):
        provider = node_upgrade.NodeUpgradeProvider(charm)
        requirer = node_upgrade.NodeUpgradeRequirer(charm)
        return provider.related, requirer.related, requirer.order("pi-1"), provider.reports()

    assert inside(step).result == (False, False, None, {})
