"""The way back of a voter, and the calm that an agent needs: with the real charm, in any order."""

import pathlib

import pytest

from edgecloud.host import failures, rejoin_offer
from edgecloud.interfaces.edge_component import Component
from edgecloud.testing import decoded

BESIDE = pathlib.Path(__file__).parent / "wishful_node"
MICROK8S = "/snap/bin/microk8s"
SNAP = "/usr/bin/snap"
INIT = ("run", "--shell", "microk8s.daemon-cluster-agent", "-c")
JOIN = "$SNAP/bin/cluster-agent init --config-file -"
DAY = 86400


@pytest.fixture(params=range(1, 4), ids=lambda seed: f"seed-{seed}")
def seed(request):
    """Few: these are sites of many machines, whose order the tests on all seeds cover."""
    return request.param


@pytest.fixture
def beside(make_site):
    """Make a settled site with an edge-node of the test's own on every machine."""

    def make(seed, **options):
        site = make_site(seed=seed, **options)
        site.add_application("beside", BESIDE)
        site.integrate("edge-microk8s:component", "beside:principal")
        site.settle()
        return site

    return make


def ask(site, unit, **wishes):
    """Have the edge-node beside a unit ask for something."""
    name = next(u.name for u in site.units.values() if u.principal == unit)
    run = site.run(name, "ask", {key.replace("_", "-"): value for key, value in wishes.items()})
    assert run.status == "completed", run.message


def host(site, unit):
    return site.world.machines[site.units[unit].machine].host()


def offer(site, unit):
    return rejoin_offer.read(host(site, unit))


def component(site, unit):
    """What a unit tells the edge-node beside it."""
    (relation,) = [r for r in site.relations.values() if r.interface == "edge_component"]
    return decoded(Component, relation.unit_bags[unit].data)


def planes(site):
    return sorted(name for name in site.units if name.startswith("edge-microk8s/"))


def addresses(site, *units):
    return {site.address(site.units[unit]) for unit in units}


def hosts_of(urls):
    return {url.partition(":")[0] for url in urls}


def nothing_left(site):
    """No offer on any disk, no token on any node, no secret in Juju, no memory of either."""
    assert not site.world.tokens()
    assert not [s for s in site.secrets.values() if "url" in s.revisions[s.latest]]
    for machine in site.world.machines.values():
        if machine.powered:
            assert not machine.host().exists(rejoin_offer.PATH)
            assert not machine.host().exists("/var/lib/edge-microk8s/lent.json")


def leave_for_good(machine):
    """Do what the agent does before a voter is installed anew: leave, and purge everything."""
    machine.run((MICROK8S, "leave"), timeout_s=900)
    machine.run((SNAP, "remove", "--purge", "microk8s"), timeout_s=900)


def come_back(machine, urls):
    """Do what the agent does then: install the former build, hold it, join by the first offer."""
    command = (SNAP, "install", "microk8s", "--classic", "--channel=1.35/stable")
    machine.run(command, timeout_s=900)
    machine.run((SNAP, "refresh", "--hold", "microk8s"), timeout_s=900)
    for url in urls:
        wish = f"version: 0.2.0\njoin: {{url: '{url}', worker: false}}\n"
        try:
            machine.run((SNAP, *INIT, JOIN), timeout_s=900, stdin=wish)
            return
        except failures.FAILURES:
            continue
    raise AssertionError("no offer let this node in")


# --- offers --------------------------------------------------------------------------------------


def test_given_a_wish_when_it_comes_and_goes_then_so_do_two_offers(beside, seed):
    site = beside(seed)
    unit, *others = sorted(planes(site), key=lambda name: (int(name[-1]) + seed) % 3)

    ask(site, unit, way_back=True)
    site.settle()
    found, told = offer(site, unit), component(site, unit).way_back_until
    now = site.clock.now()
    mode = host(site, unit).path(rejoin_offer.PATH).stat().st_mode & 0o777
    ask(site, unit)
    site.settle()

    assert hosts_of(found.urls) == addresses(site, *others)
    assert (told, mode) == (int(found.expires), 0o600)
    assert found.expires - now > DAY / 2
    nothing_left(site)
    assert component(site, unit).way_back_until is None


