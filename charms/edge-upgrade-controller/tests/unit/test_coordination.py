"""When the coordinator looks again, and what it sees."""

import dataclasses

import pytest
import sites

import books
import coordination
import sighting
from edgecloud.interfaces.node_upgrade import (
    Blocked,
    BudgetView,
    ClusterView,
    Machine,
    Missing,
    NodeReport,
)
from edgecloud.rollout import inventory, state

NOW = sites.START
HOUR = 3600
PLANE = Machine("control-plane", voter=True, version="1.34.2")


def begun(members, **changes):
    kept = coordination.accept(books.Books(), sites.accepted(**changes), members(), NOW)
    return kept


def report(name, **changes):
    plain = {"schema": 1, "node": name, "machine": PLANE, "status": "idle", "ready": True}
    return NodeReport(**{**plain, **changes})


def after_s(kept, members):
    return coordination.wake_after_s(kept, sight(members), NOW)


def test_given_no_plan_when_it_would_sleep_then_it_needs_no_wake_up(members):
    assert after_s(books.Books(), members) is None


@pytest.mark.parametrize(
    ("changes", "seconds"),
    [
        ({"not-before": NOW + 120}, 120),
        ({"not-before": NOW + 90 * 24 * HOUR, "offline": {"grace": "2h"}}, HOUR),
    ],
)
def test_given_a_plan_that_waits_when_it_would_sleep_then_it_wakes_in_time(
    members, changes, seconds
):
    assert after_s(begun(members, **changes), members) == seconds


def sight(members, at=NOW):
    return sighting.look({}, begun(members).rollout, {}, at)


def test_given_no_rollout_when_decided_then_the_books_stay_as_they_are():
    assert coordination.decide(books.Books(), None, NOW).books == books.Books()


def test_given_an_old_view_when_looked_at_then_nobody_is_known_to_serve(members):
    old = ClusterView(at=NOW - sighting.FRESH_S - 1, voters=("pi-0",), answering=("pi-0",))

    found = sighting.look({"a/0": report("pi-0", cluster=old)}, begun(members).rollout, {}, NOW)

    assert found.unready == frozenset()
    assert found.blind
    assert found.answering == frozenset()


def test_given_a_site_without_kubernetes_when_looked_at_then_no_view_is_waited_for():
    lxd = Machine(lxd=True)
    reports = {"a/0": report("pi-0", machine=lxd)}
    found = inventory.freeze([inventory.Member("pi-0", lxd=True)])
    accepted = sites.accepted(targets={"lxd": {"revision": {"arm64": 5}}})
    kept = coordination.accept(books.Books(), accepted, found, NOW)

    assert not sighting.look(reports, kept.rollout, {}, NOW).blind


def test_given_two_views_when_looked_at_then_the_newest_counts(members):
    old = ClusterView(at=NOW - 60, voters=("pi-0", "pi-1"), missing=(Missing("pi-1", False, 5),))
    new = ClusterView(at=NOW, voters=("pi-0", "pi-1"), leader="pi-1")
    reports = {"a/0": report("pi-0", cluster=old), "a/1": report("pi-1", cluster=new)}

    found = sighting.look(reports, begun(members).rollout, {}, NOW)

    assert (found.leader, found.silent, found.blind) == ("pi-1", {}, False)


def test_given_a_worker_with_a_view_when_looked_at_then_it_is_not_believed():
    worker = Machine("worker", version="1.34.2")
    said = {"pi-0": report("pi-0", machine=worker, cluster=ClusterView(at=NOW))}

    assert sighting.freshest(said, NOW) is None


def holding(at, *nodes):
    return BudgetView(at, tuple(Blocked(name, ("default/web",)) for name in nodes))


def test_given_several_looks_at_budgets_when_asked_then_the_newest_of_a_control_plane_counts():
    worker = Machine("worker", version="1.34.2")
    reports = {
        "a/0": report("pi-0", budgets=holding(NOW - 600, "pi-1")),
        "a/1": report("pi-1", budgets=holding(NOW - 60, "pi-2")),
        "b/0": report("pi-2", machine=worker, budgets=holding(NOW)),
    }

    assert sighting.budgets(reports, NOW) == {"pi-2": ("default/web",)}


@pytest.mark.parametrize("view", [None, holding(NOW - sighting.BUDGETS_FRESH_S - 1)])
def test_given_no_late_look_at_budgets_when_asked_then_nothing_is_known(view):
    assert sighting.budgets({"a/0": report("pi-0", budgets=view)}, NOW) is None


def test_given_a_look_that_found_none_when_asked_then_that_is_known():
    assert sighting.budgets({"a/0": report("pi-0", budgets=holding(NOW))}, NOW) == {}


@pytest.mark.parametrize(
    ("at", "now", "trusted"), [(NOW, NOW, True), (NOW + 300, NOW, False), (0, NOW - 9, False)]
)
def test_given_clocks_that_disagree_when_looked_at_then_time_is_not_trusted(
    members, at, now, trusted
):
    said = {"pi-0": report("pi-0", cluster=ClusterView(at=at))}

    assert sighting.is_clock_trusted(said, begun(members).rollout, now) is trusted


def test_given_a_report_of_a_newer_schema_when_looked_at_then_it_is_not_heard(members):
    reports = {"a/0": report("pi-0", schema=9)}

    found = sighting.look(reports, begun(members).rollout, {}, NOW)

    assert found.reports == {}
    assert sighting.problems(reports) == ["a/0 speak a newer schema: refresh this charm"]


def test_given_a_node_that_does_not_know_itself_when_counted_then_it_is_left_out():
    reports = {"a/0": report(None), "a/1": dataclasses.replace(report("pi-1"), machine=None)}

    assert sighting.members(reports, frozenset()) == {}


@pytest.mark.parametrize(
    ("obeyed", "epoch"), [((7, 40), 8), ((1, 5), 2), ((1, 0), 1), ((0, 99), 1), ((None, None), 1)]
)
def test_given_nodes_that_obeyed_a_former_controller_when_it_leads_then_it_outranks_that(
    members, obeyed, epoch
):
    kept = begun(members)
    said = {"a/0": report("pi-0", epoch=obeyed[0], serial=obeyed[1]), "a/1": report("pi-1")}

    risen = coordination.outrank(kept, said, NOW)

    assert risen.rollout.epoch == epoch
    assert len(risen.chain) - len(kept.chain) == (epoch > 1)
    assert coordination.outrank(risen, said, NOW) == risen


def test_given_a_controller_deployed_anew_when_it_orders_then_nodes_take_it_for_news(site):
    former = site.actors["pi-0"].node
    site.actors["pi-0"].node = dataclasses.replace(former, stamp=(9, 300))

    site.start()
    site.obey()

    assert {order.epoch for order in site.orders().orders} == {10}
    assert site.actors["pi-0"].node.stamp[0] == 10
    assert site.actors["pi-0"].node.state is state.State.WAITING
