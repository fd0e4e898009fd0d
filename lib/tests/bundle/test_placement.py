import pathlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelab.bundle import declared, placement, source

PLACE = source.Place(pathlib.Path("x.yaml"), 1)


def application(name: str, units: int, *to: str) -> declared.Application:
    placements = tuple(placement.parse(text, PLACE) for text in to)
    return declared.Application(name, PLACE, num_units=units, to=placements)


def assigned(*applications: declared.Application, machines: str = "") -> dict[str, str]:
    site = declared.Bundle(
        files=(PLACE.file,),
        place=PLACE,
        applications={each.name: each for each in applications},
        machines={name: declared.Machine(name, PLACE) for name in machines.split()},
        relations=(),
        saas={},
    )
    return dict(placement.assign(site))


@pytest.mark.parametrize(
    ("text", "container", "machine", "app", "unit"),
    [
        ("0", "", "0", "", None),
        ("12", "", "12", "", None),
        ("new", "", "new", "", None),
        ("db", "", "", "db", None),
        ("db/0", "", "", "db", 0),
        ("lxd:0", "lxd", "0", "", None),
        ("lxd:new", "lxd", "new", "", None),
        ("lxd:kiosk-a/3", "lxd", "", "kiosk-a", 3),
        ("lxd:db", "lxd", "", "db", None),
    ],
)
def test_given_a_placement_when_parsed_then_its_parts_are_known(
    text, container, machine, app, unit
):
    assert placement.parse(text, PLACE) == declared.Placement(
        text, PLACE, container, machine, app, unit
    )


@pytest.mark.parametrize(
    "text", ["", "01", "-1", "db/", "db/x", "new/0", "Db", "0/lxd/0", "a:b:c"]
)
def test_given_no_placement_when_parsed_then_it_is_refused(text):
    with pytest.raises(placement.PlacementError, match="is none of 0, lxd:0"):
        placement.parse(text, PLACE)


def test_given_another_kind_of_container_when_parsed_then_it_is_refused():
    with pytest.raises(placement.PlacementError, match="the only containers are those of lxd"):
        placement.parse("kvm:0", PLACE)


@given(st.text(max_size=12))
def test_given_any_text_when_parsed_then_it_is_understood_or_refused(text):
    try:
        assert placement.parse(text, PLACE).text == text
    except placement.PlacementError as e:
        assert repr(text) in str(e)


def test_given_no_placement_when_assigned_then_each_unit_gets_a_new_machine():
    assert assigned(application("db", 2)) == {"db/0": "0", "db/1": "1"}


def test_given_declared_machines_when_assigned_then_new_ones_come_after_them():
    units = assigned(application("db", 3, "0", "new"), machines="0 4")

    assert units == {"db/0": "0", "db/1": "5", "db/2": "6"}


def test_given_fewer_placements_than_units_when_assigned_then_the_last_one_counts_on():
    assert assigned(application("db", 3, "1", "0"), machines="0 1") == {
        "db/0": "1",
        "db/1": "0",
        "db/2": "0",
    }


def test_given_an_application_when_assigned_then_units_go_beside_its_units_in_turn():
    db, web = application("db", 2, "3", "4"), application("web", 2, "db")

    units = assigned(web, db, machines="3 4")

    assert (units["web/0"], units["web/1"]) == ("3", "4")


def test_given_a_unit_when_assigned_then_the_next_ones_count_from_it():
    db, web = application("db", 3, "3", "4", "5"), application("web", 2, "db/1", "db")

    units = assigned(web, db, machines="3 4 5")

    assert (units["web/0"], units["web/1"]) == ("4", "5")


def test_given_containers_when_assigned_then_they_are_numbered_per_machine():
    db, web = application("db", 2, "lxd:0", "lxd:new"), application("web", 1, "lxd:db/1")

    units = assigned(db, web, machines="0")

    assert units == {"db/0": "0/lxd/0", "db/1": "1/lxd/0", "web/0": "1/lxd/0/lxd/0"}


def test_given_units_that_wait_for_each_other_when_assigned_then_the_circle_is_named():
    with pytest.raises(placement.PlacementError, match="a/0 → b/0 → a/0"):
        assigned(application("a", 1, "b/0"), application("b", 1, "a/0"))