@pytest.mark.parametrize("seed", [5])
def test_given_a_wish_that_stands_when_half_a_day_is_over_then_the_offer_is_renewed(beside, seed):
    site = beside(seed)
    unit = planes(site)[seed % 3]
    ask(site, unit, way_back=True)
    site.settle()
    before = offer(site, unit)

    site.advance(DAY * 0.6)
    site.settle()
    after = offer(site, unit)
    ask(site, unit)
    site.settle()

    assert not set(before.urls) & set(after.urls)
    assert after.expires - before.expires > DAY * 0.4
    nothing_left(site)


def test_given_a_wish_when_its_unit_is_removed_then_nothing_is_left(beside, seed):
    site = beside(seed, pis=4)
    unit = planes(site)[seed % 4]
    ask(site, unit, way_back=True)
    site.settle()

    site.remove_unit(unit)
    site.settle()

    nothing_left(site)


def test_given_a_wish_when_its_machine_dies_then_no_token_is_left_with_the_others(beside, seed):
    site = beside(seed, pis=4)
    unit = planes(site)[seed % 4]
    ask(site, unit, way_back=True)
    site.settle()

    site.power_off(site.units[unit].machine)
    site.remove_unit(unit, force=True)
    site.settle()

    nothing_left(site)


def test_given_an_offer_when_who_made_it_is_removed_then_another_takes_its_place(beside, seed):
    site = beside(seed, pis=4)
    unit = planes(site)[seed % 4]
    ask(site, unit, way_back=True)
    site.settle()
    made = hosts_of(offer(site, unit).urls)
    maker = next(name for name in planes(site) if addresses(site, name) <= made)

    site.remove_unit(maker)
    site.settle()

    left = [name for name in planes(site) if name != unit]
    assert hosts_of(offer(site, unit).urls) == addresses(site, *left)


def test_given_wishes_of_all_when_settled_then_each_has_offers_of_the_other_two(beside, seed):
    site = beside(seed)

    for unit in planes(site):
        ask(site, unit, way_back=True)
    site.settle()

    for unit in planes(site):
        others = [name for name in planes(site) if name != unit]
        assert hosts_of(offer(site, unit).urls) == addresses(site, *others)


def test_given_a_single_node_when_it_wishes_then_there_is_nobody_to_make_an_offer(beside):
    site = beside(0, pis=1)

    ask(site, "edge-microk8s/0", way_back=True)
    site.settle()

    nothing_left(site)
    assert component(site, "edge-microk8s/0").way_back_until is None


# --- going back ----------------------------------------------------------------------------------


def test_given_an_offer_when_the_agent_goes_back_by_it_then_the_node_is_what_it_was(beside, seed):
    site = beside(seed)
    unit = planes(site)[seed % 3]
    machine, arguments = host(site, unit), "/var/snap/microk8s/current/args/kube-apiserver"
    before = machine.read(arguments)
    ask(site, unit, way_back=True)
    site.settle()
    urls = offer(site, unit).urls
    ask(site, unit, way_back=True, busy=True)
    at, pause = site.clock.now(), 20 + 7 * seed

    machine.write(rejoin_offer.RETREAT, '{"done": [], "own": []}')
    site.schedule(at + pause, lambda: leave_for_good(machine))
    site.schedule(at + 4 * pause, lambda: come_back(machine, urls))
    site.advance(6 * pause + 300)
    machine.remove(rejoin_offer.RETREAT)
    ask(site, unit)
    site.settle()

    assert site.nodes() == dict.fromkeys(site.nodes(), True)
    assert len(site.nodes()) == len(site.voters()) == 3
    assert set(site.statuses().values()) == {"active"}
    assert machine.read(arguments) == before
    nothing_left(site)


def test_given_the_first_offer_is_dead_when_the_agent_goes_back_then_the_second_leads_in(beside):
    site = beside(3, pis=4)
    unit = planes(site)[1]
    machine = host(site, unit)
    ask(site, unit, way_back=True, busy=True)
    site.settle()
    urls = offer(site, unit).urls
    dead = next(n for n in planes(site) if addresses(site, n) == hosts_of(urls[:1]))

    leave_for_good(machine)
    site.power_off(site.units[dead].machine)
    come_back(machine, urls)
    site.advance(120)
    site.power_on(site.units[dead].machine)
    ask(site, unit)
    site.settle()

    assert len(site.nodes()) == 4
    nothing_left(site)


