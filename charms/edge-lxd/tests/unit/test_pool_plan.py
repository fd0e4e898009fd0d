import ipaddress

import hypothesis
import pytest
from hypothesis import strategies

import pool_plan
from pool_plan import Ground, Node, Present

UNIT = "edge-lxd/0"
SUBNET = "10.20.0.1/24"
GROUND = Ground("disk", {"type": "nic", "network": "edgebr0"}, SUBNET)
LAN = Ground("disk", {"type": "nic", "nictype": "bridged", "parent": "br0"})


def present(*names):
    return [
        Present(f"edge-lxd-0-{name}", int(name[:-1]), f"10.20.0.{name[:-1]}") for name in names
    ]


def plan(size, *names, ground=GROUND, **options):
    return pool_plan.plan(UNIT, size, present(*names), ground, **options)


def names(planned):
    return [node.name.removeprefix("edge-lxd-0-") for node in planned.nodes]


# --- how many ------------------------------------------------------------------------------------


def test_given_each_when_shared_then_every_unit_has_that_many():
    assert pool_plan.share(2, "each", "u/1", {"u/1"}, planned=3) == 2


def test_given_spread_when_shared_then_the_first_units_have_one_more():
    hosts = {"u/10", "u/2", "u/0"}

    shares = [pool_plan.share(5, "spread", host, hosts, 3) for host in ("u/0", "u/2", "u/10")]

    assert shares == [2, 2, 1]


def test_given_spread_when_not_all_units_are_known_then_nothing_is_said():
    assert pool_plan.share(5, "spread", "u/0", {"u/0", "u/1"}, planned=3) is None


@hypothesis.given(
    total=strategies.integers(0, 40),
    numbers=strategies.sets(strategies.integers(0, 30), min_size=1),
)
def test_given_any_units_when_spread_then_all_are_placed_and_evenly(total, numbers):
    hosts = {f"u/{number}" for number in numbers}

    shares = [pool_plan.share(total, "spread", host, hosts, len(hosts)) for host in hosts]

    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


# --- which ---------------------------------------------------------------------------------------


def test_given_an_empty_pool_when_planned_then_nodes_get_names_and_addresses_from_the_end():
    planned = plan(2)

    assert planned.nodes == (
        Node("edge-lxd-0-1a", 1, "10.20.0.254"),
        Node("edge-lxd-0-2a", 2, "10.20.0.253"),
    )


def test_given_nodes_when_planned_again_then_they_keep_names_and_addresses():
    planned = plan(2, "1a", "2c")

    assert [(node.name[-2:], node.address) for node in planned.nodes] == [
        ("1a", "10.20.0.1"),
        ("2c", "10.20.0.2"),
    ]
    assert planned.surplus == ()


def test_given_fewer_nodes_wanted_when_planned_then_the_last_slots_go_first():
    assert plan(1, "1a", "2a", "3a").surplus == ("edge-lxd-0-3a", "edge-lxd-0-2a")


def test_given_a_gap_when_planned_then_only_that_slot_is_made():
    assert names(plan(3, "1a", "3a")) == ["1a", "2a", "3a"]


def test_given_a_lost_node_that_the_cluster_knows_when_planned_then_it_gets_another_name():
    spent = {"edge-lxd-0-1a", "edge-lxd-0-1b"}

    assert names(plan(1, spent=spent)) == ["1c"]


def test_given_two_in_a_slot_when_planned_then_the_second_is_surplus():
    assert plan(1, "1a", "1b").surplus == ("edge-lxd-0-1b",)


def test_given_a_replacement_under_way_when_planned_then_that_slot_is_left_alone():
    planned = plan(2, "1a", "1b", "2a", replacing={"edge-lxd-0-1a", "edge-lxd-0-1b"})

    assert (names(planned), planned.surplus) == (["2a"], ())


def test_given_a_slot_beyond_the_pool_when_it_is_replaced_then_it_is_no_surplus_yet():
    planned = plan(0, "1a", "1b", replacing={"edge-lxd-0-1a", "edge-lxd-0-1b"})

    assert planned == pool_plan.Plan(())


def test_given_addresses_of_others_when_planned_then_none_of_them_is_given_twice():
    taken = frozenset({"10.20.0.254", "10.20.0.252"})

    planned = plan(2, ground=Ground("disk", {}, SUBNET, taken))

    assert [node.address for node in planned.nodes] == ["10.20.0.253", "10.20.0.251"]


def test_given_a_node_whose_address_was_lost_when_planned_then_it_gets_one():
    (node,) = pool_plan.plan(UNIT, 1, [Present("edge-lxd-0-1a", 1)], GROUND).nodes

    assert node.address == "10.20.0.254"


def test_given_a_lan_when_planned_then_it_gives_the_addresses():
    planned = plan(1, ground=LAN)

    assert planned.nodes[0].address == ""
    assert pool_plan.devices(planned.nodes[0], LAN) == {
        "eth0": {
            "type": "nic",
            "nictype": "bridged",
            "parent": "br0",
            "name": "eth0",
            "hwaddr": planned.nodes[0].hwaddr,
        }
    }


def test_given_a_full_subnet_when_an_address_is_needed_then_it_says_so():
    with pytest.raises(pool_plan.NoAddressError, match=r"10.20.0.0/30 has no address left"):
        pool_plan.free_address("10.20.0.1/30", {"10.20.0.2"})


@hypothesis.given(
    size=strategies.integers(0, 6),
    there=strategies.sets(
        strategies.sampled_from([f"{n}{c}" for n in range(1, 7) for c in "abc"])
    ),
    spent=strategies.sets(strategies.sampled_from([f"{n}{c}" for n in range(1, 7) for c in "ab"])),
)
def test_given_any_pool_when_planned_then_each_slot_has_one_node_and_addresses_differ(
    size, there, spent
):
    planned = pool_plan.plan(
        UNIT,
        size,
        present(*there),
        GROUND,
        spent={f"edge-lxd-0-{name}" for name in spent | there},
    )

    made = [node.address for node in planned.nodes if node.name[11:] not in there]
    kept = {node.name for node in planned.nodes} & {one.name for one in present(*there)}
    assert [node.slot for node in planned.nodes] == list(range(1, size + 1))
    assert len(set(made)) == len(made)
    assert set(made) <= {str(one) for one in ipaddress.ip_network("10.20.0.0/24").hosts()}
    assert kept | set(planned.surplus) == {one.name for one in present(*there)}
    assert not kept & set(planned.surplus)


# --- what each is like ---------------------------------------------------------------------------


def test_given_nodes_when_the_machine_starts_then_the_first_slot_is_up_first_and_down_last():
    first, second = (pool_plan.config(UNIT, node) for node in plan(2).nodes)

    assert int(first["boot.autostart.priority"]) > int(second["boot.autostart.priority"])
    assert int(first["boot.stop.priority"]) < int(second["boot.stop.priority"])
    assert first["boot.autostart"] == "true"


def test_given_a_name_when_hosted_then_it_comes_back_from_within_the_unit():
    assert pool_plan.hosted_as("edge-lxd/12", "edge-lxd-12-3b") == "3b"
    assert pool_plan.instance_of("edge-lxd/12", "3b") == "edge-lxd-12-3b"


def test_given_a_node_of_another_recipe_when_compared_then_it_is_outdated():
    found = [Present("a", 1, made_of="old"), Present("b", 2, made_of="new"), Present("c", 3)]

    assert pool_plan.outdated(found, "new") == ("a",)
