"""What a machine has to have before LXD is installed, and what is said if it has not."""

import dataclasses
import re

import pytest

import preflight

WELL = preflight.Facts(
    bits=64,
    memory_kb=966_000,
    memory_cgroup=True,
    boot_file="/boot/firmware/cmdline.txt",
    boot_line="console=tty1 root=LABEL=writable",
    free_bytes=10**10,
    now=1_800_000_000.0,
    taken_ports=(),
)
"""A Pi with 1 GB."""

LACKS = {
    "32 bits": ({"bits": 32}, "this system is 32-bit: install the 64-bit Ubuntu Server image"),
    "memory": ({"memory_kb": 466_000}, "455 MB of memory: use a machine with 1 GB or more"),
    "cgroup": ({"memory_cgroup": False}, "keeps no account of memory: .*cgroup_enable=memory"),
    "space": ({"free_bytes": 10**9}, "1.0 GB free below /var, 2 GB are needed: free some"),
    "clock": ({"now": 1_600_000_000.0}, "the clock is wrong.*timedatectl set-ntp true"),
    "port": ({"taken_ports": (8443,)}, r"port 8443 \(LXD's API\): stop it; `sudo ss -ltnp`"),
}


def test_given_a_pi_with_one_gigabyte_when_checked_then_it_may_be_a_member():
    assert preflight.judge(WELL) == ()


@pytest.mark.parametrize("what", LACKS)
def test_given_one_thing_missing_when_checked_then_it_is_named_with_its_remedy(what):
    changed, said = LACKS[what]

    (finding,) = preflight.judge(dataclasses.replace(WELL, **changed))

    assert re.search(said, str(finding))


def test_given_all_missing_when_checked_then_everything_is_said_at_once():
    changed = {key: value for lack, _ in LACKS.values() for key, value in lack.items()}

    assert len(preflight.judge(dataclasses.replace(WELL, **changed))) == len(LACKS)


def test_given_a_machine_that_lacks_two_things_when_deployed_then_nothing_is_installed(unit, pis):
    pi = unit(0, mem_kb=466_000)
    pis.world.machines["0"].foreign_ports.append(8443)

    state = pi.update(leader=True)

    assert state.unit_status.name == "blocked"
    assert "use a machine with 1 GB or more" in state.unit_status.message
    assert "something else listens on port 8443" in state.unit_status.message
    assert not pis.ran("install", "lxd")


def test_given_a_pi_of_the_lab_when_looked_at_then_the_facts_are_its_own(pis):
    pis.add(0, mem_kb=966_000)

    found = preflight.gather(pis.host(0))

    assert (found.memory_kb, found.memory_cgroup, found.taken_ports) == (966_000, True, ())