def test_given_an_offer_when_who_made_it_was_installed_anew_then_a_new_one_follows(beside, seed):
    site = beside(seed)
    unit, maker, _ = planes(site)
    for each in (unit, maker):
        ask(site, each, way_back=True)
    site.settle()
    before = offer(site, unit)

    ask(site, maker, way_back=True, busy=True)
    leave_for_good(host(site, maker))
    come_back(host(site, maker), offer(site, maker).urls)
    ask(site, maker, way_back=True)
    site.settle()

    after = offer(site, unit)
    assert hosts_of(after.urls) == hosts_of(before.urls)
    assert len(set(before.urls) & set(after.urls)) == 1
    for url in after.urls:
        assert url.split("/")[1] in {token for _, token in site.world.tokens()}


# --- hands off -----------------------------------------------------------------------------------


def test_given_an_agent_at_work_when_options_change_then_nobody_restarts_until_it_ends(
    beside, seed
):
    site = beside(seed)
    unit = planes(site)[seed % 3]
    ask(site, unit, busy=True)
    site.settle()
    calls = len(site.world.calls)

    site.set_config("edge-microk8s", {"autonomy": "3600"})
    site.settle()
    during = [c for c in site.world.calls[calls:] if {"restart", "install"} & set(c.argv)]
    ask(site, unit)
    site.settle()

    assert not during
    flag = "--default-unreachable-toleration-seconds=3600"
    for each in planes(site):
        assert flag in host(site, each).read("/var/snap/microk8s/current/args/kube-apiserver")
    assert set(site.statuses().values()) == {"active"}


def test_given_an_agent_at_work_when_a_pi_is_added_then_it_joins_after_that(beside, seed):
    site = beside(seed)
    unit = planes(site)[seed % 3]
    ask(site, unit, busy=True)
    site.add_unit("edge-microk8s")
    site.advance(1200)
    during = len(site.nodes())

    ask(site, unit)
    site.settle()

    assert (during, len(site.nodes())) == (3, 4)


def test_given_an_agent_at_work_on_the_steward_when_a_unit_goes_then_another_acts(beside, seed):
    site = beside(seed, pis=4)
    steward = site.leader()
    ask(site, steward, busy=True)
    dead = next(name for name in planes(site) if name != steward)

    site.power_off(site.units[dead].machine)
    site.remove_unit(dead, force=True)
    site.settle()
    ask(site, steward)
    site.settle()

    assert len(site.nodes()) == 3
    assert set(site.statuses().values()) == {"active"}


def test_given_an_agent_at_work_when_its_unit_is_shown_then_the_status_says_so(beside):
    site = beside(0)
    unit = planes(site)[0]

    ask(site, unit, busy=True)
    site.settle()

    status = site.units[unit].status
    assert (status.name, status.message) == ("maintenance", "the agent is at work on this machine")


# --- what the edge-node is told ------------------------------------------------------------------


def test_given_a_site_when_voters_change_then_each_edge_node_is_told_in_time(beside, seed):
    site = beside(seed, pis=4)
    told = {unit: component(site, unit) for unit in planes(site)}
    voter = next(unit for unit in planes(site) if told[unit].voter)

    site.remove_unit(voter)
    site.settle()

    addresses = {member.ip for member in site.voters()}
    assert sum(each.voter for each in told.values()) == 3
    for unit in planes(site):
        said = component(site, unit)
        assert said.voter == (site.address(site.units[unit]) in addresses)
        assert said.ready
        assert said.node == site.world.machines[site.units[unit].machine].hostname


def test_given_an_api_that_falls_silent_when_looked_at_then_the_edge_node_is_told(beside):
    site = beside(1)
    unit, *others = planes(site)
    for other in others:
        site.power_off(site.units[other].machine)

    site.advance(900)

    assert component(site, unit).ready is False


def test_given_an_option_that_is_wrong_when_looked_at_then_what_was_told_stands(beside):
    site = beside(1)
    unit = planes(site)[0]
    before = component(site, unit)

    site.set_config("edge-microk8s", {"profile": "huge"})
    site.settle()

    assert component(site, unit) == before
