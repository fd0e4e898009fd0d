"""What the kernel says of the supplies of a board, and what is made of it."""

import pytest

from edgecloud import host
from edgecloud.agent import floors, hardware, paths
from edgecloud.rollout import terms

MAINS, PORT = {"type": "Mains"}, {"type": "USB"}
BATTERY = {"type": "Battery", "capacity": "70"}


@pytest.fixture
def board(tmp_path):
    """Return a function that makes a machine with such supplies."""

    def make(*supplies):
        machine = host.LocalHost(tmp_path)
        for number, supply in enumerate(supplies):
            for name, value in supply.items():
                machine.write(f"/sys/class/power_supply/s{number}/{name}", f"{value}\n")
        return machine

    return make


@pytest.mark.parametrize(
    ("supplies", "on_battery"),
    [
        ((), False),
        (({**MAINS, "online": "1"},), False),
        (({**MAINS, "online": "0"},), True),
        (({**BATTERY, "status": "Discharging"},), True),
        (({**BATTERY, "status": "Charging"},), False),
        (({**BATTERY, "status": "Unknown"},), False),
        ((BATTERY,), False),
        (({**MAINS, "online": "1"}, {**BATTERY, "status": "Discharging"}), False),
        (({**MAINS, "online": "0"}, {**PORT, "online": "1"}), False),
        (({**MAINS, "online": "0"}, {**BATTERY, "status": "Discharging"}), True),
        (({"type": "UPS", "status": "Discharging"},), True),
        (({**BATTERY, "status": "Discharging", "scope": "Device"},), False),
    ],
)
def test_given_supplies_when_looked_at_then_it_is_known_whether_a_battery_feeds_the_board(
    board, supplies, on_battery
):
    assert hardware.look(board(*supplies)).on_battery is on_battery


def test_given_a_supply_that_only_its_own_program_knows_when_it_says_so_then_it_counts(board):
    machine = board({**MAINS, "online": "1"})

    machine.write(paths.ON_BATTERY, "")

    assert hardware.look(machine).on_battery


def test_given_the_battery_of_a_mouse_when_looked_at_then_it_is_not_the_boards(board):
    machine = board({**BATTERY, "scope": "Device", "capacity": "3"})

    assert hardware.look(machine).battery is None


@pytest.mark.parametrize(("mains", "problem"), [(True, "it runs on its battery"), (False, "")])
def test_given_a_battery_at_work_when_asked_then_the_plan_decides(board, mains, problem):
    machine = board({**BATTERY, "status": "Discharging"})

    assert floors.power_problem(machine, terms.Floors(mains=mains)) == problem


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ({"mains": True}, "its power supply does not answer"),
        ({"battery_min": 50}, "its power supply does not answer"),
        ({}, ""),
    ],
)
def test_given_a_supply_that_does_not_answer_when_asked_then_a_floor_of_power_waits_for_it(
    board, wanted, problem
):
    machine = board({**BATTERY, "status": "Charging"})
    machine.remove("/sys/class/power_supply/s0/capacity")
    machine.path("/sys/class/power_supply/s0/capacity").mkdir()  # To read it is an error.

    assert floors.power_problem(machine, terms.Floors(**wanted)) == problem
